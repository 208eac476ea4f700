"""A gateway's link against a real HQ: enrolled over TLS, its journal cosigned, HQ's word applied, through outages."""

import gzip
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from edge.app.enrol import enrol
from edge.app.trust import TrustFiles
from edge.config_values import Gateway
from edge.core.entries import Entry, Stamp
from edge.core.readings import UtcMs
from edge.host.system_clock import monotonic_ms, sleep, utc_ms
from edge.ports.errors import LinkError, RefusedError
from edge.runtime.child import ChildProcess
from edge.storage.authority_reader import AuthorityReader
from edge.storage.journal import JournalFiles, JournalKeys, JournalWriter
from edge.storage.journal_reader import JournalReader
from sync.formats import note, package, tiles
from sync.formats.errors import FormatError
from sync.hq import admin

pytestmark = pytest.mark.system

POLL_S = 0.3
PERMIT = {
    "op": "put",
    "k": "permit",
    "id": "P1",
    "rev": 1,
    "rec": {
        "type": "02",
        "areas": ["a1"],
        "workers": ["w1"],
        "guardians": [],
        "start": "2026-01-01T00:00:00Z",
        "end": "2099-01-01T00:00:00Z",
        "status": 1,
        "short_id": 1,
    },
}


class Hq:
    """`permitgate hq serve` as a process on a port that it keeps over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = admin.init(folder, ("s014", "pg.example.org"), "gw1", [], utc_ms()).code
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "edge", "hq", "serve", "--dir", str(self.folder), "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "https://127.0.0.1:" in line, line
        self.port = int(line.strip().rsplit(":", 1)[1])

    def stop(self, number: int = signal.SIGTERM) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        said = self.process.communicate(timeout=10)[0]
        self.process = None
        return said


class Link:
    """The sync child as the daemon runs it, and all that it said."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self.said: list[dict[str, Any]] = []
        self.lost: list[str] = []
        self._setup = {"k": "setup", "data_dir": str(data_dir), "url": url, "poll_s": POLL_S, "drift_ppm": 100}
        argv = [sys.executable, "-P", "-m", "edge.app.sync"]
        self.child = ChildProcess(
            "sync", argv, monotonic_ms, self.said.append, self.lost.append, silence_s=20, on_started=self._begin
        )

    def _begin(self) -> None:
        self.child.send(self._setup)

    def until(self, wanted: Callable[[dict[str, Any]], bool], within_s: float = 10.0) -> dict[str, Any]:
        """The first message, from now on unread, that is wanted; all before it are dropped."""
        deadline_ms = monotonic_ms() + int(within_s * 1000)
        while monotonic_ms() < deadline_ms:
            self.child.tick(monotonic_ms())
            while self.said:
                if wanted(message := self.said.pop(0)):
                    return message
            sleep(0.01)
        raise AssertionError(f"not said within {within_s} s; lost: {self.lost}")

    def until_kind(self, kind: str, within_s: float = 10.0) -> dict[str, Any]:
        return self.until(lambda message: message["k"] == kind, within_s)


@pytest.fixture
def hq(tmp_path: Path) -> Iterator[Hq]:
    hq = Hq(tmp_path / "hq")
    hq.start()
    yield hq
    if hq.process is not None:
        hq.stop(signal.SIGKILL)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    folder = tmp_path / "gw"
    return Gateway(
        id="gw1",
        site="s014",
        organisation="pg.example.org",
        epoch=1,
        data_dir=folder,
        run_dir=folder,
        language="en",
        simulate=True,
        profiles_dir=None,
    )


@pytest.fixture
def journal(hq: Hq, gateway: Gateway) -> Iterator[JournalWriter]:
    enrol(gateway, hq.url, hq.code)
    files = TrustFiles(gateway.data_dir)
    keys = JournalKeys(files.read_log_key(gateway.origin), files.read_enrolment().mirror)
    paths = JournalFiles(gateway.data_dir / "journal.db", gateway.data_dir / "checkpoint")
    writer = JournalWriter.open(paths, keys, UtcMs(utc_ms()))
    yield writer
    writer.close()


@pytest.fixture
def link(hq: Hq, gateway: Gateway, journal: JournalWriter) -> Iterator[Link]:
    link = Link(gateway.data_dir, hq.url)
    link.child.tick(monotonic_ms())
    yield link
    link.child.stop()


