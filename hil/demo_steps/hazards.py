"""Gas and wind: what the instruments say stops the work, and what it takes to begin again."""

from edge.host.system_clock import monotonic_ms
from hil.demo_steps import cast
from hil.demo_steps.morning import SETTLED_S, pass_through
from hil.demo_steps.refusals import refused
from hil.demo_steps.stage import Stage
from hil.demo_steps.story import Findings, Step, until

_ALARM_S = 4.0


def _gas_over_limit(stage: Stage, findings: Findings) -> None:
    wiring, gas = stage.site.wiring, stage.site.instrument("gas-1")
    until("the siren of the step before is quiet", lambda: wiring.siren("a1") == "quiet", _ALARM_S)
    start, at_ms = stage.size(), monotonic_ms()
    gas.set_value("combustible", "12.5")
    siren = wiring.wait_for("a1", "siren", "sounding", within_s=_ALARM_S, since=at_ms)
    late = "never" if siren is None else f"{siren.at - at_ms} ms after the gas (polled each 500 ms)"
    findings.true("siren", siren is not None, late)
    tripped = until("the trip is recorded", lambda: stage.entry("permit.tripped", start, cast.HOT), _ALARM_S)
    body = tripped["body"]
    measured = f"{body['reason']} at {body['steps'] / 10} {body['unit']}, highest good {body['highest_good'] / 10}"
    findings.same("tripped", measured, "gas_over_limit at 12.5 %LEL, highest good 10.0")
    refused(stage, findings, stage.tap("li"), "gas_over_limit")
    findings.same("pushed from outside", "opens" if wiring.push("d1") else "stays shut", "stays shut")
    _leave(stage, findings)


def _leave(stage: Stage, findings: Findings) -> None:
    """Whoever is inside presses the exit button and walks out, whatever the gas does."""
    wiring, start, pressed_ms = stage.site.wiring, stage.size(), monotonic_ms()
    wiring.press_rex("d1", 0.1)
    free = wiring.wait_for("d1", "lock", "unlocked", within_s=2.0, since=pressed_ms)
    late = "never" if free is None else f"free {free.at - pressed_ms} ms after the exit button"
    findings.true("egress", free is not None and wiring.push("d1", from_inside=True), late)
    wiring.shut("d1")
    until("the way out is recorded", lambda: stage.entry("exit.requested", start), 3.0)
    relocked = free and wiring.wait_for("d1", "lock", "locked", within_s=4.0, since=free.at)
    findings.true("relocked behind them", relocked is not None, "yes" if relocked else "no")


def _sensor_silent(stage: Stage, findings: Findings) -> None:
    gas = stage.site.instrument("gas-1")
    gas.set_value("combustible", "1.5")
    gas.fault("silence")
    until("the silence counts", lambda: "reading_stale" in stage.missing(cast.HOT, cast.LI), SETTLED_S)
    answer = stage.tap("li")
    refused(stage, findings, answer, "reading_stale")
    (condition,) = (each for each in answer.body["conditions"] if "@gas-1" in each["interlock"])
    figure = "no figure" if condition["steps"] is None else f"figure {condition['steps']}"
    findings.same("decided on", f"{figure}, {condition['quality']}", "no figure, comm_fail")


def _gas_clears(stage: Stage, findings: Findings) -> None:
    stage.site.instrument("gas-1").heal()
    until("the readings are good again", lambda: _only_trip(stage), SETTLED_S + 4)
    refused(stage, findings, stage.tap("li"), "permit_tripped")
    by = ("--by", cast.ZHAO, "--reason")
    early = stage.on_gateway("permit", "release", cast.HOT, *by, "气体已清除 gas is gone")
    reasons = [each["code"] for each in early.json.get("reasons", [])]
    findings.same("release without a re-test", f"exit {early.code} {reasons}", "exit 1 ['retest_missing']")
    retest = stage.on_gateway("permit", "retest", cast.HOT, *by, "复测 1.5 %LEL re-tested")
    findings.same("re-test by Zhao", f"exit {retest.code}", "exit 0")
    findings.same("siren", stage.site.wiring.siren("a1"), "quiet")
    release = stage.on_gateway("permit", "release", cast.HOT, *by, "条件恢复 good again")
    findings.same("release by Zhao", f"exit {release.code}", "exit 0")
    answer = stage.tap("li")
    findings.same("worker Li taps", answer.said, "granted")
    pass_through(stage, findings, answer)


def _only_trip(stage: Stage) -> bool:
    return stage.missing(cast.HOT, cast.LI) == {"permit_tripped"}


def _wind(stage: Stage, findings: Findings) -> None:
    wind = stage.site.instrument("wind-1")
    wind.set_value("wind_speed", "7.9")
    stage.tap("sun", "r2")
    refused(stage, findings, stage.tap("chen", "r2"), "harness_not_confirmed")
    confirmed = stage.on_gateway(
        "permit", "confirm", cast.HEIGHT, "--by", cast.SUN, "--reason", "安全带已系 harness worn"
    )
    findings.same("guardian Sun confirms the harness", f"exit {confirmed.code}", "exit 0")
    until("the wind of the window is 7.9", lambda: _wind_is(stage, "7.9 m/s") and not _lacking(stage), SETTLED_S)
    answer = stage.tap("chen", "r2")
    findings.same("at 7.9 m/s", answer.said, "granted")
    pass_through(stage, findings, answer)
    wind.set_value("wind_speed", "8.0")
    until("the wind is read as 8.0", lambda: _wind_is(stage, "8.0 m/s"), SETTLED_S)
    answer = stage.tap("chen", "r2")
    refused(stage, findings, answer, "wind_over_limit")
    running = next(each for each in stage.status()["permits"] if each["permit"] == cast.HEIGHT)
    findings.same("the running permit", (running["trip"] or {}).get("reason"), "wind_over_limit")
    wind.set_value("wind_speed", "2.0")


def _wind_is(stage: Stage, figure: str) -> bool:
    return bool(stage.status()["readings"]["wind-1.wind_speed"]["figure"] == figure)


def _lacking(stage: Stage) -> set[str]:
    return stage.missing(cast.HEIGHT, cast.CHEN)


STEPS = (
    Step(
        "gas_over_limit",
        "The gas rises to 12.5 %LEL at the detector while the work runs",
        "作业中可燃气体升至 12.5 %LEL",
        "permit tripped, siren, entry shut; the exit button frees the door",
        _gas_over_limit,
    ),
    Step(
        "sensor_silent",
        "The gas is gone, but the detector says nothing any more",
        "气体散去，但检测仪不再应答",
        "denied reading_stale; decided on no figure, not on zero",
        _sensor_silent,
    ),
    Step(
        "gas_clears",
        "The detector answers again, 1.5 %LEL: the trip stays until a re-test passes and a named person releases it",
        "检测仪恢复，1.5 %LEL：须复测合格并由具名人员解除",
        "denied permit_tripped; release refused before the re-test; then re-test, release, granted",
        _gas_clears,
    ),
    Step(
        "wind",
        "Work at height: the guardian confirms the harness, then the wind goes from 7.9 to 8.0 m/s",
        "高处作业：监护人确认安全带，风速由 7.9 升至 8.0 m/s",
        "harness missing first; granted at 7.9; denied wind_over_limit at 8.0",
        _wind,
    ),
)
"""Hazards, in the order of the story."""
