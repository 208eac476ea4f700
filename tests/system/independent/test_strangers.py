"""Strangers with the public texts in hand: one verifies what a gateway exported, one is a gateway to our HQ."""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from plants import ORGANISATION, SITE, Hq, Plant, Template, command, plant
from stranger import Key, StrangersLog, checkpoint_of, leaf_hash, tree_hash, verify_note, verify_tiles

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def exported(used: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plant, Path]]:
    """A gateway at rest and its tiles."""
    folder = tmp_path_factory.mktemp("plant")
    with plant(used, folder) as made:
        done = made.cli("journal", "export", "--tiles", folder / "tiles")
        assert done.returncode == 0, done.stderr
        yield made, folder / "tiles"


def test_a_stranger_verifies_tiles_checkpoint_and_cosignature(exported: tuple[Plant, Path]) -> None:
    gateway, folder = exported
    log, mirror = map(Key.parse, (folder / "vkeys").read_text().split())
    trusted = json.loads((gateway.data / "trust" / "enrolment.json").read_bytes())
    assert str(mirror) == trusted["mirror_vkey"]
    entries, at_s = verify_tiles(folder, log, mirror)
    assert entries == gateway.leaves()[: len(entries)]
    kinds = [json.loads(entry)["typ"] for entry in entries]
    assert "access.decided" in kinds
    assert [json.loads(entry)["seq"] for entry in entries] == list(range(len(entries)))
    assert at_s * 1000 > max(json.loads(entry)["t"]["w"] or 0 for entry in entries) - 2_000


def test_a_stranger_follows_the_permits_own_chain(exported: tuple[Plant, Path]) -> None:
    gateway, _ = exported
    entries = [(leaf, json.loads(leaf)) for leaf in gateway.leaves()]
    origin = entries[0][1]["org"]
    head = sha256(f"permitgate-permit-chain/1\n{origin}\nP1\n".encode()).digest()
    own = [(leaf, value) for leaf, value in entries if value.get("pid") == "P1"]
    assert len(own) >= 2
    for number, (leaf, value) in enumerate(own, start=1):
        assert (value["pn"], value["pp"]) == (number, head.hex())
        head = sha256(b"permitgate-permit-link/1\n" + head + leaf_hash(leaf)).digest()


