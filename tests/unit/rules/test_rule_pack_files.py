"""A rule pack is read strictly: what is wrong is named by file, line and key, all at once, and what held stays."""

import re
from importlib import resources

import pytest

from edge import rules
from edge.core.rules import RulePackError
from edge.ports.errors import ConfigurationError
from edge.rules.floors import explosive_limits, floors, toxic_limits

SHIPPED = {name: resources.files("edge.rules").joinpath(f"{name}.toml").read_text("utf-8") for name in rules.names()}
CHEMICAL, CONSTRUCTION = SHIPPED["gb30871"], SHIPPED["construction"]


def problems(text: str, held: tuple = ()) -> list[str]:  # type: ignore[type-arg]
    with pytest.raises(ConfigurationError) as caught:
        rules.admit(held, text.encode(), "new.toml")
    return caught.value.problems


def changed(text: str, old: str, new: str) -> tuple[str, int]:
    """The text with the first ``old`` replaced, and the line on which it stands."""
    assert old in text
    return text.replace(old, new, 1), text[: text.index(old)].count("\n") + 1 + old.count("\n") * (old[:1] == "\n")


@pytest.mark.parametrize("name", rules.names())
def test_every_shipped_pack_is_without_a_finding_and_names_clause_and_mark_of_all_that_it_says(name: str) -> None:
    (pack,) = rules.admit((), SHIPPED[name].encode(), f"{name}.toml")
    assert pack.pack == name
    said = [*pack.rules, *pack.permit_types.values(), *pack.unjudged, *pack.gases.values()]
    assert all(each.clause and each.mark in ("V", "V2", "U", "D") for each in said)
    assert all(each.words_zh != each.words_en for each in (*pack.rules, *pack.unjudged))


def test_further_explosive_limits_of_a_gas_may_be_listed_and_every_shipped_one_is_a_floor() -> None:
    wider, _ = changed(CHEMICAL, 'lel_vol = ["5.0"]', 'lel_vol = ["4.4", "5.0", "5.3"]')
    (pack,) = rules.admit((), wider.encode(), "new.toml")
    assert len(pack.gases["methane"].lel_vol) == 3
    shipped = {gas.gas for name in rules.names() for gas in rules.load(name).gases.values() if gas.lel_vol}
    assert shipped == explosive_limits().keys()


def test_what_decides_on_each_toxic_gas_of_the_shipped_table_is_its_floor() -> None:
    floor, limits = toxic_limits()
    for name in rules.names():
        pack = rules.load(name)
        assert pack.molar_volume == floor.molar_volume
        deciding = {gas.gas: gas for gas in pack.gases.values() if gas.occupational()}
        assert not deciding or deciding.keys() == limits.keys()
        for gas in deciding.values():
            limit = limits[gas.gas]
            own = gas.occupational()
            assert own is not None
            assert (own[1], gas.molar_mass, gas.mark) == (limit.limit, limit.molar_mass, limit.mark)
            assert own[0] in limit.clause or limit.mark == "U", "the clause says which of the three it is"


@pytest.mark.parametrize(
    "changes",
    [
        [('mac = "10"', 'mac = "9.9"')],
        [('stel = "30"\n', "")],
        [('twa = "20"', 'twa = "500"')],
        [('molar_volume = "24.05"', 'molar_volume = "22.4"')],
        [('molar_mass = "34.08"', 'molar_mass = "34.1"')],
        [('molar_mass = "34.08"\n', "")],
    ],
)
def test_a_pack_may_be_stricter_about_toxic_gas(changes: list[tuple[str, str]]) -> None:
    text = CHEMICAL
    for old, new in changes:
        text, _ = changed(text, old, new)
    (pack,) = rules.admit((), text.encode(), "new.toml")
    assert pack.pack == "gb30871"


@pytest.mark.parametrize("name", rules.names())
def test_no_shipped_pack_lets_a_person_stand_in_for_gas_where_it_kills_unseen(name: str) -> None:
    by_hand = {(code, each.quantity) for pack in rules.versions(name) for each in pack.rules for code in each.manual}
    allowed = {(code, "combustible") for code in ("02", "03", "10")} | {(code, "oxygen") for code in ("02", "03")}
    assert by_hand <= allowed | {(code, "wind_speed") for code in ("21", "22", "23", "24", "61", "62", "63")}


def test_one_gas_has_one_set_of_figures_in_all_packs() -> None:
    found: dict[str, object] = {}
    for name in rules.names():
        for gas in rules.load(name).gases.values():
            assert found.setdefault(gas.gas, gas) == gas


