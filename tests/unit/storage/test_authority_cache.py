"""The authority cache's promises D1 to D5, rules C2 to C6, and the facts that a tap gets from it."""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from storages import (
    AUTHORITY_ORIGIN,
    NOW_MS,
    PEPPER,
    SITE,
    AuthorityLog,
    certificate_record,
    freeze,
    issuer_record,
    migrate,
    open_authority,
    permit_record,
    put,
    release,
    revoke,
)

from edge.core.facts import Token, TokenRefusal, TokenVerdict, Worker
from edge.core.holds import Freeze
from edge.ports.errors import DamagedError, RefusedError, StoreError, UnusableError
from edge.ports.stores import DiskFullError, HqRules, NewerDatabaseError
from edge.storage import authority_reader
from edge.storage.authority import AuthorityWriter
from edge.storage.authority_merge import worker_tag
from edge.storage.authority_reader import AuthorityReader
from sync.formats.checkpoint import Checkpoint
from sync.formats.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash, verify_inclusion


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[AuthorityWriter]:
    opened = open_authority(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def reader(tmp_path: Path, writer: AuthorityWriter) -> Iterator[AuthorityReader]:
    opened = AuthorityReader(tmp_path / "authority.db")
    yield opened
    opened.close()


@pytest.fixture
def log() -> AuthorityLog:
    return AuthorityLog()


def verdict(worker: str = "w1", *short_ids: int, token_id: str = "0011223344556677") -> TokenVerdict:
    token = Token(token_id, "a1b2c3d4", worker_tag(PEPPER, worker), SITE, ("a1",), short_ids or (7,), 0, 0, 1)
    return TokenVerdict(token, None)


BADGELESS = TokenVerdict(None, TokenRefusal.ABSENT)
WORLD = (
    put("worker", "w1", 1, name="王伟"),
    put("worker", "w2", 1, name="李娜"),
    put("cert", "c1", 1, **certificate_record()),
    put("cert", "c2", 1, **certificate_record(trade="electric", review_due=NOW_MS)),
    put("cert", "c3", 1, **certificate_record(worker="w2")),
    put("permit", "PTW-1", 1, **permit_record()),
    put("permit", "PTW-2", 1, **permit_record(short_id=8)),
    put("issuer", "i1", 1, **issuer_record()),
)

# ---- what may be believed --------------------------------------------------------------------------------------------


def test_an_empty_cache_believes_nothing(writer: AuthorityWriter, reader: AuthorityReader) -> None:
    trusted = writer.trusted()
    assert (trusted.size, trusted.root, trusted.fresh_ms, trusted.head_note) == (0, EMPTY_ROOT, None, None)
    facts = reader.gather(verdict(), "a1")
    assert (facts.authority_size, facts.fresh_at_ms, facts.worker, facts.permits) == (0, None, None, ())


def test_an_applied_head_is_believed_after_a_restart(
    tmp_path: Path, writer: AuthorityWriter, log: AuthorityLog
) -> None:
    applied = log.feed(writer, *WORLD)
    assert (applied.size, applied.root, applied.fresh_ms) == (len(WORLD), log.frontier.root(), NOW_MS)
    assert applied.permits == ("PTW-1", "PTW-2")
    before = writer.trusted()
    writer.close()
    reopened = open_authority(tmp_path)
    assert reopened.trusted() == before
    reopened.close()


@pytest.mark.parametrize("case", ["smaller", "fork", "other root", "other origin", "too few", "too many", "reordered"])
def test_d1_d4_d5_a_head_that_does_not_extend_what_is_believed_changes_nothing(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog, case: str
) -> None:
    log.feed(writer, *WORLD[:3])
    old_head = log.head()
    new_head = log.extend(*WORLD[3:5])
    head, operations, why = {
        "smaller": (Checkpoint(AUTHORITY_ORIGIN, 2, leaf_hash(b"")), (), "ROLLBACK"),
        "fork": (Checkpoint(AUTHORITY_ORIGIN, 3, leaf_hash(b"")), (), "FORK"),
        "other root": (Checkpoint(AUTHORITY_ORIGIN, 5, leaf_hash(b"")), WORLD[3:5], "not the head's"),
        "other origin": (Checkpoint(AUTHORITY_ORIGIN + "1", 5, new_head.root), WORLD[3:5], "only"),
        "too few": (new_head, WORLD[3:4], "fetch the rest"),
        "too many": (old_head, WORLD[3:4], "at hand"),
        "reordered": (new_head, (WORLD[4], WORLD[3]), "not the head's"),
    }[case]
    before, gathered = writer.trusted(), reader.gather(verdict(), "a1")
    with pytest.raises(RefusedError, match=why):
        writer.apply("head", head, NOW_MS + 1, operations)
    assert writer.trusted() == before
    assert reader.gather(verdict(), "a1") == gathered
    writer.apply("head", new_head, NOW_MS, WORLD[3:5])
    assert reader.size() == 5


def test_d1_freshness_never_goes_back(writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog) -> None:
    log.feed(writer, *WORLD)
    assert writer.apply("newer", log.head(), NOW_MS + 5, ()).fresh_ms == NOW_MS + 5
    assert writer.apply("older", log.head(), NOW_MS + 3, ()).fresh_ms == NOW_MS + 5
    assert reader.head_note() == "newer"
    applied = log.feed(writer, put("worker", "w3", 1, name="x"), fresh_ms=NOW_MS + 4)
    assert applied.fresh_ms == NOW_MS + 5
    assert reader.fresh_at_ms() == NOW_MS + 5


def test_d1_the_database_itself_refuses_to_go_back(tmp_path: Path, writer: AuthorityWriter, log: AuthorityLog) -> None:
    log.feed(writer, *WORLD)
    connection = sqlite3.connect(tmp_path / "authority.db", isolation_level=None)
    for statement in ("size = size - 1", "fresh_ms = fresh_ms - 1", "fresh_ms = NULL", "origin = 'x'"):
        with pytest.raises(sqlite3.IntegrityError, match="D1"):
            connection.execute(f"UPDATE log SET {statement}")
    with pytest.raises(sqlite3.IntegrityError, match="D1"):
        connection.execute("DELETE FROM log")
    connection.close()


def test_d2_a_delta_that_cannot_be_stored_leaves_no_part_of_it(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    log.feed(writer, *WORLD[:2])
    before = writer.trusted()
    delta = [put("worker", f"w{number}", 1, name="x" * 60) for number in range(1_000)]
    head = log.extend(*delta)
    writer._connection.execute("PRAGMA max_page_count = 30")
    with pytest.raises(DiskFullError):
        writer.apply("head", head, NOW_MS + 9, delta)
    assert (writer.trusted(), reader.size(), reader.worker("w9")) == (before, 2, None)
    writer._connection.execute("PRAGMA max_page_count = 100000")
    assert writer.apply("head", head, NOW_MS + 9, delta).size == 1_002
    assert reader.worker("w9") == Worker("w9", False)


# ---- conflict rules --------------------------------------------------------------------------------------------------


def test_c2_a_revocation_is_terminal_also_before_its_put(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    log.feed(writer, WORLD[-1], revoke("worker", "w1"), revoke("permit", "PTW-1"), revoke("cert", "c1"))
    assert reader.worker("w1") == Worker("w1", True)
    assert reader.gather(verdict(), "a1").worker == Worker("w1", True)
    assert reader.permit("PTW-1") is None
    log.feed(writer, *WORLD, put("worker", "w1", 99, name="again"))
    facts = reader.gather(verdict(), "a1")
    assert facts.worker == Worker("w1", True)
    assert [(permit.permit, permit.revoked) for permit in facts.permits] == [("PTW-1", True)]
    assert [(each.certificate, each.revoked) for each in facts.certificates] == [("c1", True), ("c2", False)]
    assert reader.permits_open() == (reader.permit("PTW-2"),)


def test_c3_a_release_lifts_only_the_freezes_it_names(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    applied = log.feed(writer, *WORLD, freeze("f1", "permit", "PTW-1"), freeze("f2", "permit", "PTW-1"))
    assert applied.freezes == tuple(Freeze(each, "permit:PTW-1", "hq-1", "drill") for each in ("f1", "f2"))
    applied = log.feed(writer, release("f1", "f9"))
    assert applied.releases == ("f1", "f9")
    assert [each.freeze for each in reader.freezes()] == ["f2"]
    assert reader.gather(verdict(), "a1").freezes == ("permit:PTW-1",)
    log.feed(writer, release("f2"), freeze("f9", "permit", "PTW-1"))
    assert reader.freezes() == ()
    assert reader.releases() == ("f1", "f2", "f9")
    assert reader.gather(verdict(), "a1").freezes == ()


def test_c4_of_two_puts_the_larger_revision_then_hash_holds(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    rivals = sorted(
        (put("permit", "P", 5, **permit_record(gas=gas)) for gas in "abc"), key=lambda op: sha256(op).digest()
    )
    log.feed(writer, rivals[1], put("permit", "P", 4, **permit_record(gas="old")), rivals[2], rivals[0])
    record = reader.record("permit", "P")
    assert record is not None
    assert (record.revision, record.index) == (5, 2)
    assert reader.operation(2) == rivals[2]


@pytest.mark.parametrize(
    ("operation", "scope"),
    [
        (b"not even JSON", f"site:{SITE}"),
        (put("permit", "PTW-1", 1, surprising=1), "permit:PTW-1"),
        (put("cert", "c1", 1, worker="w1", surprising=1), "worker:w1"),
        (put("hologram", "h1", 1), f"site:{SITE}"),
        (freeze("f1", "site", "another-name"), f"site:{SITE}"),
    ],
)
def test_c6_what_cannot_be_read_freezes_its_scope(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog, operation: bytes, scope: str
) -> None:
    applied = log.feed(writer, *WORLD, operation)
    assert [each.scope for each in applied.freezes] == [scope]
    assert reader.gather(verdict(), "a1").freezes == (scope,)
    log.feed(writer, release(applied.freezes[0].freeze))
    assert reader.freezes() == ()


# ---- facts -----------------------------------------------------------------------------------------------------------


def test_the_facts_of_a_tap_are_those_of_its_worker_and_permits(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    log.feed(writer, *WORLD)
    facts = reader.gather(verdict("w1", 7, 9), "a1")
    assert (facts.authority_size, facts.fresh_at_ms, facts.token_revoked) == (len(WORLD), NOW_MS, False)
    assert facts.worker == Worker("w1", False)
    assert [each.certificate for each in facts.certificates] == ["c1", "c2"]
    assert facts.permits == (reader.permit("PTW-1"),)
    assert reader.gather(verdict("stranger"), "a1").worker is None
    assert reader.gather(verdict("stranger"), "a1").certificates == ()


def test_the_facts_hold_the_permits_that_it_is_linked_to_as_far_as_hq_said_them_and_without_their_people(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    log.feed(
        writer,
        *WORLD,
        put("permit", "JOB-1", 1, **permit_record(short_id=17, links=["JOB-2", "JOB-3"])),
        put("permit", "JOB-2", 1, **permit_record(short_id=18, links=["JOB-1"])),
        freeze("f9", "permit", "JOB-2"),
    )
    facts = reader.gather(verdict("w1", 17), "a1")
    assert [(each.permit, each.links, each.workers, each.guardians) for each in facts.linked] == [
        ("JOB-2", ("JOB-1",), (), ())
    ]
    assert facts.permits[0].links == ("JOB-2", "JOB-3")
    assert facts.freezes == ("permit:JOB-2",)


def test_windows_end_one_second_after_the_last_valid_one(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    log.feed(writer, *WORLD)
    permit = reader.permit("PTW-1")
    assert permit is not None
    assert (permit.not_before_ms, permit.not_after_ms) == (NOW_MS, NOW_MS + 3_600_000)
    first, second = reader.certificates("w1")
    assert (first.ends_ms, first.review_due_ms) == (NOW_MS + 86_400_000, None)
    assert second.review_due_ms == NOW_MS + 1_000


def test_a_short_id_means_the_open_permit_and_else_the_last_one(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    def named() -> list[str]:
        return [permit.permit for permit in reader.gather(verdict(), "a1").permits]

    log.feed(writer, WORLD[-1])
    log.feed(writer, put("permit", "OLD", 1, **permit_record()), put("permit", "OLD", 2, **permit_record(status=3)))
    assert named() == ["OLD"]
    log.feed(writer, put("permit", "NEW", 1, **permit_record(status=0)))
    assert named() == ["NEW"]
    log.feed(writer, put("permit", "NEW", 2, **permit_record(status=4)))
    assert named() == ["NEW"]
    log.feed(writer, revoke("permit", "NEW"), put("permit", "OLD", 3, **permit_record(status=6)))
    assert named() == ["OLD"]


def test_a_revoked_badge_is_told(writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog) -> None:
    log.feed(writer, *WORLD, revoke("badge", "0011223344556677"))
    assert reader.gather(verdict(), "a1").token_revoked
    assert not reader.gather(verdict(token_id="0011223344556678"), "a1").token_revoked


def test_freezes_that_touch_the_tap_are_told_and_others_not(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    touching = [freeze("f1", "area", "a1"), freeze("f2", "worker", "w1"), freeze("f3", "permit", "PTW-1")]
    others = [freeze("f4", "area", "a2"), freeze("f5", "worker", "w2"), freeze("f6", "permit", "PTW-2")]
    log.feed(writer, *WORLD, *touching, *others)
    assert reader.gather(verdict(), "a1").freezes == ("area:a1", "permit:PTW-1", "worker:w1")
    assert reader.gather(BADGELESS, "a2").freezes == ("area:a2",)
    assert reader.gather(BADGELESS, "a2").worker is None


@pytest.mark.parametrize("ending", [revoke("issuer", "i1"), put("issuer", "i1", 2, **issuer_record(kid="00000000"))])
def test_a_badge_whose_key_was_ended_since_it_was_read_is_believed_no_more(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog, ending: bytes
) -> None:
    log.feed(writer, *WORLD)
    assert reader.gather(verdict(), "a1").token == verdict()
    log.feed(writer, ending)
    facts = reader.gather(verdict(), "a1")
    assert facts.token == TokenVerdict(None, TokenRefusal.ISSUER_UNKNOWN)
    assert (facts.worker, facts.permits) == (None, ())


def test_issuers_are_read_with_their_windows(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    log.feed(writer, put("issuer", "i1", 1, **issuer_record()))
    (issuer,) = reader.issuers()
    assert (issuer.key_id, issuer.public, issuer.site) == (bytes.fromhex("a1b2c3d4"), b"\x11" * 32, SITE)
    assert (issuer.not_before_ms, issuer.not_after_ms, issuer.revoked) == (NOW_MS, NOW_MS + 60_000, False)
    log.feed(writer, revoke("issuer", "i1"))
    assert reader.issuers()[0].revoked


def test_every_record_can_be_proven_under_the_believed_root(
    writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog
) -> None:
    log.feed(writer, *WORLD)
    for kind, identity, index in (("worker", "w1", 0), ("cert", "c1", 2), ("permit", "PTW-2", 6)):
        record = reader.record(kind, identity)
        assert record is not None
        assert record.index == index
        proof = inclusion_proof(index, len(WORLD), reader.node)
        verify_inclusion(leaf_hash(reader.operation(index)), index, len(WORLD), proof, writer.trusted().root)
    assert reader.leaves(5) == WORLD[5:]
    assert reader.record("permit", "none") is None
    with pytest.raises(RefusedError):
        reader.operation(len(WORLD))


def test_open_permits_come_in_pages(writer: AuthorityWriter, reader: AuthorityReader, log: AuthorityLog) -> None:
    operations = [put("permit", f"P{number:04}", 1, **permit_record(status=number % 7)) for number in range(700)]
    log.feed(writer, *operations)
    found = reader.permits_open()
    assert [each.permit for each in found] == [f"P{n:04}" for n in range(700) if n % 7 in (0, 1, 2, 6)]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (authority_reader._WORKER_BY_TAG, "record_by_tag (tag=?)"),
        (authority_reader._BADGE_REVOKED, "sqlite_autoindex_record_1 (kind=? AND id=?)"),
        (authority_reader._OPEN_BY_SHORT_ID, "permit_open_by_short_id (short_id=?)"),
        (authority_reader._LAST_BY_SHORT_ID, "record_by_short_id (short_id=?)"),
        (authority_reader._CERTIFICATES, "record_by_owner (owner=?)"),
    ],
)
def test_a_lookup_at_the_door_never_walks_the_records(reader: AuthorityReader, query: str, index: str) -> None:
    plan = reader._connection.execute(f"EXPLAIN QUERY PLAN {query}", (1,)).fetchall()
    assert plan[0][3].endswith(index), plan


# ---- files that cannot be used ---------------------------------------------------------------------------------------


def test_a_damaged_cache_is_kept_aside_and_filled_again(
    tmp_path: Path, writer: AuthorityWriter, log: AuthorityLog
) -> None:
    writer.close()
    (tmp_path / "authority.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(DamagedError, match=r"kept as .*authority\.db\.damaged-.*fetched again"):
        open_authority(tmp_path)
    fresh = open_authority(tmp_path)
    assert log.feed(fresh, *WORLD).size == len(WORLD)
    fresh.close()


def test_a_cache_of_another_authority_or_newer_schema_is_refused(tmp_path: Path, writer: AuthorityWriter) -> None:
    writer.close()
    path = tmp_path / "authority.db"
    with pytest.raises(UnusableError, match="pinned"):
        AuthorityWriter.open(path, AUTHORITY_ORIGIN + "0", SITE, PEPPER, NOW_MS, migrate=migrate)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(NewerDatabaseError):
        open_authority(tmp_path)
    with pytest.raises(NewerDatabaseError):
        AuthorityReader(path)


def test_no_cache_to_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"authority\.db"):
        AuthorityReader(tmp_path / "authority.db")


def test_rule_packs_are_kept_like_any_record_and_each_change_of_them_shows(
    log: AuthorityLog, writer: AuthorityWriter, reader: AuthorityReader
) -> None:
    log.feed(writer, put("worker", "w1", 1, name="Li"))
    marks = [reader.rules_mark()]
    for operation in (
        put("rules", "gb30871/3", 1, sha256="3" * 64, text="three"),
        put("rules", "gb3087/1", 1, sha256="1" * 64, text="one"),
        revoke("rules", "gb30871/3"),
        revoke("rules", "gb30871/9"),
    ):
        log.feed(writer, operation)
        marks.append(reader.rules_mark())
    assert len(set(marks)) == len(marks)
    assert reader.rules("gb30871") == (
        HqRules("gb30871/3", {"sha256": "3" * 64, "text": "three"}, 1, 3),
        HqRules("gb30871/9", None, None, 4),
    )
    assert [each.rules for each in reader.rules()] == ["gb30871/3", "gb3087/1", "gb30871/9"]
