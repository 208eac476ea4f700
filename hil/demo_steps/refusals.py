"""Badges that open nothing, each for its own reason; the last one raises an alarm."""

from collections.abc import Callable

from hil.demo_steps import cast
from hil.demo_steps.cast import Badge
from hil.demo_steps.stage import Answer, Stage
from hil.demo_steps.story import Findings, Step, until


def refused(stage: Stage, findings: Findings, answer: Answer, reason: str) -> None:
    """A tap was refused for that primary reason, the lamp is red, and the lock has not moved."""
    findings.same("answer", answer.said, f"denied {reason}")
    findings.true("shown", answer.shown, f"{answer.light}, {answer.words}")
    moved = [each for each in stage.witness.seen if each.door == answer.door and each.at >= answer.began]
    lock = stage.site.wiring.state(answer.door).lock
    findings.same("lock", "moved" if moved else lock, "locked")


def _tapping(badge: Callable[[Stage], Badge], reason: str) -> Callable[[Stage, Findings], None]:
    def play(stage: Stage, findings: Findings) -> None:
        refused(stage, findings, stage.tap(badge(stage)), reason)

    return play


def _one_bit_flipped(stage: Stage) -> Badge:
    """The last byte of a token is of its signature."""
    badge = stage.badges["li"]
    return Badge(badge.uid, badge.ndef[:-1] + bytes([badge.ndef[-1] ^ 0x01]))


def _wrong_area(stage: Stage, findings: Findings) -> None:
    start = stage.size()
    answer = stage.tap("zhou")
    refused(stage, findings, answer, "wrong_area")
    siren = stage.site.wiring.wait_for("a1", "siren", "sounding", within_s=2.0, since=answer.began)
    late = "never" if siren is None else f"{siren.at - answer.began} ms after the badge came"
    findings.true("siren", siren is not None, late)
    frozen = until("the freeze is recorded", lambda: stage.entry("hold.frozen", start), 3.0)
    findings.same("frozen", frozen["body"]["scope"], f"permit:{cast.ELSEWHERE}")
    scopes = {each["scope"] for each in stage.status()["freezes"]}
    findings.true("the hold stands", f"permit:{cast.ELSEWHERE}" in scopes, ", ".join(sorted(scopes)) or "no hold")


STEPS = (
    Step(
        "no_permit",
        "A badge whose permit number HQ has since given up",
        "工牌上的作业票号已被总部换号",
        "denied permit_unknown, red, locked",
        _tapping(lambda stage: stage.badges["he"], "permit_unknown"),
    ),
    Step(
        "expired_certificate",
        "A worker of the permit whose welding certificate is over",
        "焊工证已过期的作业人员",
        "denied certificate_expired, red, locked",
        _tapping(lambda stage: stage.badges["wang"], "certificate_expired"),
    ),
    Step(
        "one_bit_flipped",
        "A good badge with one bit flipped",
        "有效工牌被改动一位",
        "denied signature_bad, red, locked",
        _tapping(_one_bit_flipped, "signature_bad"),
    ),
    Step(
        "bare_uid_clone",
        "A tag that only copies a good badge's UID",
        "只复制了芯片号的空白卡",
        "denied token_absent, red, locked",
        _tapping(lambda stage: Badge(stage.badges["li"].uid, b""), "token_absent"),
    ),
    Step(
        "token_copied",
        "A good badge's message on another tag",
        "有效工牌的数据被复制到另一张卡",
        "denied uid_mismatch, red, locked",
        _tapping(lambda stage: Badge(cast.OTHER_UID, stage.badges["li"].ndef), "uid_mismatch"),
    ),
    Step(
        "wrong_area",
        "A worker whose permit is for the platform taps at the tank farm",
        "检修平台的作业人员在罐区刷卡：越界",
        "denied wrong_area, siren, permit frozen",
        _wrong_area,
    ),
)
"""Refusals, in the order of the story."""