FINDINGS = [
    ('lel_vol = ["5.0"]', 'lel_vol = ["0.5"]', "gas[methane].lel_vol", ("laxer than the floor of methane", "list 5.0")),
    ('lel_vol = ["5.0"]', 'lel_vol = ["5.1"]', "gas[methane].lel_vol", ("laxer than the floor of methane", "list 5.0")),
    ('lel_vol = ["2.0", "2.1"]', 'lel_vol = ["2.0"]', "gas[propane].lel_vol", ("laxer than the floor of propane",)),
    ('mac = "10"', 'mac = "10.1"', "gas[hydrogen-sulphide].mac", ("laxer than its floor (GBZ 2.1 MAC", "at most 10")),
    (
        'mac = "10"',
        "",
        "gas[hydrogen-sulphide].mac",
        ("missing", "stel and twa too", "GBZ 2.1 MAC", "at most 10 mg/m3"),
    ),
    ('mac = "10"', 'stel = "20"', "gas[hydrogen-sulphide].stel", ("laxer than its floor", "at most 10")),
    (
        'molar_mass = "34.08"',
        'molar_mass = "17.04"',
        "gas[hydrogen-sulphide].molar_mass",
        ("laxer than the floor of hydrogen-sulphide (GBZ 2.1", "at least 34.08"),
    ),
    (
        'molar_volume = "24.05"',
        'molar_volume = "24.45"',
        "pack.molar_volume",
        ("floor toxic (GB 30871-2022 6.4b", "at most 24.05 [D]"),
    ),
    ('limit = "8.0"', 'limit = "14"\n#', "rule[wind-height].limit", ("laxer than the floor wind-height", "13.9")),
    ('limit = "8.0"', "limit = 8.0\n#", "rule[wind-height].limit", ("must be text in quotes", "exact decimal")),
    ('limit = "8.0"', 'limit = "NaN"\n#', "rule[wind-height].limit", ("cannot be used", "exact decimal")),
    ('limit = "8.0"', 'limit = "1e1"\n#', "rule[wind-height].limit", ("exact decimal",)),
    (
        'limit = "19.5"',
        'limit = "19.4"',
        "rule[oxygen-low].limit",
        ("than the floor oxygen-low", "at least 19.5"),
    ),
    ('limit = "21"', 'limit = "23.6"', "rule[oxygen-high].limit", ("laxer than the floor oxygen-high", "at most 23.5")),
    ('limit = "0.5"', 'limit = "0.51"', "rule[combustible-lel-from-4].limit", ("laxer than the floor", "at most 0.5")),
    ('unit = "m/s"', 'unit = "km/h"', "rule[wind-height].unit", ('"km/h" is unknown', "one of")),
    ('unit = "m/s"', 'unit = "%vol"', "rule[wind-height].unit", ("no unit of wind_speed", "m/s")),
    ('unit = "%vol"', 'unit = "%LEL"', "rule[combustible-lel-from-4].unit", ("no floor", "01, 02, 03", "%vol")),
    ('clause = "GB 30871-2022 8.2.6"\n', "", "rule[wind-height].clause", ("missing",)),
    ('id = "wind-height"', 'id = "wind-height"\nlimmit = "3"', "rule[wind-height].limmit", ("unknown key", "limit")),
    ('mark = "V"\nfrom', 'mark = "W"\nfrom', "rule[combustible-lel-from-4].mark", ("is unknown", "V, V2, U, D")),
    (
        'manual = ["02", "03"]',
        'manual = ["01", "02"]',
        "rule[combustible-lel-from-4].manual",
        ("01 is against the floor gas-by-hand", "take it out"),
    ),
    (
        'manual = ["02", "03"]',
        'manual = ["02", "21"]',
        "rule[combustible-lel-from-4].manual",
        ("21 is no permit type of this rule", "01, 02, 03, 70"),
    ),
    ('code = "oxygen_low"', 'code = "oxygen_high"', "rule[oxygen-low].code", ("does not fit", "oxygen_low")),
    ('permit_types = ["70"]', 'permit_types = ["71"]', "rule[oxygen-low].permit_types", ("71 is no [[permit_type]]",)),
    ('id = "oxygen-high"', 'id = "oxygen-low"', "rule[oxygen-low].id", ("used already at line",)),
    ("limit_of_gas = true\n", 'limit_of_gas = true\nlimit = "5"\n', "rule[toxic].limit", ("take one of the two out",)),
    ('from = "2022-10-01"', 'from = "2022-02-30"', "pack.from", ("2022-02-30",)),
    ('from = "2022-10-01"', 'from = "2022-10-01"\nuntil = "2022-10-01"', "pack.until", ("is not after from",)),
    ('molar_volume = "24.05"', 'molar_volume = "2.405"', "pack.molar_volume", ("out of range", "20 to 30")),
    ('id = "welding"', 'id = "wielding"', "trade[wielding].id", ("in no certificates", "welding", "take it out")),
    ('id = "height"', 'id = "welding"', "trade[welding].id", ("used already at line",)),
    ('name_zh = "焊接与热切割"', "", "trade[welding].name_zh", ("missing",)),
    ('distance_m = "30"', "", "distance[venting-30].distance_m", ("missing",)),
    ('distance_m = "30"', "distance_m = 30", "distance[venting-30].distance_m", ("must be text in quotes",)),
    ('activities = ["venting"]', "", "distance[venting-30].activities", ("missing",)),
    ('activities = ["venting"]', 'activities = ["resting"]', "distance[venting-30].activities", ("dust_sweeping",)),
    ('same_space = ["70"]', 'same_space = ["71"]', "distance[painting-same-space].same_space", ("71 is no",)),
    (
        'same_space = ["70"]',
        'same_space = ["70"]\ndistance_m = "5"',
        "distance[painting-same-space].distance_m",
        ("unknown key",),
    ),
    ('other_types = ["01", "02", "03"]', 'other_types = ["09"]', "distance[blinding-30].other_types", ("09 is no",)),
    ('id = "draining-15"', 'id = "venting-30"', "distance[venting-30].id", ("used already at line",)),
    ('confirm = ["briefing", ', 'confirm = ["coffee", ', "permit_type[1].confirm", ("risk_analysis, measures",)),
    ('from = "2"', 'from = "2.005"', "height_grade[height-2-5].from", ("to the centimetre",)),
    ('from = "2"', 'from = "0"', "height_grade[height-2-5].from", ("metres above 0",)),
    ('up_to = "5"', 'up_to = "1.99"', "height_grade[height-2-5].up_to", ("not above where this row begins",)),
    ('above = "5"', 'above = "6"', "height_grade[height-5-15].above", ("leaves a gap", "begin just above")),
    ('class_a = "21"', 'class_a = "61"', "height_grade[height-2-5].class_a", ("is unknown", "21")),
    ('class_b = "22"', 'class_b = "21"\nclass_c = "24"', "height_grade[height-2-5].class_c", ("unknown key",)),
    ('class_a = "23"', 'class_a = "21"', "height_grade[height-15-30].class_a", ("lower than 22",)),
    ('class_b = "24"', 'class_b = "22"', "height_grade[height-15-30].class_b", ("lower than class_a",)),
    ('id = "height-5-15"', 'id = "height-2-5"', "height_grade[height-2-5].id", ("used already at line",)),
    ("validity_h = 8", "validity_h = 0", "permit_type[1].validity_h", ("out of range",)),
    ('gas_lel_from = "4"', 'gas = "phlogiston"', "rule[combustible-lel-from-4].gas", ("is no [[gas]]",)),
    ('lel_vol = ["5.0"]', 'lel_vol = ["0"]', "gas[methane].lel_vol", ("out of range",)),
    ('lel_vol = ["5.0"]', "lel_vol = [5.0]", "gas[methane].lel_vol", ("exact decimal",)),
]


