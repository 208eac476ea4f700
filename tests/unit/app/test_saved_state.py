"""A start goes by the saved state if it can, and by the whole journal if it cannot: either way to the same state."""

from pathlib import Path

import pytest
from sites import ready_bench
from storages import open_journal

from edge.app.daemon_parts import fold_journal
from edge.core import codec
from edge.core.fold import fold
from edge.core.state import Durable
from edge.storage.journal_reader import JournalReader


def _journal(folder: Path, saved: bytes | None) -> Durable:
    """A journal with that saved state after its first entries; the durable state that its author had."""
    bench = ready_bench()
    writer = open_journal(folder)
    writer.append(bench.entries[:3], saved)
    writer.append(bench.entries[3:])
    writer.close()
    return bench.state.durable


def test_a_long_fold_says_that_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd would end it after a minute, again and again, and the gateway would never start."""
    monkeypatch.setattr("edge.app.daemon_parts._TELL_EVERY", 5)
    durable = _journal(tmp_path, None)
    told: list[int] = []
    fold_journal(JournalReader(tmp_path / "journal.db"), lambda: told.append(1))
    assert 0 < len(told) <= durable.next_entry // 5


def _after(count: int) -> bytes:
    """The saved state after so many entries."""
    durable = Durable()
    for entry in ready_bench().entries[:count]:
        durable = fold(durable, entry)
    return codec.encode(durable)


@pytest.mark.parametrize(
    "saved",
    [
        None,
        _after(3),
        _after(2),
        b"",
        b"\x00" * 100,
        b'{"next_entry":3}',
        _after(3)[:-1],
    ],
    ids=["none", "good", "of another entry", "empty", "zeros", "of another version", "cut"],
)
def test_the_state_at_start_is_what_the_journal_says_whatever_was_saved(tmp_path: Path, saved: bytes | None) -> None:
    durable = _journal(tmp_path, saved)
    assert fold_journal(JournalReader(tmp_path / "journal.db")) == durable
