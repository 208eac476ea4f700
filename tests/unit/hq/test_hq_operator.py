"""What the operator does at HQ: import, freeze, release, revoke, badges. A bad line stops no good one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.formats import badge_token, checkpoint, cosignature, note
from sync.formats.authority import Freeze, Put, Release, Revoke, Scope, ScopeKind, Unknown, parse_operation
from sync.formats.enrolment_code import parse_code, proof_text
from sync.formats.record_tables import Kind
from sync.hq import admin
from sync.hq.authority_log import FRESH_S, AuthorityLog, HeadServer
from sync.hq.enrolment import EnrolmentRequest, enrol
from sync.hq.key_files import load_key
from sync.hq.place import Place, open_place
from sync.hq.refusals import Refusal, RefusalCode
from sync.link.trusted_root import pinned_keys

NOW_MS = 1_793_520_000_000
EXAMPLE = Path(__file__).parents[3] / "hil" / "example_records.jsonl"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "hq"
    admin.init(folder, ("s014", "pg.example.org"), "gw1", ["hq.example.org"], NOW_MS)
    return folder


@pytest.fixture
def folder(fresh: Path, tmp_path: Path) -> Path:
    """A copy of an HQ that was just made: making one anew each time is slow."""
    return Path(shutil.copytree(fresh, tmp_path / "hq"))


def line(**fields: Any) -> str:
    return json.dumps({"v": 1, **fields})


def worker(identity: str, rev: int = 1, name: str = "Li") -> str:
    return line(op="put", k="worker", id=identity, rev=rev, rec={"name": name})


def permit(identity: str, short_id: int, rev: int = 1, **fields: Any) -> str:
    record = {
        "type": "02",
        "areas": ["a1"],
        "workers": ["w1"],
        "guardians": ["w9"],
        "start": NOW_MS - 3_600_000,
        "end": NOW_MS + 3_600_000,
        "status": 1,
        "short_id": short_id,
    }
    return line(op="put", k="permit", id=identity, rev=rev, rec={**record, **fields})


def imported(folder: Path, *lines: str) -> admin.ImportReport:
    path = folder / "in.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return admin.import_file(folder, path)


def operations(folder: Path) -> list[Any]:
    place = open_place(folder)
    store = place.store()
    with store.reading() as transaction:
        leaves = transaction.leaves(place.authority_origin, 0, 1_000)
    store.close()
    return [parse_operation(leaf) for leaf in leaves]


def test_good_lines_go_in_and_bad_ones_are_named(folder: Path) -> None:
    report = imported(
        folder, worker("w1"), "{", "", worker("w2", name="\n"), worker("w3"), line(op="put"), "x" * 70_000
    )
    assert (report.new, report.known) == (2, 0)
    assert [text.split(":")[1] for text in report.refused] == ["2", "4", "6", "7"]
    assert all(text.startswith(str(folder / "in.jsonl")) for text in report.refused)
    assert "rec.name" in report.refused[1]


def test_a_second_run_adds_nothing(folder: Path) -> None:
    lines = (worker("w1"), worker("w1", 2, "Li Na"), permit("P1", 1), permit("P1", 1, 2, status=3))
    assert imported(folder, *lines).new == 4
    before = operations(folder)
    report = imported(folder, *lines)
    assert (report.new, report.known, report.refused) == (0, 4, ())
    assert operations(folder) == before


def test_the_shipped_example_is_taken_whole(folder: Path) -> None:
    report = admin.import_file(folder, EXAMPLE)
    assert report.refused == ()
    assert report.new > 5


def test_an_old_or_equal_revision_of_other_content_is_refused(folder: Path) -> None:
    imported(folder, worker("w1", 2))
    report = imported(folder, worker("w1", 2, "other"), worker("w1", 1, "older"))
    assert len(report.refused) == 2
    assert "raise rev" in report.refused[0]


def test_two_open_permits_never_share_a_short_id(folder: Path) -> None:
    assert imported(folder, permit("P1", 7), permit("P2", 7)).new == 1
    imported(folder, permit("P1", 7, 2, status=3))
    assert imported(folder, permit("P2", 7)).new == 1


@pytest.mark.parametrize("over", [3, 4, 5])
@pytest.mark.parametrize("working", [0, 1, 2, 6])
def test_a_permit_that_is_over_never_begins_again(folder: Path, over: int, working: int) -> None:
    assert imported(folder, permit("P1", 7), permit("P1", 7, 2, status=over)).new == 2
    assert "new id" in imported(folder, permit("P1", 8, 3, status=working)).refused[0]
    assert imported(folder, permit("P1", 7, 3, status=over, workers=["w2"])).new == 1


def test_a_revoked_id_never_comes_back(folder: Path) -> None:
    imported(folder, worker("w1"))
    assert admin.revoke(folder, "worker", "w1", "left")
    assert not admin.revoke(folder, "worker", "w1", "left again")
    assert "for ever" in imported(folder, worker("w1", 9)).refused[0]


def test_freeze_and_release_are_operations_of_the_log(folder: Path) -> None:
    freeze_id = admin.freeze(folder, "permit", "P1", "boss", "gas smell")
    assert [held.released for held in admin.freezes(folder)] == [False]
    admin.release(folder, [freeze_id], "boss")
    assert [held.released for held in admin.freezes(folder)] == [True]
    assert [type(each) for each in operations(folder)[-2:]] == [Freeze, Release]


def test_a_release_that_comes_before_its_freeze_counts(folder: Path) -> None:
    admin.release(folder, ["gw1-77"], "boss")
    imported(folder, line(op="freeze", fid="gw1-77", by="gw1", scope={"k": "area", "id": "a1"}))
    assert [held.released for held in admin.freezes(folder)] == [True]


@pytest.mark.parametrize(("scope", "identity"), [("door", "d1"), ("permit", "P 1"), ("permit", "")])
def test_a_freeze_of_nothing_known_is_refused(folder: Path, scope: str, identity: str) -> None:
    with pytest.raises(Refusal) as caught:
        admin.freeze(folder, scope, identity, "boss", "why")
    assert caught.value.code is RefusalCode.OPERATION
    with pytest.raises(Refusal):
        admin.release(folder, [], "boss")
    with pytest.raises(Refusal):
        admin.revoke(folder, "door", "d1", "why")


def test_the_issuer_key_is_announced_and_signs_badges(folder: Path) -> None:
    imported(folder, worker("w1"), permit("P1", 7, permit_version=3))
    token = admin.issue_badge(folder, "w1", "P1", bytes(7), NOW_MS)
    issuer = next(each for each in operations(folder) if isinstance(each, Put) and each.kind is Kind.ISSUER).record
    key = badge_token.IssuerKey(
        bytes.fromhex(issuer["kid"]), bytes.fromhex(issuer["key"]), issuer["not_before"], issuer["not_after"], "s014"
    )
    claims = badge_token.verify(token, bytes(7), {key.key_id: key}, "s014", NOW_MS)
    assert claims.permit_short_ids == (7,)
    assert claims.permit_version == 3
    assert claims.worker_tag == admin.worker_tag(open_place(folder).pepper(), "w1")
    assert claims.expires_s == (NOW_MS + 3_600_000) // 1000 + 1


def test_a_badge_lasts_one_shift_at_most_and_begins_with_its_permit(folder: Path) -> None:
    start = NOW_MS + 7_200_000
    imported(folder, worker("w1"), permit("P1", 7, start=start, end=start + 5 * 86_400_000))
    claims = badge_token.decode(admin.issue_badge(folder, "w1", "P1", bytes(7), NOW_MS)).claims
    assert claims.not_before_s == start // 1000
    assert claims.expires_s - claims.not_before_s == 43_200


@pytest.mark.parametrize(
    ("who", "which", "what"),
    [
        ("w2", "P1", "worker w2"),
        ("w1", "P9", "permit P9"),
        ("w3", "P1", "no worker, guardian or approver"),
        ("w1", "P2", "over"),
    ],
)
def test_no_badge_without_worker_permit_and_time(folder: Path, who: str, which: str, what: str) -> None:
    over = permit("P2", 8, start=NOW_MS - 9_000_000, end=NOW_MS - 1_000)
    imported(folder, worker("w1"), worker("w3"), permit("P1", 7), over)
    with pytest.raises(Refusal, match=what):
        admin.issue_badge(folder, who, which, bytes(7), NOW_MS)


def test_the_head_is_cosigned_anew_each_minute_and_when_it_grows(folder: Path) -> None:
    place = open_place(folder)
    store = place.store()
    heads = HeadServer(store, place.authority_origin, place.mirror_key())

    def served(now_ms: int) -> tuple[int, int]:
        head = heads.head(now_ms)
        size = checkpoint.open_checkpoint(head, place.authority_key().verifier()).size
        return size, cosignature.verify_cosignature(head, head, place.mirror_key().cosigner())

    first_s = NOW_MS // 1000
    assert served(NOW_MS) == (1, first_s)
    assert served(NOW_MS + FRESH_S * 1000 - 1) == (1, first_s)
    assert served(NOW_MS + FRESH_S * 1000) == (1, first_s + FRESH_S)
    admin.freeze(folder, "site", "s014", "boss", "storm")
    assert served(NOW_MS + FRESH_S * 1000 + 1) == (2, first_s + FRESH_S)
    store.close()


def test_keys_are_for_their_owner_only_and_an_open_one_is_refused(folder: Path) -> None:
    secrets = [*folder.glob("keys/*"), *folder.glob("tls/*.key"), folder / "hq.db"]
    assert len(secrets) == 8
    assert all(path.stat().st_mode & 0o077 == 0 for path in secrets)
    (folder / "keys" / "mirror.pem").chmod(0o644)
    with pytest.raises(Refusal, match="chmod 600"):
        open_place(folder).mirror_key()


def test_init_again_changes_no_key_and_gives_a_further_code(folder: Path) -> None:
    keys = {path: path.read_bytes() for path in folder.glob("keys/*")}
    report = admin.init(folder, ("s014", "pg.example.org"), "gw2", [], NOW_MS)
    assert not report.made
    assert report.gateway_origin == "pg.example.org/gw/gw2/1"
    assert report.code not in repr(report)
    assert {path: path.read_bytes() for path in folder.glob("keys/*")} == keys
    assert [type(each) for each in operations(folder)] == [Put]


@pytest.mark.parametrize(
    ("names", "gateway"),
    [
        (("other", "pg.example.org"), "gw1"),
        (("s014", "pg.example.com"), "gw1"),
        (("s014", "pg.example.org"), "GW 1"),
        (("s014", "pg.example.org"), "gw1/x"),
        (("s014", "pg.example.org"), "gw1/0"),
    ],
)
def test_init_refuses_another_site_or_a_bad_gateway(folder: Path, names: tuple[str, str], gateway: str) -> None:
    with pytest.raises(Refusal) as caught:
        admin.init(folder, names, gateway, [], NOW_MS)
    assert caught.value.code is RefusalCode.SETTING


def test_a_folder_without_an_hq_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="hq init"):
        open_place(tmp_path)
    (tmp_path / "hq.json").write_text("[]")
    with pytest.raises(Refusal, match="not an HQ's file"):
        open_place(tmp_path)
    assert Place(tmp_path, "s", "o").authority_origin == "o/hq/authority/s/1"
    assert Revoke(Kind.BADGE, "00", "x").kind is Kind.BADGE


BAD_WORDS = ["x" * 257, "two\nlines"]


@pytest.mark.parametrize("why", BAD_WORDS)
def test_words_that_no_gateway_could_read_are_refused_and_freeze_nothing(folder: Path, why: str) -> None:
    before = operations(folder)
    with pytest.raises(Refusal, match=r"freeze\.why: must be printable text of at most 256"):
        admin.freeze(folder, "permit", "P1", "boss", why)
    with pytest.raises(Refusal, match=r"revoke\.why"):
        admin.revoke(folder, "cert", "c1", why)
    with pytest.raises(Refusal):
        admin.release(folder, [f"f{number}" for number in range(65)], "boss")
    assert operations(folder) == before
    assert admin.freezes(folder) == []


def test_whatever_hq_takes_every_gateway_can_read(folder: Path) -> None:
    """An entry that a gateway cannot read is a freeze there, of the whole site if need be."""
    dates = ("1970-01-01", "0226-11-27", "1969-12-31T23:59:59Z", "９９９９-01-01")
    certificate = {"worker": "w1", "trade": "t", "status": "valid"}
    lines = [permit(f"P{number}", number + 1, start=date) for number, date in enumerate(dates)]
    lines += [
        line(op="put", k="cert", id="c1", rev=1, rec={**certificate, "issued": date, "ends": "2099-01-01"})
        for date in dates
    ]
    assert len(imported(folder, *lines).refused) == len(lines)
    assert not [each for each in operations(folder) if isinstance(each, Unknown)]


def test_a_badge_is_revoked_by_the_id_that_gateways_know(folder: Path) -> None:
    assert admin.revoke(folder, "badge", "00:11:22:33:AA:BB:CC:DD", "lost")
    assert operations(folder)[-1] == Revoke(Kind.BADGE, "00112233aabbccdd", "lost")
    for bad in ("lost-one", "00112233aabbcc", "00112233aabbccdd00"):
        with pytest.raises(Refusal, match="badge: must be"):
            admin.revoke(folder, "badge", bad, "lost")
    report = imported(folder, line(op="revoke", k="badge", id="00112233AABBCCDD", why="lost"))
    assert "revoke.id: must be lower-case hexadecimal" in report.refused[0]


def test_ten_thousand_freezes_go_in_as_fast_as_other_lines(folder: Path) -> None:
    asked: list[str] = []
    freezes = [Freeze(f"f{number}", Scope(ScopeKind.PERMIT, "P1"), "hq", "") for number in range(200)]
    place = open_place(folder)
    store = place.store()
    log = AuthorityLog(store, place.authority_origin, place.authority_key())
    with store.writing() as transaction:
        transaction._connection.set_trace_callback(asked.append)
        added = log.add_within(transaction, freezes)
        transaction._connection.set_trace_callback(None)
    store.close()
    assert added.new == 200
    assert not [each for each in asked if "ORDER BY fid" in each], "all freezes read for each one"
    assert added.refused == ()


def test_an_origin_of_any_allowed_length_is_announced(tmp_path: Path) -> None:
    organisation = "permits.shanghai-petrochemical.example.com"
    folder = tmp_path / "hq"
    code = parse_code(admin.init(folder, ("s014", organisation), "refinery_north-gate-02", [], NOW_MS).code)
    place = open_place(folder)
    key = note.SigningKey(place.gateway_origin("refinery_north-gate-02", 1), Ed25519PrivateKey.generate())
    assert len(key.name) > 64
    store = place.store()
    authority = AuthorityLog(store, place.authority_origin, place.authority_key())
    proof = note.sign(proof_text(code.secret, "s014"), key)
    enrol(store, place, authority, EnrolmentRequest(code.secret, "s014", key.verifier(), proof), NOW_MS)
    store.close()
    (announced,) = [each for each in operations(folder) if isinstance(each, Put) and each.kind is Kind.GATEWAY]
    assert announced.id == key.name


MADE = (
    *(f"keys/{name}.pem" for name in ("root", "authority", "mirror", "issuer")),
    "keys/site_pepper",
    "tls/ca.key",
    "tls/ca.pem",
    "tls/server.key",
    "tls/server.pem",
    "trust/root.json",
    "hq.db",
    "hq.json",
)


@pytest.mark.parametrize("steps", range(len(MADE)))
def test_an_init_that_was_broken_off_anywhere_is_finished_by_another(fresh: Path, tmp_path: Path, steps: int) -> None:
    folder = tmp_path / "hq"
    for name in MADE[:steps]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(fresh / name, folder / name)
    part = folder / f"{MADE[steps]}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half")
    report = admin.init(folder, ("s014", "pg.example.org"), "gw1", [], NOW_MS)
    assert report.made
    assert imported(folder, worker("w1")).new == 1
    place = open_place(folder)
    assert pinned_keys(place.root().encode()).authority.name == place.authority_origin
    assert all((folder / name).read_bytes() == (fresh / name).read_bytes() for name in MADE[: min(steps, 9)])


def use_all(place: Place) -> None:
    """Whatever HQ's commands and calls read of its secrets."""
    place.authority_key()
    place.mirror_key()
    place.pepper()
    load_key(place.key_path("root"))
    load_key(place.key_path("issuer"))
    place.certificates.make("pg.example.org", ["another.example.org"], NOW_MS)