@pytest.mark.parametrize(("old", "new", "key", "said"), FINDINGS, ids=[f"{key}:{new}" for _, new, key, _ in FINDINGS])
def test_each_fault_is_named_with_its_place_and_what_is_allowed(
    old: str, new: str, key: str, said: tuple[str, ...]
) -> None:
    text, line = changed(CHEMICAL, old, new)
    found = [each for each in problems(text) if f" {key}: " in each]
    assert found, problems(text)
    place = re.fullmatch(r"new\.toml:(\d+): .*", found[0])
    assert place
    assert abs(int(place.group(1)) - line) <= (14 if "missing" in said else 2)
    assert all(each in found[0] for each in said), found[0]


def test_every_finding_comes_at_once_in_the_order_of_the_file() -> None:
    text = CHEMICAL.replace('limit = "19.5"', 'limit = "19"').replace('limit = "10.8"', "limit = 1")
    found = problems(text.replace('unit = "m/s"', 'unit = "kn"'))
    assert len(found) == 6, "oxygen-low twice, three units, one limit"
    lines = [int(each.split(":")[1]) for each in found]
    assert lines == sorted(lines)


@pytest.mark.parametrize(("limit", "inclusive", "lax"), [("13.8", "true", False), ("13.9", "true", True)])
def test_a_floor_that_itself_must_not_pass_is_not_passed_by_an_inclusive_rule(
    limit: str, inclusive: str, lax: bool
) -> None:
    start, _, rest = CONSTRUCTION.partition('id = "wind-climbing"')
    rest = rest.replace('limit = "10.8"', f'limit = "{limit}"', 1).replace(
        "inclusive = false", f"inclusive = {inclusive}", 1
    )
    text = f'{start}id = "wind-climbing"{rest}'
    if lax:
        assert [each for each in problems(text) if "wind-climbing" in each and "inclusive = false" in each]
    else:
        rules.admit((), text.encode(), "new.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('quantity = "oxygen"', 'quantity = "oxygen"\nwhere_fitted = true', "for permit types 70"),
        ('permit_types = ["70"]', 'permit_types = ["30"]', "for permit types 70"),
        ('from = "2022-10-01"\npermit_types = ["70"]', 'from = "2023-10-01"\npermit_types = ["70"]', "2022-10-01"),
        (
            'from = "2022-10-01"\npermit_types = ["70"]',
            'from = "2022-10-01"\nuntil = "2027-01-01"\npermit_types = ["70"]',
            "holds on 2027-01-01",
        ),
    ],
)
def test_a_pack_that_leaves_out_what_a_floor_asks_for_is_refused_with_the_day(old: str, new: str, said: str) -> None:
    text, _ = changed(CHEMICAL, old, new)
    found = [each for each in problems(text) if "the floor oxygen-low" in each]
    assert found
    assert said in found[0]


