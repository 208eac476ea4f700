"""What a profile may state beyond registers and status: offsets, currents, identity, heartbeat, plausible movement."""

from decimal import Decimal
from importlib.resources import files

import pytest

from drivers.modbus.decode import Decoder
from drivers.modbus.plan import plan_of
from drivers.modbus.profile import load_profile, parse_profile
from drivers.modbus.register_map import Profile
from edge.ports.devices import Quality
from edge.ports.errors import ConfigurationError

LOOP = 'loop = { scale_ma = "0.001" }'


def generic(*changes: tuple[str, str]) -> str:
    """The generic profile, changed below its comment."""
    text = (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8")
    text = text[text.index("\nmodel = ") :]
    for written, instead in changes:
        assert written in text, written
        text = text.replace(written, instead, 1)
    return text


def loop(extra: str = LOOP, *changes: tuple[str, str]) -> str:
    """The generic profile with its gas as a current in a 16-bit register, and no status register."""
    text = generic(('type = "f32"\norder = "ABCD"', 'type = "u16"'), ('scale = "1"', extra), *changes)
    text = text.replace("sentinels = [{ raw = 0xFFFFFFFF,", "sentinels = [{ raw = 0xFFFF,")
    head, _, tail = text.partition('[[register]]\nname = "status"')
    return head + tail[tail.index("[[channel]]") : tail.index("[[status]]")]


def findings(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_profile(text.encode(), "mine.toml")
    return caught.value.problems


def parsed(text: str) -> Profile:
    return parse_profile(text.encode(), "mine.toml")


def reading(text: str, raw: int) -> tuple[int | None, Quality]:
    profile = parsed(text)
    (steps,), (quality,) = Decoder(profile, plan_of(profile)).decode([raw.to_bytes(2, "big")])
    return steps, quality


# ---- scale, offset, decimals ----------------------------------------------------------------------------------------


def test_an_offset_is_added_exactly() -> None:
    text = loop('scale = "0.1"\noffset = "-50"')
    assert reading(text, 500) == (0, Quality.GOOD)
    assert reading(text, 501) == (1, Quality.GOOD)
    assert reading(text, 499) == (None, Quality.OUT_OF_RANGE)


def test_decimals_set_by_hand_scale_range_and_reading() -> None:
    text = loop('decimals = "by_hand"').replace('resolution = "0.1"\n', "")
    profile = parsed(text)
    assert profile.decimals_by_hand
    assert not load_profile("generic").decimals_by_hand
    assert reading(text, 50) == (50, Quality.GOOD)
    assert profile.channels[0].resolution == 1, "until they are stated a number is read as larger, never as smaller"


def test_a_channel_with_decimals_by_hand_states_none_itself() -> None:
    problems = findings(loop('scale = "0.1"\ndecimals = "by_hand"'))
    assert any("scale: the configuration states the decimals" in each for each in problems)
    assert any("resolution: the configuration states the decimals" in each for each in problems)


# ---- currents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("microamperes", "expected"),
    [
        (4_000, (0, Quality.GOOD)),
        (12_000, (500, Quality.GOOD)),
        (12_001, (501, Quality.GOOD)),
        (20_000, (1_000, Quality.GOOD)),
        (3_800, (0, Quality.GOOD)),
        (3_799, (None, Quality.OUT_OF_RANGE)),
        (3_601, (None, Quality.OUT_OF_RANGE)),
        (3_600, (None, Quality.DEVICE_FAULT)),
        (0, (None, Quality.DEVICE_FAULT)),
        (20_001, (None, Quality.OUT_OF_RANGE)),
        (20_999, (None, Quality.OUT_OF_RANGE)),
        (21_000, (None, Quality.DEVICE_FAULT)),
        (24_001, (None, Quality.OUT_OF_RANGE)),
        (0xFFFF, (None, Quality.DEVICE_FAULT)),
    ],
)
def test_a_current_outside_the_measuring_band_is_never_a_number(
    microamperes: int, expected: tuple[int | None, Quality]
) -> None:
    assert reading(loop(), microamperes) == expected


def test_a_drifted_zero_of_oxygen_is_no_oxygen_and_not_a_fault() -> None:
    text = loop(LOOP, ('"combustible"', '"oxygen"'), ('"%LEL"', '"%vol"'), ('["0", "100"]', '["0", "25"]'))
    assert reading(text, 3_900) == (0, Quality.GOOD)
    assert reading(text, 17_376) == (209, Quality.GOOD)


def test_a_fault_current_is_a_source_of_status_and_a_silent_loop_is_none() -> None:
    assert parsed(loop()).has_status
    only_warm_up = 'loop = { scale_ma = "0.001", bands = [{ from_ma = "3.4", to_ma = "3.6", means = "warming_up" }] }'
    assert not parsed(loop(only_warm_up)).has_status


def test_a_state_that_looks_good_needs_a_status_of_another_source() -> None:
    hiding = 'loop = { scale_ma = "0.001", looks_good = "warm-up reads 20.9" }'
    (problem,) = findings(loop(hiding))
    assert "warm-up reads 20.9: no current shows it; add a [[status]] of another source" in problem
    register = '\n[[register]]\nname = "relay"\naddress = 9\nprinted = "40010"\ntype = "u16"\n'
    status = '\n[[status]]\nregister = "relay"\nvalues = [{ raw = 1, means = "ok" }]\notherwise = "device_fault"\n'
    assert parsed(loop(hiding) + register + status).channels[0].loop is not None


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        ('loop = { scale_ma = "0.003" }', "scale_ma", "no whole number of counts"),
        ('loop = { scale_ma = "0.001", lowest_ma = "4.1" }', "lowest_ma", "4 or less"),
        ('scale = "2"\nloop = { scale_ma = "0.001" }', "scale", "loop.scale_ma"),
        ('offset = "2"\nloop = { scale_ma = "0.001" }', "offset", "4 mA"),
        (
            'loop = { scale_ma = "0.001", bands = [{ from_ma = "3.5", to_ma = "4.5", means = "device_fault" }] }',
            "from_ma",
            "there it measures",
        ),
        (
            'loop = { scale_ma = "0.001", bands = [{ from_ma = "1", to_ma = "2", means = "warming_up" }, '
            '{ from_ma = "2", to_ma = "3", means = "device_fault" }] }',
            "from_ma",
            "lies over another band",
        ),
        (
            'loop = { scale_ma = "0.001", bands = [{ from_ma = "1", to_ma = "2", means = "ok" }] }',
            "means",
            "device_fault",
        ),
    ],
)
def test_a_wrong_loop_is_refused_with_key_and_remedy(written: str, key: str, said: str) -> None:
    problems = findings(loop(written))
    assert any(f"{key}: " in each and said in each for each in problems), problems


