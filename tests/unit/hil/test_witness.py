"""The witness at the strike tells an unlock with its entry from one without."""

from pathlib import Path

from storages import entry, open_journal

from edge.core.readings import MonotonicMs
from hil.demo_steps.witness import Witness
from hil.wiring import WireChange


def grant(seq: int, door: str = "d1", decision: str = "granted"):  # type: ignore[no-untyped-def]
    return entry(seq, body={"decision": decision, "door": door})


def unlock(at: int, door: str = "d1", now: str = "unlocked") -> WireChange:
    return WireChange(MonotonicMs(at), door, "lock", now)


def test_an_unlock_uses_the_newest_grant_of_its_door_once(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "journal.db")
    journal = open_journal(tmp_path)
    journal.append([grant(0), grant(1, "d2"), grant(2, decision="denied")])
    witness(unlock(1))
    witness(unlock(2, now="locked"))
    witness(unlock(3))
    journal.append([grant(3)])
    witness(unlock(4))
    journal.close()
    assert [(each.at, each.door, each.grant) for each in witness.seen] == [(1, "d1", 0), (3, "d1", None), (4, "d1", 3)]


def test_a_withdrawn_grant_explains_no_unlock(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "journal.db")
    journal = open_journal(tmp_path)
    journal.append([grant(0), entry(1, "access.withdrawn", body={"entry": 0})])
    witness(unlock(1))
    journal.close()
    assert [each.grant for each in witness.seen] == [None]


def test_without_a_journal_no_unlock_is_explained(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "journal.db")
    witness(unlock(1))
    (tmp_path / "journal.db").write_bytes(b"no database")
    witness(unlock(2))
    assert [each.grant for each in witness.seen] == [None, None]
