"""A tag that answers anything: a value or a refusal, within the frames and the time of one read."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as some

from drivers.nfc import type2, type4
from drivers.nfc.link import FRAMES_MAX, NDEF_BYTES_MAX, READ_MS_MAX, Budget, Link, TagRefused
from edge.ports.devices import MonotonicMs

# Half of the answers look like blocks that could be right, so that the reading gets far.
heads = some.sampled_from([b"\x02", b"\x03", b"\x12", b"\x13", b"\xf2\x01", b"\xa2", b"\xa3", b""])
tails = some.sampled_from([b"\x90\x00", b"\x6a\x82", b""])
answers = some.binary(max_size=300) | some.tuples(heads, some.binary(max_size=260), tails).map(b"".join)


class AnyTag:
    """Answers from a list, for ever; each takes a few milliseconds."""

    def __init__(self, answers: list[bytes], frame_ms: int) -> None:
        self.now_ms = 0
        self.frames = 0
        self._answers = answers
        self._frame_ms = frame_ms

    def clock(self) -> MonotonicMs:
        return MonotonicMs(self.now_ms)

    def exchange(self, frame: bytes, timeout_s: float) -> bytes:
        self.frames += 1
        self.now_ms += min(self._frame_ms, int(timeout_s * 1_000) + 1)
        return self._answers[self.frames % len(self._answers)]

    def link(self) -> Link:
        return Link(self.exchange, Budget.starting_now(self.clock))


@given(some.lists(answers, min_size=1, max_size=12), some.integers(0, 100), some.booleans())
@settings(max_examples=200, deadline=None)
def test_any_answers_end_in_a_value_or_a_refusal(answers: list[bytes], frame_ms: int, is_type4: bool) -> None:
    tag = AnyTag(answers, frame_ms)
    with suppress(TagRefused):
        ndef = type4.read_ndef(tag.link(), 8) if is_type4 else type2.read_ndef(tag.link())
        assert ndef is None or 0 < len(ndef) <= NDEF_BYTES_MAX
    assert tag.frames <= FRAMES_MAX
    assert tag.now_ms <= READ_MS_MAX + 1
