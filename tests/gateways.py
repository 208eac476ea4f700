"""A gateway's data directory as a day leaves it: a configuration, keys, a journal with real decisions, HQ's word."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.signer import CryptoSigner
from sites import EPOCH_MS, HOUR_MS, Bench, begun_bench, facts, permit
from storages import (
    AUTHORITY_ORIGIN,
    LOG,
    MIRROR,
    NOW_MS,
    ORIGIN,
    AuthorityLog,
    certificate_record,
    cosigned,
    freeze,
    open_authority,
    open_journal,
    permit_record,
    put,
    release,
    revoke,
)
from tuf.api.metadata import Metadata, Root

from edge.app.trust import Enrolment, TrustFiles, write_public, write_secret
from edge.core.facts import TokenRefusal, TokenVerdict
from edge.core.messages import Noticed
from edge.storage.blobs import BlobStore
from sync.formats.checkpoint import sign
from sync.formats.note import SigningKey

HQ = SigningKey(AUTHORITY_ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))
ROOT_KEY = Ed25519PrivateKey.from_private_bytes(bytes([10]) * 32)

CONFIG = """
[gateway]
id = "gw1"
site = "s014"
organisation = "pg.example.org"
data_dir = "{data}"
run_dir = "{run}"
language = "{language}"
simulate = true
[hq]
url = "https://127.0.0.1:8443"
[policy]
settle_s = 60
stale_s = 30
[outputs]
pins = "wired:{run}/wiring.sock"
[[area]]
id = "north"
name_zh = "北区"
name_en = "North"
ex = true
rule_packs = ["gb30871"]
[[door]]
id = "d1"
area = "north"
name_zh = "门"
name_en = "Door"
fail = "secure"
strike_pin = 17
contact_pin = 27
rex_pin = 6
green_pin = 23
red_pin = 24
amber_pin = 25
[[reader]]
id = "d1-reader"
door = "d1"
side = "entry"
path = "udp:127.0.0.1:52001"
[[bus]]
id = "b1"
kind = "tcp"
host = "127.0.0.1"
tcp_port = {port}
timeout_s = 0.2
[[device]]
id = "gas1"
bus = "b1"
unit = 1
profile = "honeywell_xcd"
area = "north"
gas = "methane"
"""


def write_config(folder: Path, language: str = "en", port: int = 1502) -> Path:
    """A configuration that can be used, its data below the folder."""
    path = folder / "gateway.toml"
    text = CONFIG.format(data=folder / "data", run=folder / "run", language=language, port=port)
    path.write_text(text, encoding="utf-8")
    return path


def root_document() -> bytes:
    """TUF root version 1 that names HQ's authority key and its mirror."""
    root = Root(version=1, expires=datetime(2046, 1, 1, tzinfo=UTC))
    root.add_key(CryptoSigner(ROOT_KEY).public_key, "root")
    root.add_key(CryptoSigner(HQ.private).public_key, "targets")
    for role in ("timestamp", "snapshot"):
        root.add_key(CryptoSigner(MIRROR.private).public_key, role)
    metadata = Metadata(root)
    metadata.sign(CryptoSigner(ROOT_KEY), append=True)
    data: bytes = metadata.to_bytes()
    return data


