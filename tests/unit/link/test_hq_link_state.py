"""What ``status`` says of the link: a refusal stays in view until HQ cosigns again."""

from pathlib import Path

from edge.core.messages import Input, Noticed
from edge.core.readings import MonotonicMs
from edge.runtime.hq_link import HqLink, LinkEvents


def test_a_refusal_is_in_view_until_hq_cosigns_again(tmp_path: Path) -> None:
    posted: list[Input] = []

    def post(message: Input) -> bool:
        posted.append(message)
        return True

    events = LinkEvents(post, lambda note: None, lambda reader: None)
    link = HqLink({}, tmp_path / "authority.db", "boot", lambda: MonotonicMs(0), events)
    assert link.refused is None
    link._take({"k": "refused", "what": "fork", "why": "two signed roots at 64; the log is frozen"})
    assert link.refused == "fork: two signed roots at 64; the log is frozen"
    assert posted == [Noticed("hq.refused", "fork", "two signed roots at 64; the log is frozen")]
    link._take({"k": "cosigned", "note": "note"})
    assert link.refused is None
