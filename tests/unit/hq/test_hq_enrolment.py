"""One code, one key, once; and the front door's limits."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.ports.errors import RefusedError
from sync.formats import note
from sync.formats.authority import Put
from sync.formats.enrolment_code import EnrolmentCode, parse_code, proof_text
from sync.formats.errors import FormatError
from sync.formats.record_tables import Kind
from sync.hq import admin
from sync.hq.authority_log import AuthorityLog, current
from sync.hq.enrolment import CODE_LIFE_MS, EnrolmentRequest, enrol, parse_enrolment, token_hash
from sync.hq.limits import RateLimit, gunzip, read_body
from sync.hq.place import Place, open_place
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.sqlite_store import SqliteStore
from sync.link.trusted_root import pinned_keys

NOW_MS = 1_793_520_000_000
ORIGIN = "pg.example.org/gw/gw1/1"
KEY = note.SigningKey(ORIGIN, Ed25519PrivateKey.generate())


class Hq:
    def __init__(self, folder: Path) -> None:
        self.code = parse_code(admin.init(folder, ("s014", "pg.example.org"), "gw1", [], NOW_MS).code)
        self.place: Place = open_place(folder)
        self.store: SqliteStore = self.place.store()

    def enrol(self, key: note.SigningKey = KEY, *, site: str = "s014", now_ms: int = NOW_MS) -> dict[str, Any]:
        authority = AuthorityLog(self.store, self.place.authority_origin, self.place.authority_key())
        proof = note.sign(proof_text(self.code.secret, site), key)
        request = EnrolmentRequest(self.code.secret, site, key.verifier(), proof)
        return enrol(self.store, self.place, authority, request, now_ms)


@pytest.fixture
def hq(tmp_path: Path) -> Iterator[Hq]:
    hq = Hq(tmp_path / "hq")
    yield hq
    hq.store.close()


def test_enrolment_makes_a_log_and_announces_its_key(hq: Hq) -> None:
    answer = hq.enrol()
    with hq.store.reading() as transaction:
        log = transaction.log(ORIGIN)
        announced = current(transaction, hq.place.authority_origin, Kind.GATEWAY, ORIGIN)
        owner = transaction.token_owner(token_hash(answer["link_token"]))
    assert log is not None
    assert log.vkey == str(KEY.verifier())
    assert announced == Put(Kind.GATEWAY, ORIGIN, 1, {"origin": ORIGIN, "vkey": str(KEY.verifier())})
    assert owner == ORIGIN


def test_the_root_names_the_keys_that_hq_uses(hq: Hq) -> None:
    answer = hq.enrol()
    pinned = pinned_keys(answer["root"].encode())
    assert str(pinned.authority) == answer["authority_vkey"]
    assert str(pinned.mirror) == answer["mirror_vkey"]


def test_a_root_changed_in_any_place_is_refused(hq: Hq) -> None:
    root = hq.place.root_path.read_bytes()
    value = json.loads(root)
    forged = dict(value["signed"], version=1, expires="2999-01-01T00:00:00Z")
    for bad in (
        json.dumps({**value, "signed": forged}).encode(),
        b"{}",
        b"",
        b"x" * 70_000,
        root.replace(b"mirror", b"mirroR"),
    ):
        with pytest.raises(RefusedError):
            pinned_keys(bad)


def test_the_same_key_may_ask_again_and_another_may_not(hq: Hq) -> None:
    first, second = hq.enrol(), hq.enrol()
    assert first["link_token"] != second["link_token"]
    with hq.store.reading() as transaction:
        assert transaction.token_owner(token_hash(first["link_token"])) is None
    with pytest.raises(Refusal, match="used already"):
        hq.enrol(note.SigningKey(ORIGIN, Ed25519PrivateKey.generate()))


def test_who_knows_code_and_public_key_gets_nothing_and_takes_nothing(hq: Hq) -> None:
    token = hq.enrol()["link_token"]
    stranger = note.SigningKey(ORIGIN, Ed25519PrivateKey.generate())
    authority = AuthorityLog(hq.store, hq.place.authority_origin, hq.place.authority_key())
    for proof in (
        "",
        note.sign(proof_text(hq.code.secret, "s014"), stranger),
        note.sign(proof_text(bytes(16), "s014"), KEY),
        note.sign(proof_text(hq.code.secret, "s015"), KEY),
        note.sign(f"{ORIGIN}\n0\n{'A' * 43}=\n", KEY),
    ):
        request = EnrolmentRequest(hq.code.secret, "s014", KEY.verifier(), proof)
        with pytest.raises(Refusal, match="not signed by the log key") as caught:
            enrol(hq.store, hq.place, authority, request, NOW_MS)
        assert caught.value.code is RefusalCode.CODE
    with hq.store.reading() as transaction:
        assert transaction.token_owner(token_hash(token)) == ORIGIN


def test_of_two_codes_for_one_gateway_the_second_serves_the_same_key_only(hq: Hq) -> None:
    second = admin.init(hq.place.folder, ("s014", "pg.example.org"), "gw1", [], NOW_MS).code
    hq.enrol()
    hq.code = parse_code(second)
    with pytest.raises(Refusal, match="enrolled already by another key") as caught:
        hq.enrol(note.SigningKey(ORIGIN, Ed25519PrivateKey.generate()))
    assert caught.value.code is RefusalCode.CODE
    assert hq.enrol()["origin"] == ORIGIN


def test_a_lapsed_code_a_wrong_site_and_a_wrong_name_are_refused(hq: Hq) -> None:
    with pytest.raises(Refusal, match="lapsed"):
        hq.enrol(now_ms=NOW_MS + CODE_LIFE_MS)
    with pytest.raises(Refusal, match="serves s014"):
        hq.enrol(site="s015")
    with pytest.raises(Refusal, match="epoch"):
        hq.enrol(note.SigningKey("pg.example.org/gw/gw1/2", KEY.private))
    hq.enrol()


def test_an_unknown_code_is_refused(hq: Hq) -> None:
    hq.code = EnrolmentCode(bytes(16), bytes(16))
    with pytest.raises(Refusal) as caught:
        hq.enrol()
    assert caught.value.code is RefusalCode.CODE


def test_an_enrolled_origin_gets_no_second_code(hq: Hq) -> None:
    hq.enrol()
    with pytest.raises(Refusal, match="epoch 2"):
        admin.init(hq.place.folder, ("s014", "pg.example.org"), "gw1", [], NOW_MS)
    admin.init(hq.place.folder, ("s014", "pg.example.org"), "gw1/2", [], NOW_MS)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"v":1,"secret":5,"site":"s","vkey":"x"}', b'{"v":1,"secret":"zz","site":"s","vkey":"x"}'],
)
def test_an_enrolment_request_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_enrolment(body)
    assert caught.value.code is RefusalCode.MALFORMED


def test_a_code_survives_copying_and_any_wrong_letter_is_found() -> None:
    code = EnrolmentCode(bytes(range(16)), bytes(range(16, 32)))
    text = str(code)
    assert parse_code(f"  {text.upper()}\n") == code
    assert text not in repr(code)
    for place in range(4, len(text)):
        wrong = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
        with pytest.raises(FormatError) as caught:
            parse_code(wrong)
        assert wrong not in str(caught.value)
    with pytest.raises(FormatError):
        parse_code(text[:-1])


def test_a_caller_that_hurries_is_slowed_and_others_are_not() -> None:
    limit = RateLimit(per_s=1, burst=2)
    limit.take("a", 0)
    limit.take("a", 0)
    with pytest.raises(Refusal):
        limit.take("a", 0)
    limit.take("b", 0)
    limit.take("a", 1_000)
    with pytest.raises(Refusal):
        limit.take("a", 500)


def test_a_body_is_bounded_packed_and_unpacked() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100)

    with pytest.raises(Refusal) as caught:
        asyncio.run(read_body(endless(), 1_000))
    assert caught.value.code is RefusalCode.TOO_LARGE
    assert gunzip(gzip.compress(b"x" * 50), 50) == b"x" * 50
    for data in (gzip.compress(bytes(10_000_000)), gzip.compress(b"x") + b"y", gzip.compress(b"x")[:-1], b"x"):
        with pytest.raises(Refusal):
            gunzip(data, 1_000)
