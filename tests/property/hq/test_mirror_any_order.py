"""U1: packages any number of times and in any order leave HQ in the same state."""

from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.formats import canonical, merkle, note, package
from sync.hq.mirror import Mirror
from sync.hq.sqlite_store import SqliteStore
from sync.hq.store import LogRole

ORIGIN = "pg.example.org/gw/gw1/1"
KEY = note.SigningKey(ORIGIN, Ed25519PrivateKey.generate())
SIZE = 12
LEAVES = tuple(canonical.encode({"org": ORIGIN, "seq": index}) for index in range(SIZE))
FRONTIER, _ = merkle.EMPTY.extend(map(merkle.leaf_hash, LEAVES))

SPANS = st.tuples(st.integers(0, SIZE - 1), st.integers(1, SIZE)).map(lambda span: (span[0], min(SIZE, sum(span))))


@settings(max_examples=25, deadline=None)
@given(st.lists(SPANS, max_size=20))
def test_the_state_depends_on_the_entries_only(spans: list[tuple[int, int]]) -> None:
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "hq.db")
        with store.writing() as transaction:
            transaction.add_log(ORIGIN, LogRole.GATEWAY, str(KEY.verifier()))
        mirror = Mirror(store, KEY)
        held = 0
        for start, end in [*spans, (0, SIZE), *spans]:
            wanted = mirror.add_entries(package.Package(ORIGIN, start, end, LEAVES[start:end]))
            held = max(held, end) if start <= held else held
            assert wanted == held
        with store.reading() as transaction:
            log = transaction.log(ORIGIN)
            assert tuple(transaction.leaves(ORIGIN, 0, SIZE + 1)) == LEAVES
        store.close()
        assert log is not None
        assert log.held == FRONTIER
        assert log.frozen is None
