"""Any register bytes give columns in which a number stands exactly where the quality is good, and within its range."""

import contextlib
import struct
import tomllib
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.client import BadReplyError, ModbusExceptionError, Request, _checked_rtu, _checked_tcp
from drivers.modbus.decode import Decoder, in_all_orders
from drivers.modbus.plan import plan_of
from drivers.modbus.plausibility import plausibility_of
from drivers.modbus.profile import load_profile, parse_profile, shipped_models
from drivers.modbus.register_map import Kind, Quantity, WordOrder
from edge.ports.devices import MonotonicMs, Quality
from edge.ports.errors import ConfigurationError
from hil.modbus_unit import SimulatedUnit, load_profile_data

DECODERS = {model: Decoder(load_profile(model), plan_of(load_profile(model))) for model in shipped_models()}


@given(st.sampled_from(shipped_models()), st.data())
def test_any_payload_gives_numbers_only_where_they_are_good(model: str, data: st.DataObject) -> None:
    profile = load_profile(model)
    payloads = [data.draw(st.binary(min_size=2 * block.count, max_size=2 * block.count)) for block in plan_of(profile)]
    steps, qualities = DECODERS[model].decode(payloads)
    for channel, found, quality in zip(profile.channels, steps, qualities, strict=True):
        assert (found is not None) == (quality is Quality.GOOD)
        assert found is None or channel.lowest_steps <= found <= channel.highest_steps


LOOPS = [each for each in shipped_models() if load_profile(each).channels[0].loop is not None]
CHECKED = [each for each in shipped_models() if plausibility_of(load_profile(each), plan_of(load_profile(each)))]


@given(st.sampled_from(LOOPS), st.integers(0, 0xFFFF))
def test_a_current_is_a_number_exactly_within_its_measuring_band(model: str, raw: int) -> None:
    (channel,) = load_profile(model).channels
    assert channel.loop is not None
    (steps,), (quality,) = DECODERS[model].decode([raw.to_bytes(2, "big")])
    assert (steps is not None) == (channel.loop.lowest_raw <= raw <= channel.loop.full_raw)
    if quality is Quality.GOOD:
        share = Fraction(max(raw, channel.loop.zero_raw) - channel.loop.zero_raw, 16_000)
        exact = channel.lowest_steps + share * (channel.highest_steps - channel.lowest_steps)
        assert steps is not None
        assert abs(steps - exact) < 1
        assert steps <= exact if channel.quantity is Quantity.OXYGEN and exact < 209 else steps >= exact


@given(st.sampled_from(CHECKED), st.data())
def test_whatever_is_checked_no_number_appears_and_what_is_doubted_has_none(model: str, data: st.DataObject) -> None:
    profile = load_profile(model)
    checks = plausibility_of(profile, plan_of(profile))
    assert checks is not None
    now = 0
    for _ in range(data.draw(st.integers(1, 6))):
        now += data.draw(st.integers(0, 700_000))
        payloads = [data.draw(st.binary(min_size=2 * each.count, max_size=2 * each.count)) for each in plan_of(profile)]
        columns = DECODERS[model].decode(payloads)
        steps, qualities, why = checks.judge(payloads, columns, MonotonicMs(now))
        for before, found, quality in zip(columns[0], steps, qualities, strict=True):
            assert (found is not None) == (quality is Quality.GOOD)
            assert found in (None, before)
        assert not why or Quality.DEVICE_FAULT in qualities


@given(st.integers(0, 1000), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]))
def test_each_word_order_is_undone(step: int, order: str) -> None:
    text = (
        load_profile_text("generic").replace('order = "ABCD"', f'order = "{order}"').replace('"generic"', '"other"')
    ).encode()
    profile = parse_profile(text, "other.toml")
    unit = SimulatedUnit(tomllib.loads(text.decode()), 1)
    unit.set_value("gas", Decimal(step) / 10)
    reply = unit.answer(struct.pack(">BHH", 3, 0, 3))
    assert Decoder(profile, plan_of(profile)).decode([reply[2:]]) == ((step,), (Quality.GOOD,))
    assert round(in_all_orders(Kind.F32, reply[2:6])[WordOrder(order)], 3) == round(step / 10, 3)


def load_profile_text(model: str) -> str:
    return (files("drivers.profiles") / f"{model}.toml").read_text(encoding="utf-8")


@given(st.binary(max_size=300), st.integers(1, 125))
def test_any_received_bytes_are_the_answer_or_our_error(received: bytes, count: int) -> None:
    question = Request(7, 3, 0, count, 500)
    for check in (_checked_rtu, _checked_tcp):
        with contextlib.suppress(BadReplyError, ModbusExceptionError):
            assert len(check(received, question)) == 2 * count


@given(st.integers(1, 100), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_late_frame_of_an_earlier_transaction_is_passed_over(count: int, earlier: int, now: int) -> None:
    question = Request(7, 3, 0, count, 500)
    question.pdu.transaction_id = now
    frame = struct.pack(">HHHBBB", now, 0, 3 + 2 * count, 7, 3, 2 * count) + b"\x01\x02" * count
    late = struct.pack(">HHHBBB", earlier, 0, 3 + 2 * count, 7, 3, 2 * count) + b"\xff\xff" * count
    assert _checked_tcp(frame, question) == b"\x01\x02" * count
    if earlier != now:
        assert _checked_tcp(late + frame, question) == b"\x01\x02" * count


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_text_as_a_profile_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_profile(data, "bad.toml")
    assert caught.value.problems
    assert all(problem.startswith("bad.toml:") for problem in caught.value.problems)


VALUES = [
    '"0"',
    '"-1"',
    '"1e9"',
    '"0.0000001"',
    "0",
    "-1",
    "1.5",
    "nan",
    "true",
    "[]",
    "{}",
    '"x"',
    '["0", "1"]',
    "2026-01-01",
]


@given(st.sampled_from(shipped_models()), st.data())
def test_a_profile_with_lines_lost_doubled_or_given_another_value_is_read_or_refused(
    model: str, data: st.DataObject
) -> None:
    lines = load_profile_text(model).splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[number].partition(" = ")
        change = data.draw(st.sampled_from(["lose", "double", "value"]))
        if change == "lose":
            lines[number] = ""
        elif change == "double":
            lines.insert(data.draw(st.integers(0, len(lines))), lines[number])
        elif equals and not key.startswith("#"):
            lines[number] = f"{key} = {data.draw(st.sampled_from(VALUES))}"
    text = "\n".join(lines).encode()
    problems = problems_of(text)
    assert all(problem.startswith("changed.toml:") for problem in problems)
    if not problems:
        profile = parse_profile(text, "changed.toml")
        assert Decoder(profile, plan_of(profile)).channels


def problems_of(text: bytes) -> list[str]:
    """What is wrong with a profile; nothing if it is right."""
    try:
        parse_profile(text, "changed.toml")
    except ConfigurationError as error:
        return error.problems
    return []


@given(st.binary(max_size=300))
def test_the_simulated_unit_answers_any_request_as_the_standard_says(request: bytes) -> None:
    unit = SimulatedUnit(load_profile_data("honeywell_xcd"), 1)
    reply = unit.answer(request)
    if reply[0] & 0x80:
        assert reply[1] in (1, 2, 3)
        assert len(reply) == 2
    else:
        assert reply[0] == request[0]
        assert len(reply) == 2 + reply[1]