@pytest.mark.parametrize("name", [name for name in MADE if name.startswith(("keys", "tls"))])
@pytest.mark.parametrize("data", [b"", b"\xff garbage"])
def test_a_damaged_file_of_hq_is_named(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(Refusal) as caught:
        use_all(open_place(folder))
    assert caught.value.code is RefusalCode.SETTING
    assert name in caught.value.text


def test_a_further_host_is_added_to_the_certificate_and_nothing_else_changes(folder: Path) -> None:
    place = open_place(folder)
    authority, key = place.certificates.fingerprint(), place.certificates.server_key_path.read_bytes()
    before = place.certificates.server_certificate_path.read_bytes()
    admin.init(folder, ("s014", "pg.example.org"), "gw2", ["hq.example.org"], NOW_MS)
    assert place.certificates.server_certificate_path.read_bytes() == before, "named already"
    admin.init(folder, ("s014", "pg.example.org"), "gw3", ["10.0.0.9"], NOW_MS)
    assert place.certificates.names() == {"hq.example.org", "localhost", "127.0.0.1", "10.0.0.9"}
    assert place.certificates.fingerprint() == authority
    assert place.certificates.server_key_path.read_bytes() == key


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_taken_whole(folder: Path) -> None:
    path = folder / "in.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([worker("w1"), worker("w2"), ""]).encode())
    assert admin.import_file(folder, path) == admin.ImportReport(2, 0, ())


def test_what_is_no_json_is_named_by_its_place_in_the_line(folder: Path) -> None:
    (refused,) = imported(folder, worker("w1"), '{"op": nothing}').refused
    assert refused.startswith(f"{folder / 'in.jsonl'}:2: line: not JSON: ")
    assert refused.endswith(", at character 8")


def test_a_badge_that_every_gateway_would_refuse_is_not_issued(folder: Path) -> None:
    late_ms = NOW_MS + (admin.ISSUER_DAYS + 1) * 86_400_000
    imported(folder, worker("w1"), permit("P1", 7, end=late_ms + 3_600_000))
    assert admin.issue_badge(folder, "w1", "P1", bytes(7), NOW_MS)
    last_ms = NOW_MS + admin.ISSUER_DAYS * 86_400_000
    claims = badge_token.decode(admin.issue_badge(folder, "w1", "P1", bytes(7), last_ms - 60_000)).claims
    assert claims.expires_s == last_ms // 1_000 + 1
    with pytest.raises(Refusal, match="its year is over"):
        admin.issue_badge(folder, "w1", "P1", bytes(7), late_ms)
    admin.revoke(folder, "issuer", "issuer-1", "key lost")
    with pytest.raises(Refusal, match="revoked"):
        admin.issue_badge(folder, "w1", "P1", bytes(7), NOW_MS)


def test_a_release_of_a_freeze_that_hq_never_made_is_a_slip_of_the_pen(folder: Path) -> None:
    freeze_id = admin.freeze(folder, "permit", "P1", "boss", "gas smell")
    with pytest.raises(Refusal, match="made no such freeze"):
        admin.release(folder, [freeze_id[:-1]], "boss")
    admin.release(folder, [freeze_id, "pg.example.org/gw/gw1/1#17"], "boss")
