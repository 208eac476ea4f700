"""Back-off, HQ's time, addresses, and the frames of the sync child."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.app.sync import applied_frames, parse_setup
from edge.app.trust import Enrolment, NotEnrolledError, TrustFiles, write_secret
from edge.core.holds import Freeze
from edge.core.readings import MonotonicMs
from edge.ports.errors import DamagedError, RefusedError, UnusableError
from edge.ports.stores import Applied
from edge.runtime.frames import FrameError, encode_frame
from sync.formats import note, time_note
from sync.formats.errors import FormatError
from sync.link.back_off import LinkBackOff, Way
from sync.link.clock_source import TimeAnswer, ask
from sync.link.https import checked_url
from sync.link.refusals import LinkRefused

MIRROR = note.SigningKey("pg.example.org/hq/mirror", Ed25519PrivateKey.generate())
NONCE = "00112233445566778899aabbccddeeff"
UTC_MS = 1_800_000_000_123


def test_the_back_off_doubles_from_one_to_a_hundred_and_twenty_seconds() -> None:
    waits = []
    back_off = LinkBackOff()
    assert back_off.wait_s(lambda: 0.9) == 0
    for _ in range(12):
        back_off = back_off.failed()
        waits.append((back_off.wait_s(lambda: 0.0), back_off.wait_s(lambda: 1.0)))
    assert waits[:4] == [(1, 1), (1, 2), (2, 4), (4, 8)]
    assert waits[-1] == (60, 120)


@dataclass
class Clock:
    """Readings one after the other."""

    readings: list[int]

    def __call__(self) -> MonotonicMs:
        return MonotonicMs(self.readings.pop(0))


@dataclass
class TimeServer:
    key: note.SigningKey = MIRROR
    nonce: str | None = None
    asked: list[str] = field(default_factory=list)

    def time(self, nonce: str) -> str:
        self.asked.append(nonce)
        return time_note.sign_time(self.nonce or nonce, UTC_MS, self.key)


def test_hqs_time_is_an_interval_that_holds_the_instant_of_its_stamp() -> None:
    answer = ask(TimeServer(), MIRROR.cosigner(), NONCE, Clock([1_000, 1_041]))
    assert answer == TimeAnswer(UTC_MS + 21, 22, 1_041)
    # Stamped at the earliest or at the latest moment of the round trip: both lie within.
    assert answer.utc_ms - answer.uncertainty_ms <= UTC_MS
    assert answer.utc_ms + answer.uncertainty_ms >= UTC_MS + 41


def test_the_latest_that_it_can_be_grows_with_drift() -> None:
    answer = TimeAnswer(1_000_000, 10, 0)
    assert answer.latest_ms(0, 100) == 1_000_010
    assert answer.latest_ms(1_000_000, 100) == 2_000_010 + 100


def test_a_slow_answer_says_nothing() -> None:
    assert ask(TimeServer(), MIRROR.cosigner(), NONCE, Clock([0, 5_001])) is None


@pytest.mark.parametrize(
    "server",
    [TimeServer(nonce="ff" * 16), TimeServer(note.SigningKey(MIRROR.name, Ed25519PrivateKey.generate()))],
)
def test_an_old_or_forged_answer_is_refused(server: TimeServer) -> None:
    with pytest.raises(LinkRefused) as caught:
        ask(server, MIRROR.cosigner(), NONCE, Clock([0, 1]))
    assert caught.value.what == "hq_time"


def test_a_cosignature_is_no_time_and_a_time_no_cosignature() -> None:
    signed = time_note.sign_time(NONCE, UTC_MS, MIRROR)
    with pytest.raises(FormatError):
        note.open_note(signed, [MIRROR.cosigner()])
    for nonce in ("", "0" * 31, "AA" * 16, "00" * 33):
        with pytest.raises(FormatError):
            time_note.sign_time(nonce, UTC_MS, MIRROR)


@pytest.mark.parametrize(
    "url",
    [
        "http://hq:1",
        "https://",
        "hq:8443",
        "https://u@hq",
        "https://hq/x",
        "https://hq?x",
        "https://hq:x",
        "https://hq:0",
    ],
)
def test_an_address_that_is_not_https_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        checked_url(url)


def test_an_address_loses_its_last_slash() -> None:
    assert checked_url("https://hq.example.org:8443/") == "https://hq.example.org:8443"


def test_the_setup_frame_is_read_or_refused() -> None:
    setup = parse_setup({"k": "setup", "data_dir": "/d", "url": "https://hq", "poll_s": 0.2, "drift_ppm": 50})
    assert (setup.data_dir, setup.poll_ms, setup.drift_ppm) == (Path("/d"), 200, 50)
    for bad in ({}, {"k": "poke"}, {"k": "setup", "data_dir": "/d", "url": "u", "poll_s": 0}):
        with pytest.raises(FrameError):
            parse_setup(bad)


def test_a_large_delta_is_told_in_frames_that_fit() -> None:
    permits = tuple(f"P{index:063}" for index in range(1_000))
    freezes = tuple(Freeze(f"{index:0128}", f"permit:{'p' * 64}", "b" * 64, "\U0001f525" * 256) for index in range(90))
    releases = tuple(f"{index:0128}" for index in range(450))
    frames = applied_frames(Applied(9, bytes(32), 5, permits, freezes, releases))
    assert [frame["more"] for frame in frames] == [True, True, True, True, True, False]
    for frame in frames:
        encode_frame(frame)
    told = [each for frame in frames for each in frame["permits"]]  # type: ignore[attr-defined]
    assert tuple(told) == permits
    assert sum(len(frame["freezes"]) for frame in frames) == 90  # type: ignore[arg-type, misc]
    assert sum(len(frame["releases"]) for frame in frames) == 450  # type: ignore[arg-type, misc]


def test_an_empty_delta_is_told_once() -> None:
    frames = applied_frames(Applied(9, bytes(32), 5, (), (), ()))
    assert len(frames) == 1
    assert frames[0]["more"] is False


def test_a_refusal_is_news_once_until_the_way_works_again() -> None:
    way = Way(lambda: 0.5)
    assert way.is_news("head_fork")
    assert not way.is_news("head_fork")
    assert way.is_news("head_rollback")
    way.worked(5_000)
    assert way.is_news("head_fork")


def test_a_way_rests_after_a_failure_until_it_works_or_is_poked() -> None:
    way = Way(lambda: 0.5)
    way.failed(1_000)
    rested, due_ms = way.resting, way.due_ms
    assert (rested, due_ms) == (True, 2_000)
    way.poke()
    assert way.due_ms == 0
    way.worked(5_000)
    rested = way.resting
    assert not rested


ENROLMENT = Enrolment(
    "https://hq",
    "s014",
    "gw1",
    1,
    "pg.example.org/gw/gw1/1",
    "pg.example.org/hq/authority/s014/1",
    str(note.SigningKey("pg.example.org/hq/authority/s014/1", MIRROR.private).verifier()),
    str(MIRROR.cosigner()),
)


def test_an_enrolment_is_read_back_and_a_missing_or_damaged_one_named(tmp_path: Path) -> None:
    files = TrustFiles(tmp_path)
    with pytest.raises(NotEnrolledError, match="permitgate enrol"):
        files.read_enrolment()
    files.write_enrolment(ENROLMENT)
    assert files.read_enrolment() == ENROLMENT
    assert files.read_enrolment().mirror == MIRROR.cosigner()
    for text in ("", "[]", "{}", files.enrolment.read_text().replace('"epoch": 1', '"epoch": "1"')):
        files.enrolment.write_text(text)
        with pytest.raises(DamagedError, match=r"enrolment\.json"):
            files.read_enrolment()


def test_the_log_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    files = TrustFiles(tmp_path)
    key = files.make_log_key("o")
    assert files.make_log_key("o").verifier() == key.verifier()
    assert files.log_key.stat().st_mode & 0o777 == 0o600
    files.log_key.chmod(0o640)
    with pytest.raises(UnusableError, match="chmod 600"):
        files.read_log_key("o")


def test_a_secret_that_is_damaged_is_named_and_not_shown(tmp_path: Path) -> None:
    files = TrustFiles(tmp_path)
    for data in (b"abcd", b"\xff" * 32, b"zz" * 32):
        write_secret(files.site_pepper, data)
        with pytest.raises(DamagedError, match="site_pepper") as caught:
            files.read_pepper()
        assert data.decode("latin-1") not in str(caught.value)
    write_secret(files.log_key, b"-----BEGIN PRIVATE KEY-----\nx\n")
    with pytest.raises(DamagedError, match=r"log\.key"):
        files.read_log_key("o")
