"""One suite per store port, on everything that implements it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from storages import AuthorityLog, cosigned, entries, freeze, open_authority, open_journal, put

from edge.ports.errors import RefusedError, UnusableError
from edge.ports.stores import READ_ROWS_MAX, JournalOwner, LogSource
from edge.storage.authority_reader import AuthorityReader
from edge.storage.journal_reader import JournalReader
from edge.storage.slow import SlowJournal
from sync.formats.checkpoint import parse
from sync.formats.merkle import EMPTY, leaf_hash, root_at
from sync.formats.note import split_note

JournalMaker = Callable[[Path], AbstractContextManager[JournalOwner]]
SourceMaker = Callable[[Path], AbstractContextManager[LogSource]]
SIZE = 300


@contextmanager
def on_disk(folder: Path) -> Iterator[JournalOwner]:
    writer = open_journal(folder)
    yield writer
    writer.close()


@contextmanager
def on_a_slow_disk(folder: Path) -> Iterator[JournalOwner]:
    writer = open_journal(folder)
    yield SlowJournal(writer, lambda seconds: None, lambda: 0.5)
    writer.close()


@pytest.fixture(params=[on_disk, on_a_slow_disk])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JournalOwner]:
    make: JournalMaker = request.param
    with make(tmp_path) as owner:
        yield owner


def test_append_returns_the_next_index(journal: JournalOwner) -> None:
    assert journal.append(entries(0, 3), None) == 3
    assert journal.append(entries(3, 1), b"state") == 4


def test_a_gap_is_refused_and_nothing_stored(journal: JournalOwner) -> None:
    journal.append(entries(0, 3), None)
    with pytest.raises(UnusableError):
        journal.append(entries(4, 1), None)
    assert journal.append(entries(3, 1), None) == 4


def test_the_signed_checkpoint_covers_what_was_appended(journal: JournalOwner) -> None:
    journal.append(entries(0, 3), None)
    assert parse(split_note(journal.sign_checkpoint())[0]).size == 3


def test_a_cosignature_acknowledges_and_a_false_one_is_refused(journal: JournalOwner) -> None:
    journal.append(entries(0, 3), None)
    note = journal.sign_checkpoint()
    with pytest.raises(RefusedError):
        journal.accept_cosignature(note)
    assert journal.accept_cosignature(cosigned(note)) == 3


def test_copying_the_wal_empties_it(journal: JournalOwner) -> None:
    journal.append(entries(0, 3), None)
    assert journal.wal_bytes() > 0
    assert journal.checkpoint_wal()
    assert journal.wal_bytes() == 0


@contextmanager
def journal_source(folder: Path) -> Iterator[LogSource]:
    writer = open_journal(folder)
    writer.append(entries(0, SIZE))
    reader = JournalReader(folder / "journal.db")
    yield reader
    reader.close()
    writer.close()


@contextmanager
def authority_source(folder: Path) -> Iterator[LogSource]:
    writer = open_authority(folder)
    operations = [put("worker", f"w{number}", 1, name="x") for number in range(SIZE - 1)]
    AuthorityLog().feed(writer, *operations, freeze("f1", "area", "a1"))
    reader = AuthorityReader(folder / "authority.db")
    yield reader
    reader.close()
    writer.close()


@pytest.fixture(params=[journal_source, authority_source])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogSource]:
    make: SourceMaker = request.param
    with make(tmp_path) as opened:
        yield opened


def test_leaves_come_in_order_and_at_most_256_at_once(source: LogSource) -> None:
    assert source.size() == SIZE
    first = source.leaves(0, SIZE)
    assert len(first) == READ_ROWS_MAX
    assert source.leaves(10, 5) == first[10:15]
    assert len(source.leaves(READ_ROWS_MAX, SIZE)) == SIZE - READ_ROWS_MAX
    assert source.leaves(SIZE, 5) == ()


def test_nodes_are_those_of_the_leaves(source: LogSource) -> None:
    leaves = [*source.leaves(0, READ_ROWS_MAX), *source.leaves(READ_ROWS_MAX, READ_ROWS_MAX)]
    frontier, nodes = EMPTY.extend(map(leaf_hash, leaves))
    assert all(source.node(level, index) == node for level, index, node in nodes)
    assert root_at(SIZE, source.node) == frontier.root()


@pytest.mark.parametrize(("level", "index"), [(0, SIZE), (1, SIZE // 2), (8, 1), (9, 0)])
def test_a_node_that_is_not_complete_is_refused(source: LogSource, level: int, index: int) -> None:
    with pytest.raises(RefusedError):
        source.node(level, index)