def enrol(data_dir: Path) -> None:
    """Leave what enrolment leaves."""
    files = TrustFiles(data_dir)
    write_secret(files.log_key, LOG.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_secret(files.site_pepper, bytes(range(32)).hex().encode())
    write_public(files.root, root_document())
    files.write_enrolment(
        Enrolment(
            hq_url="https://127.0.0.1:8443",
            site="s014",
            gateway="gw1",
            epoch=1,
            origin=ORIGIN,
            authority_origin=AUTHORITY_ORIGIN,
            authority_vkey=str(HQ.verifier()),
            mirror_vkey=str(MIRROR.cosigner()),
        )
    )


OPERATIONS = (
    put("gateway", "gw1", 1, origin=ORIGIN, vkey=str(LOG.verifier())),
    put("worker", "w1", 1, name="张伟"),
    put("worker", "w9", 1, name="无关"),
    put("worker", "g1", 1, name="李娜"),
    put("cert", "c-w1", 1, **certificate_record(worker="w1", trade="welding")),
    put("cert", "c-w9", 1, **certificate_record(worker="w9")),
    put("permit", "P1", 1, **permit_record(type="02", areas=["north"], workers=["w1"], guardians=["g1"], short_id=1)),
    put("permit", "P8", 1, **permit_record(areas=["south"], workers=["w9"], guardians=[], short_id=8)),
    put("permit", "P1", 2, **permit_record(type="02", areas=["north"], workers=["w1", "w2"], guardians=[], short_id=1)),
    put("worker", "w2", 1, name="王芳"),
    freeze("f-1", "permit", "P1"),
    freeze("f-8", "permit", "P8"),
    release("f-1"),
    release("f-8"),
    revoke("cert", "c-w1"),
    revoke("cert", "c-w9"),
    put("rules", "gb30871/2", 1, sha256="2" * 64, text="the text of the version that decided"),
    put("rules", "gb30871/9", 1, sha256="9" * 64, text="another"),
)
RELEVANT = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 15, 16)
"""Indexes of what speaks of P1, of its people and of w9, who tapped for it, of its holds, of this gateway and of the
rules that decided."""


@dataclass
class Gateway:
    """Its files, and the numbers of the entries that tests ask about by name."""

    folder: Path
    config: Path
    data: Path
    entries: dict[str, int] = field(default_factory=dict)
    size: int = 0


def _day(blobs: BlobStore) -> tuple[Bench, dict[str, int]]:
    """Work begins, a stranger and a forged badge are refused, readings are sealed, gas trips, HQ closes the permit."""
    bench, named = begun_bench(), {}

    def last(name: str, kind: str) -> None:
        named[name] = [entry.seq for entry in bench.entries if entry.kind == kind][-1]

    last("granted", "access.decided")
    last("begun", "permit.begun")
    bench.tap(facts("w9"))
    last("stranger", "access.decided")
    bench.tap(replace(facts(), token=TokenVerdict(None, TokenRefusal.SIGNATURE_BAD), worker=None, permits=()))
    last("forged", "access.decided")
    bench.block("gas1", 101)
    last("tripped", "permit.tripped")
    for device in ("gas1", "gas2"):
        blob = blobs.put([f"readings of {device}".encode()], "application/jsonl")
        times = (("first_ms", EPOCH_MS + bench.now_ms - 60_000), ("last_ms", EPOCH_MS + bench.now_ms))
        bench.go(Noticed("telemetry.sealed", device, "readings", (blob,), times))
        last(f"sealed_{device}", "telemetry.sealed")
        gap = (("first_ms", EPOCH_MS + bench.now_ms - 9_000), ("last_ms", EPOCH_MS + bench.now_ms - 3_000))
        bench.go(Noticed("telemetry.gap", device, "not_polled", (), gap))
        last(f"gap_{device}", "telemetry.gap")
    bench.authority(permit(status=3), size=9)
    last("closed", "permit.closed")
    bench.go(Noticed("link.down", "hq", "time-out \x1b[31m"))
    last("link", "link.down")
    return bench, named


def build_gateway(folder: Path, language: str = "en", cosigned_to: str | None = "link") -> Gateway:
    """Files of a gateway after its day. HQ cosigned through the entry of that name, None: nothing."""
    gateway = Gateway(folder, write_config(folder, language), folder / "data")
    enrol(gateway.data)
    bench, gateway.entries = _day(BlobStore(gateway.data / "blobs"))
    writer = open_journal(gateway.data)
    through = len(bench.entries) if cosigned_to is None else gateway.entries[cosigned_to] + 1
    writer.append(bench.entries[:through], None)
    note = writer.sign_checkpoint()
    if cosigned_to is not None:
        at_s = (EPOCH_MS + HOUR_MS) // 1000
        writer.accept_cosignature(cosigned(note, at_s))
    writer.append(bench.entries[through:], None)
    gateway.size = writer.size
    writer.close()
    log, authority = AuthorityLog(), open_authority(gateway.data)
    head = log.extend(*OPERATIONS)
    authority.apply(cosigned(sign(head, HQ)), head, NOW_MS, OPERATIONS)
    authority.close()
    return gateway