def append(journal: JournalWriter, count: int) -> str:
    start = journal.size
    stamp = Stamp(utc_ms(), monotonic_ms(), "00112233", "hq", 1)
    journal.append([Entry(seq, "test.entry", {"n": seq}, stamp) for seq in range(start, start + count)])
    return journal.sign_checkpoint()


def call(hq: Hq, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """A caller who trusts HQ's authority but has no token."""
    context = ssl.create_default_context(cafile=str(hq.folder / "tls" / "ca.pem"))
    request = urllib.request.Request(f"{hq.url}{path}", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_entries_are_cosigned_and_hqs_word_is_applied_through_an_outage(
    hq: Hq, gateway: Gateway, journal: JournalWriter, link: Link
) -> None:
    signed = append(journal, 600)
    first = link.until_kind("applied")
    assert first["size"] == 2, "the issuer's key and this gateway's"
    link.child.send({"k": "checkpoint", "note": signed})
    assert journal.accept_cosignature(link.until_kind("cosigned")["note"]) == 600

    records = hq.folder / "in.jsonl"
    records.write_text(json.dumps(PERMIT))
    began_ms = monotonic_ms()
    assert admin.import_file(hq.folder, records).new == 1
    freeze_id = admin.freeze(hq.folder, "permit", "P1", "boss", "gas smell")
    assert link.until(lambda said: said["k"] == "applied" and said["freezes"] != [])["freezes"][0]["fid"] == freeze_id
    assert monotonic_ms() - began_ms < (POLL_S + 1) * 1000 + 500, "two commands, then one poll and a second"

    assert "Traceback" not in hq.stop()
    assert link.until(lambda said: said == {**said, "k": "link", "state": "down"})
    signed = append(journal, 300)
    link.child.send({"k": "checkpoint", "note": signed})
    admin.release(hq.folder, [freeze_id], "boss")
    hq.start()
    link.child.send({"k": "poke"})
    assert link.until(lambda said: said["k"] == "applied")["releases"] == [freeze_id]
    assert journal.accept_cosignature(link.until_kind("cosigned")["note"]) == 900

    reader = AuthorityReader(gateway.data_dir / "authority.db")
    assert reader.size() == 5
    permit = reader.permit("P1")
    reader.close()
    assert permit is not None
    assert permit.not_after_ms == 4_070_908_800_000 + 1_000
    assert link.lost == []


def test_the_child_tells_hqs_time_and_survives_a_kill(hq: Hq, journal: JournalWriter, link: Link) -> None:
    told = link.until_kind("time")
    assert abs(told["utc_ms"] - utc_ms()) < told["uncertainty_ms"] + 2_000
    link.until_kind("applied")
    pid = link.child.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    signed = append(journal, 3)
    link.until_kind("cosigned")
    assert len(link.lost) == 1
    assert journal.accept_cosignature(signed.split("\n\n")[0] and _cosigned(hq, journal)) == 3


def digest_of(origin: str) -> str:
    """How a log is named in a path (c2sp.org/tlog-mirror)."""
    return sha256(origin.encode()).hexdigest()


def _cosigned(hq: Hq, journal: JournalWriter) -> str:
    status, body = call(hq, f"/v1/tlog/{digest_of(journal.origin)}/checkpoint")
    assert status == 200
    return body.decode()


def test_the_mirror_serves_tiles_whose_root_is_the_cosigned_one(
    hq: Hq, gateway: Gateway, journal: JournalWriter, link: Link
) -> None:
    append(journal, 300)
    link.until_kind("cosigned")
    base = f"/v1/tlog/{digest_of(gateway.origin)}"
    status, body = call(hq, f"{base}/tile/0/000")
    assert (status, len(body)) == (200, 256 * 32)
    assert call(hq, f"{base}/tile/0/001.p/44")[0] == 200
    assert call(hq, f"{base}/tile/1/000.p/1")[0] == 200
    assert call(hq, f"{base}/tile/0/001.p/45")[0] == 404
    assert call(hq, f"{base}/tile/entries/000")[0] == 401
    token = TrustFiles(gateway.data_dir).read_link_token()
    status, bundle = call(hq, f"{base}/tile/entries/001.p/44", authorization=f"Bearer {token}")
    assert status == 200
    assert len(tiles.decode_bundle(bundle)) == 44
    opened = note.open_note(_cosigned(hq, journal), [TrustFiles(gateway.data_dir).read_enrolment().mirror])
    assert opened.verified == ("pg.example.org/hq/mirror",)


def test_enrolment_is_once_and_its_secrets_are_nowhere_else(hq: Hq, gateway: Gateway, journal: JournalWriter) -> None:
    files = TrustFiles(gateway.data_dir)
    secret_files = (files.log_key, files.site_pepper, files.link_token)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in secret_files)
    with pytest.raises(RefusedError, match="enrolled already"):
        enrol(gateway, hq.url, hq.code)
    files.enrolment.unlink()
    key = files.log_key.read_bytes()
    enrol(gateway, hq.url, hq.code)
    assert files.log_key.read_bytes() == key, "broken off: finished with the same key"
    said = hq.stop()
    assert hq.code not in said
    assert files.read_link_token() not in said
    assert files.read_pepper().hex() not in said


def test_enrolment_refuses_another_hq_a_wrong_code_and_a_deaf_port(hq: Hq, gateway: Gateway, tmp_path: Path) -> None:
    other = Hq(tmp_path / "other")
    with pytest.raises(RefusedError, match="not the HQ that gave the code"):
        enrol(gateway, hq.url, other.code)
    with pytest.raises(FormatError, match="enrolment code"):
        enrol(gateway, hq.url, "pg1-nonsense")
    with pytest.raises(LinkError):
        enrol(gateway, "https://127.0.0.1:1", hq.code)
    assert not TrustFiles(gateway.data_dir).enrolment.exists()
    enrol(gateway, hq.url, hq.code)


BAD_REQUESTS = [
    ("/", None, 404),
    ("/v1/tlog/add-checkpoint", b"garbage", 400),
    ("/v1/tlog/add-checkpoint", b"x" * 20_000, 413),
    ("/v1/tlog/add-checkpoint", None, 405),
    (f"/v1/tlog/{'0' * 64}/entries", package.encode("pg.example.org/gw/x/1", 0, [b"{}"]), 404),
    ("/v1/authority/s014/entries?start=0", None, 401),
    ("/v1/authority/other/checkpoint", None, 404),
    ("/v1/authority/s014/tile/0/999", None, 404),
    ("/v1/authority/s014/tile/../../hq.db", None, 400),
    ("/v1/authority/s014/tile/0/1", None, 400),
    ("/v1/time?nonce=1", None, 400),
    ("/v1/enrol", b"{}", 400),
    ("/v1/enrol", b"x" * 5_000, 413),
]


def test_bad_requests_get_a_named_answer(hq: Hq) -> None:
    for path, body, status in BAD_REQUESTS:
        got, answer = call(hq, path, body)
        assert got == status, path
        assert json.loads(answer)["error"]
        assert b"Traceback" not in answer
    assert call(hq, "/healthz")[0] == 200
    assert "Traceback" not in hq.stop()


@pytest.mark.parametrize(
    "name",
    [
        {"content-encoding": "gzip"},
        {"Content-Encoding": "GZIP"},
        {"content-encoding": "x-gzip"},
        {"content-type": "application/gzip"},
        {"content-type": "Application/GZIP; charset=binary"},
    ],
)
def test_a_packed_package_is_taken_by_whatever_name_the_standards_allow(
    hq: Hq, gateway: Gateway, journal: JournalWriter, name: dict[str, str]
) -> None:
    append(journal, 3)
    reader = JournalReader(gateway.data_dir / "journal.db")
    body = gzip.compress(package.encode(gateway.origin, 0, reader.leaves(0)))
    reader.close()
    token = TrustFiles(gateway.data_dir).read_link_token()
    path = f"/v1/tlog/{digest_of(gateway.origin)}/entries"
    status, answer = call(hq, path, body, authorization=f"Bearer {token}", **name)
    assert (status, json.loads(answer)["next"]) == (200, 3)


def test_a_guessed_code_is_slowed(hq: Hq) -> None:
    guess = json.dumps({"v": 1, "secret": "00" * 16, "site": "s014", "vkey": _A_KEY, "proof": ""}).encode()
    statuses = [call(hq, "/v1/enrol", guess)[0] for _ in range(12)]
    assert statuses[:10] == [403] * 10
    assert 429 in statuses


_A_KEY = str(note.VerifierKey("pg.example.org/gw/gw1/1", note.ALGORITHM_ED25519, bytes(32)))
