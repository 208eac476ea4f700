"""What a scan asks, whom it takes for a bus full of units, and which models it holds against a line."""

from drivers.modbus.profile import load_profile, shipped_models
from drivers.modbus.scan import LATE_MS, Heard, Presence, answers_for_all, can_be_on, greetings, longest_ms

PROFILES = [load_profile(model) for model in ("honeywell_xcd", "honeywell_xcd_oxygen", "generic", "renke_rs_fsjt_n01")]


def all_say(presence: Presence, count: int) -> list[Heard]:
    return [Heard(unit, presence) for unit in range(1, count + 1)]


def test_each_first_register_is_asked_for_once_the_most_shared_first() -> None:
    assert greetings(PROFILES) == ((3, 0), (3, 2))
    assert greetings(PROFILES[:3]) == ((3, 2), (3, 0))
    assert greetings([]) == ((3, 0),), "even a site without a model for its line can ask who is there"


def test_a_gateway_that_answers_or_refuses_for_everyone_is_no_bus_full_of_units() -> None:
    assert answers_for_all(all_say(Presence.ANSWERS, 247))
    assert answers_for_all(all_say(Presence.REFUSES, 8))
    assert not answers_for_all(all_say(Presence.ANSWERS, 4)), "four real units may well stand side by side"
    assert not answers_for_all(all_say(Presence.SILENT, 247))
    assert not answers_for_all([*all_say(Presence.ANSWERS, 246), Heard(247, Presence.SILENT)])


def test_a_model_is_held_only_against_a_line_that_it_can_be_set_to() -> None:
    renke = load_profile("renke_rs_fsjt_n01")
    assert can_be_on(renke, (4800, "N", 1))
    assert not can_be_on(renke, (38400, "N", 1))
    assert not can_be_on(renke, (4800, "E", 1))
    assert not can_be_on(renke, (4800, "N", 2))
    assert can_be_on(renke, None)
    assert all(can_be_on(load_profile(model), None) for model in shipped_models())


def test_the_time_that_is_announced_counts_every_silent_unit() -> None:
    assert longest_ms(247, 1, 300) == 247 * LATE_MS
    assert longest_ms(247, 3, 2000) == 247 * 3 * 2000