TOXIC_70 = 'from = "2022-10-01"\npermit_types = ["70"]\nquantity = "toxic"\nwhere_fitted = true\nlimit_of_gas = true\n'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("limit_of_gas = true", 'limit = "0.5"', "2022-10-01 for permit type 70 and ammonia, benzene"),
        ('["70"]', '["40"]', "2022-10-01 for permit type 70"),
        ("where_fitted", "where_ex", "2022-10-01 for permit type 70"),
        ("where_fitted = true", 'gas = "chlorine"', "2022-10-01 for permit type 70 and ammonia, benzene"),
        ("2022-10-01", "2023-10-01", "2022-10-01 for permit type 70"),
        ('"2022-10-01"', '"2022-10-01"\nuntil = "2027-01-01"', "2027-01-01 for permit type 70"),
    ],
)
def test_a_pack_that_stops_judging_toxic_gas_by_its_own_limit_is_refused_with_the_day(
    old: str, new: str, said: str
) -> None:
    text, _ = changed(CHEMICAL, TOXIC_70, changed(TOXIC_70, old, new)[0])
    (found,) = [each for each in problems(text) if " pack.id: " in each]
    assert f"no rule with limit_of_gas holds on {said}" in found
    assert "the floor toxic (toxic gas by its own limit" in found


def test_floors_keep_the_laxest_of_the_shipped_limits_and_cover_every_quantity_that_kills() -> None:
    assert {each.quantity for each in floors()} == {"combustible", "oxygen", "wind_speed"}
    assert {each.limit for each in floors() if each.quantity == "wind_speed"} == {type(floors()[0].limit)("13.9")}


# ---- versions


def version(number: int, since: str, until: str | None = None) -> str:
    head = f'version = {number}\nfrom = "{since}"' + (f'\nuntil = "{until}"' if until else "")
    return CONSTRUCTION.replace('version = 1\nfrom = "2016-12-01"', head)


def held() -> tuple:  # type: ignore[type-arg]
    return rules.admit((), version(2, "2026-01-01").encode(), "two.toml")


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (version(2, "2027-01-01"), "pack.version", "construction/2 is at hand already"),
        (version(3, "2026-01-01"), "pack.from", "a later version begins later"),
        (version(3, "2025-01-01"), "pack.from", "a later version begins later"),
        (version(1, "2026-01-01"), "pack.from", "a later version begins later"),
        (version(1, "2025-01-01", "2026-01-02"), "pack.until", "their dates overlap"),
    ],
)
def test_a_version_whose_dates_contradict_those_at_hand_is_refused_and_they_stay(
    text: str, key: str, said: str
) -> None:
    before = held()
    (found,) = problems(text, before)
    assert re.match(rf"new\.toml:\d+: {re.escape(key)}: ", found)
    assert said in found
    assert before == held()


def test_an_end_that_is_written_is_not_passed_by_the_next_version() -> None:
    bounded = rules.admit((), version(2, "2026-01-01", "2027-01-01").encode(), "two.toml")
    (found,) = problems(version(3, "2026-12-31"), bounded)
    assert "holds until 2027-01-01" in found
    assert [each.version for each in rules.admit(bounded, version(3, "2027-01-01").encode(), "new.toml")] == [2, 3]


def test_versions_stand_in_the_order_of_their_dates_whatever_the_order_of_the_files() -> None:
    three = rules.admit(held(), version(3, "2027-01-01").encode(), "three.toml")
    one = rules.admit(three, version(1, "2025-01-01").encode(), "one.toml")
    assert [each.version for each in one] == [1, 2, 3]


@pytest.mark.parametrize("data", [b"", b"\xff", b"[pack", b"[pack]\nid = 3", b"x" * 300_000, b"[[rule]]\n" * 600])
def test_bytes_that_are_no_pack_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rules.admit((), data, "new.toml")
    assert all(each.startswith("new.toml:") for each in caught.value.problems)


def test_a_pack_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(RulePackError, match="one of: construction, gb30871, gb46768"):
        rules.load("gb1")
