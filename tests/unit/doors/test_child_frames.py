"""Frames between processes: any split, any garbage, any size."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.runtime.child import FRAME_BYTES_MAX, BackOff, FrameError, FrameReader, FrameWriter, ParentPipe, PipeEnded
from edge.runtime.child import encode_frame as encode
from edge.runtime.frames import OUTBOX_BYTES_MAX

values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.lists(st.integers(0, 9))
messages = st.dictionaries(st.text(max_size=8), values, max_size=3)


@given(st.lists(messages, max_size=3), st.integers(1, 40))
def test_messages_come_whole_however_the_bytes_are_split(sent, size):
    stream = b"".join(encode(message) for message in sent)
    reader, got, at = FrameReader(), [], 0
    while at < len(stream):
        got += reader.feed(stream[at : at + size])
        at += size
    assert got == sent


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_a_frame_error(noise):
    reader = FrameReader()
    try:
        for message in reader.feed(noise):
            assert isinstance(message, dict)
    except FrameError:
        with pytest.raises(FrameError):
            reader.feed(encode({"k": "beat"}))


def test_an_oversize_announcement_is_refused_before_its_bytes_come():
    with pytest.raises(FrameError, match="announces"):
        FrameReader().feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("body", [b"[]", b"1", b"{", b"\xff\xfe", b""])
def test_what_is_not_an_object_is_refused(body):
    with pytest.raises(FrameError):
        FrameReader().feed(len(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize("message", [{"x": "y" * FRAME_BYTES_MAX}, {"x": object()}])
def test_what_cannot_be_a_frame_is_refused_by_the_sender(message):
    with pytest.raises(FrameError):
        encode(message)


def test_a_reader_that_is_behind_costs_messages_never_a_wait():
    far, near = os.pipe()
    writer = FrameWriter(near)
    message = {"fill": "x" * 4000}
    sent = 0
    while writer.send(message):
        sent += 1
        assert sent < 2 * OUTBOX_BYTES_MAX // 4000
    assert writer.dropped == 1
    reader, got = FrameReader(), 0
    while got < sent:
        got += len(reader.feed(os.read(far, 65_536)))
        writer.flush()
    assert writer.send({"k": "again"})
    assert reader.feed(os.read(far, 65_536)) == [{"k": "again"}]
    writer.end()
    writer.end()
    assert os.read(far, 1) == b""
    assert not writer.send({"k": "late"})
    os.close(far)


def test_a_reader_that_is_gone_costs_messages_never_an_error():
    far, near = os.pipe()
    writer = FrameWriter(near)
    os.close(far)
    assert not writer.send({"k": "x"})
    assert not writer.send({"k": "y"})
    writer.end()


def test_a_child_sees_messages_and_then_the_end_of_its_parent():
    child_input, parent_output = os.pipe()
    parent_input, child_output = os.pipe()
    pipe = ParentPipe(child_input, child_output)
    assert pipe.receive(0) == []
    os.write(parent_output, encode({"k": "a"}) + encode({"k": "b"}))
    assert pipe.receive(1) == [{"k": "a"}, {"k": "b"}]
    assert pipe.send({"k": "beat"})
    assert FrameReader().feed(os.read(parent_input, 100)) == [{"k": "beat"}]
    os.close(parent_output)
    with pytest.raises(PipeEnded):
        pipe.receive(1)
    pipe.end()
    os.close(parent_input)


def test_back_off_doubles_from_half_a_second_to_thirty_and_starts_anew_after_a_steady_run():
    policy, waits = BackOff(), []
    assert policy.wait_s == 0
    for _ in range(9):
        policy = policy.after_loss(lived_s=1)
        waits.append(policy.wait_s)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert policy.after_loss(lived_s=59.9).wait_s == 30
    assert policy.after_loss(lived_s=60).wait_s == 0.5
