"""Reading a tag: what a good one holds, and that no tag decides how long it takes."""

from collections.abc import Callable, Collection

import pytest

from drivers.nfc import type2, type4
from drivers.nfc.link import FRAMES_MAX, READ_MS_MAX, Budget, Link, Refusal, TagRefused
from drivers.nfc.transport import check_path, open_device
from edge.ports.devices import MonotonicMs
from edge.ports.errors import UnusableError
from hil.tag import TagFault, Type2Card, Type4Card

UID = bytes.fromhex("04112233445566")


class Clock:
    """A false clock that each exchange moves on."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> MonotonicMs:
        return MonotonicMs(self.now_ms)


class Field:
    """A card without radio: frames go straight to it; each takes ``frame_ms``, no answer takes its whole time-out."""

    def __init__(self, answer: Callable[[bytes], bytes | None], frame_ms: int = 1) -> None:
        self.clock = Clock()
        self.frames = 0
        self._answer = answer
        self._frame_ms = frame_ms

    def exchange(self, frame: bytes, timeout_s: float) -> bytes:
        self.frames += 1
        answer = self._answer(frame)
        self.clock.now_ms += self._frame_ms if answer is not None else int(timeout_s * 1_000)
        if answer is None:
            raise TagRefused(Refusal.FIELD_LOST, "no answer")
        return answer

    def link(self) -> Link:
        return Link(self.exchange, Budget.starting_now(self.clock))

    def read_type4(self, frame_size_code: int = 8) -> bytes | None:
        return type4.read_ndef(self.link(), frame_size_code)

    def read_type2(self) -> bytes | None:
        return type2.read_ndef(self.link())


def type4_field(ndef: bytes, faults: Collection[TagFault] = (), frame_ms: int = 1) -> Field:
    return Field(Type4Card(ndef, faults).answer, frame_ms)


def type2_field(ndef: bytes, faults: Collection[TagFault] = (), frame_ms: int = 1) -> Field:
    return Field(Type2Card(UID, ndef, faults).answer, frame_ms)


def refused(read: Callable[[], bytes | None]) -> Refusal:
    with pytest.raises(TagRefused) as caught:
        read()
    return caught.value.refusal


@pytest.mark.parametrize("size", [1, 169, 240, 241, 500, 1_024])
@pytest.mark.parametrize("frame_size_code", [7, 8])
def test_a_type4_message_of_any_size_is_read_whole(size: int, frame_size_code: int) -> None:
    ndef = bytes(number % 251 for number in range(size))
    assert type4_field(ndef).read_type4(frame_size_code) == ndef


@pytest.mark.parametrize("size", [1, 169, 254, 255, 490])
def test_a_type2_message_of_any_size_is_read_whole(size: int) -> None:
    ndef = bytes(number % 251 for number in range(size))
    assert type2_field(ndef).read_type2() == ndef


def test_an_empty_badge_is_empty_and_not_broken() -> None:
    assert type4_field(b"").read_type4() is None
    assert type2_field(b"").read_type2() is None
    unformatted = Field(lambda frame: bytes(16))
    assert unformatted.read_type2() is None
    blank = Field(lambda frame: (b"\xe1\x10\x3e\x00" if frame[1] == 3 else bytes(4)) + bytes(12))
    assert blank.read_type2() is None
    assert blank.frames <= FRAMES_MAX


def test_a_card_without_an_ndef_application_is_no_token() -> None:
    answers = {0xE0: bytes.fromhex("067777710280"), 0x02: b"\x02\x6a\x82"}
    assert Field(lambda frame: answers[frame[0]]).read_type4() is None


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (TagFault.ENDLESS_WTX, Refusal.TOO_MANY_FRAMES),
        (TagFault.ZERO_LENGTH_READ, Refusal.PROTOCOL),
        (TagFault.SHORT_ATS, Refusal.PROTOCOL),
        (TagFault.NLEN_65535, Refusal.TOO_LONG),
    ],
)
def test_a_hostile_type4_tag_is_refused_within_the_budget(fault: TagFault, expected: Refusal) -> None:
    field = type4_field(bytes(100), [fault])
    assert refused(field.read_type4) is expected
    assert field.frames <= FRAMES_MAX


def test_endless_waiting_ends_at_the_deadline() -> None:
    field = type4_field(bytes(100), [TagFault.ENDLESS_WTX], frame_ms=40)
    assert refused(field.read_type4) is Refusal.DEADLINE
    assert field.clock.now_ms - 1_000 <= READ_MS_MAX + 40


def test_a_slow_tag_is_refused_at_the_deadline() -> None:
    assert refused(type2_field(bytes(490), frame_ms=30).read_type2) is Refusal.DEADLINE


def test_a_type2_length_beyond_its_memory_is_refused() -> None:
    assert refused(type2_field(bytes(100), [TagFault.NLEN_65535]).read_type2) is Refusal.TOO_LONG
    assert refused(type2_field(bytes(100), [TagFault.ZERO_LENGTH_READ]).read_type2) is Refusal.PROTOCOL


@pytest.mark.parametrize(
    "before",
    [
        "00" * 5,
        "0103a00c34",
        "0203a01034",
        "fd0568656c6c6f",
        "fdff000668656c6c6f21",
        "04026162",
        "fc00",
        "00fd0100fb0100",
    ],
    ids=["null", "lock", "memory", "proprietary", "long length", "reserved", "reserved and empty", "several"],
)
def test_what_stands_before_the_message_is_passed_over(before: str) -> None:
    message = bytes(range(100))
    data = bytes.fromhex(before) + b"\x03\xff\x00\x64" + message + b"\xfe"
    memory = (bytes(12) + b"\xe1\x10\x3e\x00" + data).ljust(540, b"\0")
    assert Field(lambda frame: memory[frame[1] * 4 :][:16]).read_type2() == message


@pytest.mark.parametrize("answer_to_select", ["", "00", "02", "0278", "0477", "05787771", "060000000000ff"])
def test_an_answer_to_select_that_lies_about_itself_is_refused(answer_to_select: str) -> None:
    data = bytes.fromhex(answer_to_select)
    expected = Refusal.PROTOCOL if data else Refusal.FIELD_LOST
    assert refused(Field(lambda frame: data).read_type4) is expected


def test_the_shortest_answer_to_select_is_allowed() -> None:
    card = Type4Card(b"abc", ())

    # ISO/IEC 14443-4 section 5.2: all but the length may be missing; the defaults then hold.
    def once(frame: bytes) -> bytes | None:
        if frame[0] == 0xE0:
            card.answer(frame)
            return b"\x01"
        return card.answer(frame)

    assert Field(once).read_type4() == b"abc"


def test_a_late_answer_with_the_wrong_block_number_is_never_taken() -> None:
    card = Type4Card(bytes(300), ())
    answers: list[bytes | None] = []

    def one_behind(frame: bytes) -> bytes | None:
        answers.append(card.answer(frame))
        return answers[-1] if len(answers) < 4 else answers[-2]

    assert refused(Field(one_behind).read_type4) is Refusal.PROTOCOL


@pytest.mark.parametrize("container", ["000f10", "000f2000ff00ff05", "000f20000e00ff0406e1040800"])
def test_a_capability_container_of_another_kind_is_refused(container: str) -> None:
    card = Type4Card(b"abc", ())
    content = bytes.fromhex(container).ljust(15, b"\x00")

    def answer(frame: bytes) -> bytes | None:
        given = card.answer(frame)
        return given[:1] + content + b"\x90\x00" if frame[1:3] == b"\x00\xb0" and given is not None else given

    assert refused(Field(answer).read_type4) is Refusal.PROTOCOL


@pytest.mark.parametrize(
    "path", ["udp:127.0.0.1:52001", "usb", "usb:072f:2200", "/dev/serial/by-path/pci-0:1.0-port0:pn532", "/dev/pts/3"]
)
def test_a_readers_path_may_be_usb_serial_or_simulated(path: str) -> None:
    check_path(path, simulate=True)


@pytest.mark.parametrize(
    ("path", "simulate"),
    [
        ("udp:127.0.0.1:52001", False),
        ("udp:127.0.0.1:0", True),
        ("udp:127.0.0.1:70000", True),
        ("udp:", True),
        ("/dev/ttyUSB0", True),
        ("/dev/ttyACM1:pn532", False),
        ("tty:USB0:pn532", False),
        ("", True),
        ("relative/path", True),
    ],
)
def test_another_path_is_refused_with_a_remedy(path: str, simulate: bool) -> None:
    with pytest.raises(UnusableError, match="reader"):
        open_device(path, simulate)