def test_every_flipped_byte_of_the_export_is_seen_by_the_stranger(exported: tuple[Plant, Path]) -> None:
    _, folder = exported
    log, mirror = map(Key.parse, (folder / "vkeys").read_text().split())
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and each.name != "vkeys"):
        good = path.read_bytes()
        for place in range(0, len(good), max(1, len(good) // 40)):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            with pytest.raises((AssertionError, InvalidSignature, ValueError, OSError)):
                verify_tiles(folder, log, mirror)
        path.write_bytes(good)
    verify_tiles(folder, log, mirror)


class Client:
    """HTTP over TLS by the standard library, trusting HQ's own authority only once it was fetched by its code."""

    def __init__(self, hq: Hq, code: str) -> None:
        data = base64.b32decode(code.removeprefix("pg1-").upper() + "=" * (-len(code.removeprefix("pg1-")) % 8))
        self.secret, fingerprint = data[:16], data[16:32]
        blind = ssl.create_default_context()
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        self._port, self._context, self.token = hq.port, blind, ""
        pem = self.call("GET", "/v1/ca")[1].decode()
        assert sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()[:16] == fingerprint
        self._context = ssl.create_default_context(cadata=pem)

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=10)
        try:
            connection.request(method, path, body, {"authorization": f"Bearer {self.token}"} if self.token else {})
            answer = connection.getresponse()
            self.content_type = answer.getheader("content-type")
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def hq(exported: tuple[Plant, Path]) -> Iterator[Hq]:
    hq = exported[0].hq.start()
    yield hq
    hq.stop()


def gateway_of(hq: Hq, name: str) -> tuple[Client, StrangersLog, Key]:
    """A stranger's gateway, enrolled by its one-time code."""
    names = ("--site", SITE, "--organisation", ORGANISATION, "--gateway", name)
    code = json.loads(command("hq", "init", "--dir", hq.folder, *names, "--json").stdout)["code"]
    client, log = Client(hq, code), StrangersLog(f"{ORGANISATION}/gw/{name}/1")
    status, body = client.call("POST", "/v1/enrol", json.dumps(log.enrolment(client.secret, SITE)).encode())
    assert status == 200, body
    answer = json.loads(body)
    client.token = answer["link_token"]
    return client, log, Key.parse(answer["mirror_vkey"])


def push(client: Client, log: StrangersLog, body: bytes) -> tuple[int, dict[str, object]]:
    path = f"/v1/tlog/{sha256(log.origin.encode()).hexdigest()}/entries"
    status, answer = client.call("POST", path, body)
    return status, json.loads(answer)


def add(client: Client, old: int, note: str, proof: tuple[bytes, ...] = ()) -> tuple[int, str]:
    lines = "".join(base64.b64encode(each).decode() + "\n" for each in proof)
    status, body = client.call("POST", "/v1/tlog/add-checkpoint", f"old {old}\n{lines}\n{note}".encode())
    return status, body.decode()


def test_a_strangers_gateway_is_mirrored_and_cosigned(hq: Hq) -> None:
    client, log, mirror = gateway_of(hq, "stranger-1")
    log.append(3)
    status, text = add(client, 0, log.checkpoint())
    assert (status, text.split("\n")[:2]) == (202, ["3", "0"])
    assert client.content_type == "text/x.tlog.mirror-info"
    assert push(client, log, log.package())[1]["next"] == 3
    for _ in range(2):
        status, line = add(client, 0 if _ == 0 else 3, log.checkpoint())
        assert status == 200, line
        assert verify_note(log.checkpoint() + line, mirror) is not None
    log.append(300)
    assert push(client, log, log.package(2, log.entries[2:250]))[1]["next"] == 250
    assert push(client, log, log.package(250))[1]["next"] == 303
    status, size = add(client, 0, log.checkpoint())
    assert (status, size) == (409, "3\n")
    assert client.content_type == "text/x.tlog.size", "c2sp.org/tlog-witness; other clients compare it letter by letter"
    status, line = add(client, 3, log.checkpoint())
    assert status == 200, line
    assert verify_note(log.checkpoint() + line, mirror) is not None
    digest = sha256(log.origin.encode()).hexdigest()
    held = client.call("GET", f"/v1/tlog/{digest}/checkpoint")[1].decode()
    assert checkpoint_of(held) == (log.origin, 303, tree_hash([leaf_hash(each) for each in log.entries]))
    assert verify_note(held, log.key) is None
    tile = client.call("GET", f"/v1/tlog/{digest}/tile/0/000")[1]
    assert tile == b"".join(leaf_hash(each) for each in log.entries[:256])


def test_what_is_not_so_is_refused_by_name(hq: Hq) -> None:
    client, log, _ = gateway_of(hq, "stranger-2")
    log.append(4)
    assert push(client, log, log.package(origin=f"{ORGANISATION}/gw/nobody/1"))[0] in (400, 404)
    assert client.call("POST", f"/v1/tlog/{'0' * 64}/entries", log.package())[0] == 404
    bad = {
        "float": log.entries[0].replace(b'"n":0', b'"n":0.5'),
        "spaces": log.entries[0].replace(b",", b", "),
        "twice the same key": log.entries[0].replace(b'"v":1', b'"v":1,"v":1'),
        "of another place": log.entries[1],
        "not an object": b"[]",
        "not UTF-8": b'{"\xff":1}',
        "deep": b'{"a":' * 20 + b"1" + b"}" * 20,
    }
    for what, entry in bad.items():
        status, answer = push(client, log, log.package(0, [entry]))
        assert (status, answer["error"]) == (422, "entry_malformed"), (what, answer)
        assert "entry 0" in str(answer["text"])
    for body in (b"", b"garbage", log.package()[:-3], log.package() + b"x", log.package().replace(b'"n":4', b'"n":5')):
        assert push(client, log, body)[0] == 400
    assert push(client, log, log.package())[1]["next"] == 4
    stranger = Ed25519PrivateKey.generate()
    assert add(client, 0, log.checkpoint(key=stranger))[0] == 403
    assert add(client, 0, log.checkpoint(root=bytes(32)))[0] == 422
    assert add(client, 5, log.checkpoint())[0] == 400
    assert add(client, 0, log.checkpoint(), (bytes(32),))[0] == 422
    client.token = "0" * 64
    assert push(client, log, log.package())[0] == 401
    assert "Traceback" not in hq.said()


def test_a_rewritten_past_freezes_the_log_and_keeps_both(hq: Hq) -> None:
    client, log, _ = gateway_of(hq, "stranger-3")
    log.append(2)
    assert push(client, log, log.package())[0] == 200
    assert add(client, 0, log.checkpoint())[0] == 200
    log.entries[1] = log.entries[1].replace(b"stranger.note", b"stranger.lies")
    status, answer = push(client, log, log.package())
    assert (status, answer["error"]) == (409, "fork")
    status, answer = push(client, log, log.package())
    assert (status, answer["error"]) == (403, "origin_frozen")


def test_a_code_is_good_once_and_only_for_its_own_gateway(hq: Hq) -> None:
    names = ("--site", SITE, "--organisation", ORGANISATION, "--gateway", "stranger-4")
    code = json.loads(command("hq", "init", "--dir", hq.folder, *names, "--json").stdout)["code"]
    client = Client(hq, code)

    def enrol(origin: str, site: str = SITE, **fields: object) -> tuple[int, str]:
        asked = {**StrangersLog(origin).enrolment(client.secret, site), **fields}
        status, body = client.call("POST", "/v1/enrol", json.dumps(asked).encode())
        return status, json.loads(body).get("text", "")

    origin = f"{ORGANISATION}/gw/stranger-4/1"
    assert enrol(f"{ORGANISATION}/gw/stranger-9/1")[0] == 403
    assert enrol(origin, "s999")[0] == 403
    genuine = StrangersLog(origin)
    assert enrol(origin, **genuine.enrolment(client.secret, SITE))[0] == 200
    status, text = enrol(origin)
    assert status == 403
    assert "used" in text
    status, text = enrol(origin, vkey=str(genuine.key))
    assert status == 403, "whoever saw the code and knows the public key"
    assert "not signed" in text