def test_a_current_in_a_float_register_is_refused() -> None:
    problems = findings(generic(('scale = "1"', LOOP)))
    assert any("register: " in each and "u16, s16, u32 or s32" in each for each in problems)


# ---- registers ------------------------------------------------------------------------------------------------------


def test_overlapping_registers_are_refused_at_the_line_of_the_second() -> None:
    text = generic(("address = 2", "address = 1"))
    (problem,) = findings(text)
    line = text[: text.index("\naddress = 1")].count("\n") + 2
    assert problem.startswith(f"mine.toml:{line}: ")
    assert "give 2 or more" in problem


def test_a_register_longer_than_any_request_is_refused() -> None:
    problems = findings(generic(("max_registers = 16", "max_registers = 1")))
    assert any("type: f32 is 2 registers long, and max_registers of this device is 1" in each for each in problems)


def test_a_channel_of_which_no_status_speaks_counts_as_without_status() -> None:
    second = '\n[[channel]]\nname = "other"\nquantity = "toxic"\nregister = "gas"\nunit = "ppm"\nresolution = "1"\n'
    second += 'range = ["0", "100"]\nt90_s = 30\n\n[[status]]'
    text = generic(
        ("[[status]]", second), ('register = "status"\nbits', 'register = "status"\nchannels = ["gas"]\nbits')
    )
    assert not parsed(text).has_status
    assert parsed(text.replace('channels = ["gas"]', 'channels = ["gas", "other"]')).has_status


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ('mask = 0x000F\nvalues = [{ raw = 0x10, means = "ok" }]\notherwise = "device_fault"', "raw"),
        ('mask = 0x000F\nvalues = [{ from = 0, to = 0x10, means = "ok" }]\notherwise = "device_fault"', "to"),
        ('mask = 0x000F\nbits = [{ mask = 0x10, means = "device_fault" }]\notherwise = "ok"', "mask"),
    ],
)
def test_what_a_status_could_never_show_under_its_mask_is_refused(written: str, key: str) -> None:
    problems = findings(generic() + '\n[[status]]\nregister = "status"\n' + written + "\n")
    assert any(f"{key}: " in each and "outside the mask 0xF" in each for each in problems), problems


