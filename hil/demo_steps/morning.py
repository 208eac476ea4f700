"""The morning: HQ is made, the gateway enrols and hears HQ's word, instruments settle, the first worker goes in."""

from datetime import UTC, datetime
from pathlib import Path

import orjson

from edge.app.hq import issue_badge
from edge.host.system_clock import monotonic_ms, utc_ms
from hil.demo_steps import cast
from hil.demo_steps.cast import Badge
from hil.demo_steps.stage import Answer, Stage
from hil.demo_steps.story import BrokenOffError, Findings, Step, until
from sync.formats.badge_token import wrap_ndef

SETTLED_S = 8.0
COSIGNED_S = 8.0


def _enrol(stage: Stage, findings: Findings) -> None:
    now = datetime.fromtimestamp(utc_ms() / 1000, UTC)
    names = ("--site", cast.SITE, "--organisation", cast.ORGANISATION, "--gateway", cast.GATEWAY)
    made = stage.command("hq", "init", "--dir", stage.hq_dir, *names)
    if made.code != 0:
        raise BrokenOffError(made.words)
    stage.hq.start()
    lines = cast.records(now)
    first, second = _write(stage, "records.jsonl", lines), _write(stage, "renumbered.jsonl", cast.renumbered(now))
    (imported,) = stage.commands(("hq", "import", "--dir", stage.hq_dir, first))
    findings.same("records imported", f"{imported.json.get('new')} new", f"{len(lines)} new")
    _issue_badges(stage)
    stage.hq.wait_said("HQ serves", 20.0)
    url = f"https://127.0.0.1:{stage.link.port}"
    enrol = ("enrol", "--config", stage.config_path, "--hq", url, "--code", made.json["code"])
    enrolled, again = stage.commands(enrol, ("hq", "import", "--dir", stage.hq_dir, second))
    findings.same("enrolled as", enrolled.json.get("origin", enrolled.words), stage.config.gateway.origin)
    findings.same("a permit renumbered", f"exit {again.code}", "exit 0")
    stage.start_gateway()
    heard = until("HQ's word is in the cache", lambda: _heard(stage), SETTLED_S)
    findings.true("HQ's word applied", heard >= len(lines) + 1, f"{heard} operations")
    findings.true("status says simulated", stage.status()["simulated"], "yes" if stage.status()["simulated"] else "no")


def _write(stage: Stage, name: str, lines: list[dict[str, object]]) -> Path:
    path = stage.folder / name
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in lines))
    return path


def _issue_badges(stage: Stage) -> None:
    """What ``permitgate badge issue`` does, for all nine; the messages are kept for whoever plays on."""
    folder = stage.folder / "badges"
    folder.mkdir(exist_ok=True)
    for name, (worker, permit, uid) in cast.BADGES.items():
        message = wrap_ndef(issue_badge(stage.hq_dir, worker, permit, uid))
        (folder / f"{name}.ndef").write_bytes(message)
        stage.badges[name] = Badge(uid, message)


def _heard(stage: Stage) -> int:
    """How many operations the gateway believes, once it believes all that HQ has said."""
    status = stage.status()
    known = {each["permit"] for each in status["permits"]}
    heard: int = status["authority"]["size"]
    return heard if {cast.HOT, cast.HEIGHT} <= known else 0


def _readings_good(stage: Stage, findings: Findings) -> None:
    def good() -> bool:
        readings = stage.status()["readings"].values()
        lacking = stage.missing(cast.HOT, cast.LI)
        return all(each["quality"] == "good" for each in readings) and lacking == {"guardian_absent"}

    until("all readings good and settled", good, SETTLED_S)
    for channel, each in stage.status()["readings"].items():
        bus = next(device.bus for device in stage.config.devices if device.id == channel.split(".")[0])
        kind = "Modbus/TCP" if bus == "b1" else "Modbus RTU over a serial line"
        findings.same(f"{channel}, {kind}", f"{each['figure']} {each['quality']}", f"{_resting(channel)} good")
    findings.same("missing for hot work", ", ".join(stage.missing(cast.HOT, cast.LI)), "guardian_absent")


def _resting(channel: str) -> str:
    return "1.5 %LEL" if channel.startswith("gas-1") else "2.0 m/s"


def _granted(stage: Stage, findings: Findings) -> None:
    guardian = stage.tap("zhao")
    findings.same("guardian Zhao taps", guardian.said, "noted guardian_present")
    answer = stage.tap("li")
    findings.same("worker Li taps", answer.said, "granted")
    opened_ms = pass_through(stage, findings, answer)
    seen = next((each for each in stage.witness.seen if each.at == opened_ms), None)
    at_strike = f"entry {seen.grant} readable in the journal when the strike's wire went live" if seen else "not seen"
    findings.true("recorded before the lock moved", seen is not None and seen.grant == answer.entry, at_strike)
    until("HQ cosigns the entry", lambda: stage.acked() > answer.entry, COSIGNED_S)
    held = stage.hq_log()
    words = f"{held.size} entries, entry {answer.entry} among them, {monotonic_ms() - answer.began} ms after the tap"
    findings.true("held and cosigned by HQ", held.size > answer.entry, words)


def pass_through(stage: Stage, findings: Findings, answer: Answer) -> int:
    """A person who was granted entry walks in: when the lock opened. Raises BrokenOffError if it did not."""
    wiring, door = stage.site.wiring, answer.door
    unlocked = wiring.wait_for(door, "lock", "unlocked", within_s=3.0, since=answer.began)
    if unlocked is None:
        raise BrokenOffError(f"door {door} was not released: {answer.said}")
    findings.true("released", True, f"{unlocked.at - answer.began} ms after the badge came")
    opened = wiring.push(door)
    relocked = wiring.wait_for(door, "lock", "locked", within_s=4.0, since=unlocked.at)
    wiring.shut(door)
    until("the passage is recorded", lambda: stage.entry("access.taken", answer.entry), 3.0)
    passed = opened and relocked is not None and wiring.state(door).bolt == "locked"
    findings.true("opened, shut, relocked", passed, "yes" if passed else f"opened {opened}, {wiring.state(door)}")
    return unlocked.at


STEPS = (
    Step(
        "enrol",
        "HQ is made, its records are imported, the gateway enrols with a one-time code and receives its authority",
        "建立总部、导入记录；网关用一次性注册码入网，收到授权数据",
        "every record imported; enrolled under the gateway's origin; HQ's word verified and applied",
        _enrol,
        needed=True,
    ),
    Step(
        "readings_good",
        "Gas detector and anemometer are polled over Modbus/TCP and a serial line until their readings are settled",
        "通过 Modbus/TCP 与串口轮询气体检测仪、风速仪，读数稳定",
        "1.5 %LEL good, 2.0 m/s good; only the guardian is missing",
        _readings_good,
        needed=True,
    ),
    Step(
        "granted",
        "The guardian taps, then a worker of the permit: the door opens",
        "监护人刷卡，作业人员刷卡：开门",
        "granted; entry on disk before the lock moves; released, opened, shut, relocked; cosigned by HQ",
        _granted,
    ),
)
"""The first steps of the story."""
