"""The link to HQ is cut and comes back: doors decide as before, and both sides end with the same truth."""

from hil.demo_steps import cast
from hil.demo_steps.morning import COSIGNED_S, pass_through
from hil.demo_steps.refusals import refused
from hil.demo_steps.stage import Stage
from hil.demo_steps.story import BrokenOffError, Findings, Step, until

_LINK_S = 8.0


def _link_cut(stage: Stage, findings: Findings) -> None:
    stage.link.cut()
    until("the gateway notices", lambda: stage.status()["link"]["state"] == "down", _LINK_S)
    findings.true("link", True, f"down: {stage.status()['link']['why'][:60]}")
    guardian = stage.tap("zhao-2")
    findings.same("guardian Zhao taps", guardian.said, "noted guardian_present")
    answer = stage.tap("wu")
    findings.same("worker Wu taps", answer.said, "granted")
    pass_through(stage, findings, answer)
    refused(stage, findings, stage.tap("wang"), "certificate_expired")
    waiting = stage.size() - stage.acked()
    findings.true("kept for HQ", waiting > 0, f"{waiting} entries")


def _link_back(stage: Stage, findings: Findings) -> None:
    freeze = ("hq", "freeze", "permit", cast.HOT, "--by", "hq-duty", "--reason", "计划有变 plans changed")
    revoke = ("hq", "revoke", "cert", cast.WU_CERTIFICATE, "--reason", "证书撤销 withdrawn")
    frozen, revoked = stage.commands((*freeze, "--dir", stage.hq_dir), (*revoke, "--dir", stage.hq_dir))
    if frozen.code or revoked.code:
        raise BrokenOffError(f"{frozen.words} {revoked.words}")
    stage.freeze = frozen.json["freeze"]
    findings.same("the gateway meanwhile", "knows" if _frozen(stage) else "does not know", "does not know")
    backlog = stage.size()
    stage.link.mend()
    stage.on_gateway("sync", "now")
    until("the backlog is cosigned", lambda: stage.acked() >= backlog, COSIGNED_S)
    until("HQ's word is applied", lambda: _frozen(stage), COSIGNED_S)
    held = stage.hq_log()
    findings.true("backlog cosigned by HQ", held.size >= backlog, f"{held.size} of {backlog} and newer")
    roots = (held.root.hex()[:16], stage.root(held.size).hex()[:16])
    findings.same(f"root of {held.size} entries at HQ and here", f"{roots[0]} {roots[1]}", f"{roots[0]} {roots[0]}")
    refused(stage, findings, stage.tap("li"), "permit_frozen")
    refused(stage, findings, stage.tap("wu"), "certificate_invalid")


def _frozen(stage: Stage) -> bool:
    return any(each["freeze"] == stage.freeze for each in stage.status()["freezes"])


STEPS = (
    Step(
        "link_cut",
        "The link to HQ is cut: the doors decide as before",
        "与总部的链路中断：门禁照常判定",
        "guardian noted, Wu granted, Wang denied certificate_expired; entries are kept for HQ",
        _link_cut,
    ),
    Step(
        "link_back",
        "HQ freezes a permit and revokes a certificate meanwhile; then the link comes back",
        "其间总部冻结一张作业票、撤销一张证书；随后链路恢复",
        "backlog cosigned; both roots equal; permit frozen and certificate refused at the door",
        _link_back,
    ),
)
"""Without and with HQ, in the order of the story."""