def test_two_fields_of_one_register_are_judged_each_by_its_own_mask() -> None:
    text = generic()
    text = text[: text.index("[[status]]")]
    for mask, faulty in ((0x000F, 0x0001), (0x00F0, 0x0010)):
        text += f'[[status]]\nregister = "status"\nmask = {mask}\n'
        text += f'values = [{{ raw = 0, means = "ok" }}, {{ raw = {faulty}, means = "warming_up" }}]\n'
        text += 'otherwise = "device_fault"\n'
    decoder = Decoder(parsed(text), plan_of(parsed(text)))

    def said(word: int) -> Quality:
        return decoder.decode([bytes(4) + word.to_bytes(2, "big")])[1][0]

    assert [said(each) for each in (0x0000, 0xFF00)] == [Quality.GOOD, Quality.GOOD]
    assert [said(each) for each in (0x0001, 0x0010, 0x0011)] == [Quality.WARMING_UP] * 3
    assert [said(each) for each in (0x0002, 0x0021)] == [Quality.DEVICE_FAULT] * 2


# ---- identity, heartbeat, movement ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        ('[[identity]]\nregister = "gas"\nallowed = [{ raw = 1, is = "x" }]', "register", "u16 or u32"),
        ('[[identity]]\nregister = "status"\nallowed = []', "allowed", "give 1 to 32"),
        (
            '[[identity]]\nregister = "status"\nmask = 0xFF00\nallowed = [{ raw = 1, is = "x" }]',
            "raw",
            "outside the mask",
        ),
        ('[[identity]]\nregister = "status"\nallowed = [{ raw = 1 }]', "is", "missing"),
        ('[heartbeat]\nregister = "status"\nmoves_every_s = 5\nstill_max_s = 9', "still_max_s", "give 10 or more"),
        ('[heartbeat]\nregister = "pulse"\nmoves_every_s = 5\nstill_max_s = 10', "register", "gas, status"),
    ],
)
def test_a_wrong_identity_or_heartbeat_is_refused(written: str, key: str, said: str) -> None:
    problems = findings(generic() + "\n" + written + "\n")
    assert any(f"{key}: " in each and said in each for each in problems), problems


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        ('noise_floor = "0.1"', "noise_floor", "frozen_after_s"),
        ("frozen_after_s = 60", "noise_floor", "missing"),
        ('frozen_after_s = 60\nnoise_floor = "0.05"', "noise_floor", "whole multiple"),
        ('frozen_after_s = 60\nnoise_floor = "0"\nrests_at = ["0.05"]', "rests_at", "whole multiple"),
        ('rate_max_per_s = "0"', "rate_max_per_s", "less than one step"),
    ],
)
def test_a_wrong_limit_of_movement_is_refused(written: str, key: str, said: str) -> None:
    problems = findings(generic(('scale = "1"', f'scale = "1"\n{written}')))
    assert any(f"{key}: " in each and said in each for each in problems), problems


def test_limits_of_movement_are_whole_steps() -> None:
    text = generic(
        ('scale = "1"', 'frozen_after_s = 60\nnoise_floor = "0.2"\nrests_at = ["0", "20.9"]\nrate_max_per_s = "5"')
    )
    plausible = parsed(text).channels[0].plausible
    assert plausible is not None
    assert (plausible.noise_steps, plausible.frozen_after_ms, plausible.rests_at) == (2, 60_000, (0, 209))
    assert plausible.rate_steps == 50
    assert parsed(text).channels[0].scale == Decimal(1)
