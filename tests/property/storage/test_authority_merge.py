"""C1: what the cache says is a function of the set of operations, whatever their order and repetition."""

import sqlite3
from hashlib import sha256
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from storages import PEPPER, SITE, certificate_record, empty_database, freeze, permit_record, put, release, revoke

from edge.storage.authority_merge import Merger
from sync.formats.authority import Freeze, Put, Release, Revoke, Unknown, parse_operation

IDS = st.sampled_from(("x", "y"))
RULES = st.sampled_from(("x/1", "x/2"))
FIDS = st.sampled_from(("f1", "f2", "f3"))
REVISIONS = st.integers(1, 3)

OPERATIONS = st.one_of(
    st.builds(lambda i, r, n: put("worker", i, r, name=n), IDS, REVISIONS, st.sampled_from("ab")),
    st.builds(lambda i, r, w: put("cert", i, r, **certificate_record(worker=w)), IDS, REVISIONS, IDS),
    st.builds(
        lambda i, r, s, n: put("permit", i, r, **permit_record(status=s, short_id=n)),
        IDS,
        REVISIONS,
        st.integers(0, 6),
        st.integers(1, 2),
    ),
    st.builds(lambda v, r, t: put("rules", v, r, sha256="0" * 64, text=t), RULES, REVISIONS, st.sampled_from("ab")),
    st.builds(revoke, st.sampled_from(("worker", "cert", "permit", "badge")), IDS),
    st.builds(revoke, st.just("rules"), RULES),
    st.builds(freeze, FIDS, st.sampled_from(("permit", "worker", "area", "site")), IDS, st.sampled_from(("p", "q"))),
    st.builds(release, FIDS),
    st.binary(max_size=6),
)

SAID = (
    "SELECT kind, id, revision, digest, data, revoked_idx IS NOT NULL, tag, owner, short_id, status FROM record"
    " ORDER BY kind, id",
    "SELECT freeze_id, scope_kind, scope_id, by, why, released FROM freeze ORDER BY freeze_id, scope_kind, scope_id",
    "SELECT freeze_id FROM released ORDER BY freeze_id",
)


def said(operations: list[bytes]) -> list[list[Any]]:
    """All that the cache's tables say after these operations."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(empty_database("authority"))
    Merger(connection, SITE, PEPPER).merge(0, operations)
    tables = [connection.execute(query).fetchall() for query in SAID]
    connection.close()
    return tables


@settings(max_examples=80)
@given(st.data(), st.lists(OPERATIONS, min_size=1, max_size=14))
def test_c1_order_and_repetition_do_not_matter(data: st.DataObject, operations: list[bytes]) -> None:
    repeated = data.draw(st.lists(st.sampled_from(operations), max_size=6))
    shuffled = data.draw(st.permutations(operations + repeated))
    assert said(operations) == said(shuffled)


@settings(max_examples=60)
@given(st.lists(OPERATIONS, max_size=14))
def test_c3_frozen_is_what_was_frozen_and_not_released(operations: list[bytes]) -> None:
    parsed = [parse_operation(each) for each in operations]
    frozen = {each.freeze_id for each in parsed if isinstance(each, Freeze | Unknown)}
    released = {freeze_id for each in parsed if isinstance(each, Release) for freeze_id in each.freeze_ids}
    assert {row[0] for row in said(operations)[1] if not row[5]} == frozen - released


@settings(max_examples=60)
@given(st.lists(OPERATIONS, max_size=14))
def test_c2_c4_a_record_is_its_best_put_and_ended_by_any_revocation(operations: list[bytes]) -> None:
    parsed = [(each, sha256(data).digest()) for data in operations if (each := parse_operation(data))]
    rows = {(row[0], row[1]): row for row in said(operations)[0]}
    for key, row in rows.items():
        puts = [(each.revision, digest) for each, digest in parsed if isinstance(each, Put) and _key(each) == key]
        assert (row[2], row[3]) == max(puts, default=(None, None))
        assert bool(row[5]) == any(isinstance(each, Revoke) and _key(each) == key for each, _ in parsed)


def _key(operation: Put | Revoke) -> tuple[str, str]:
    return operation.kind.value, operation.id
