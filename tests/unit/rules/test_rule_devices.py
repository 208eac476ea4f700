"""Each type of permit without a detector that its rules ask for: nobody enters, and what is missing is named."""

import pytest
from sites import Bench, build_site, decided, facts, permit

from edge import rules
from edge.core.interlocks import measured_by
from edge.core.rules import Channel, RulePack

VERSIONS = rules.at_hand(rules.names())
FITTED = {
    "combustible": Channel("c1", "gas", "combustible", "%LEL", "0.1", "methane"),
    "oxygen": Channel("o1", "oxygen", "oxygen", "%vol", "0.1", None),
    "toxic (hydrogen-sulphide)": Channel("h1", "gas", "toxic", "ppm", "0.1", "hydrogen-sulphide"),
    "toxic (carbon-monoxide)": Channel("m1", "gas", "toxic", "ppm", "1", "carbon-monoxide"),
    "wind_speed": Channel("w1", "speed", "wind_speed", "m/s", "0.1", None),
}


def asked(pack: RulePack, code: str) -> set[str]:
    """What a permit type needs measured wherever it is done."""
    return {measured_by(each) for each in pack.rules if code in each.permit_types and not each.where_fitted}


CASES = [
    (pack, code, lacking) for pack in VERSIONS for code in pack.permit_types for lacking in sorted(asked(pack, code))
]


def missing(pack: RulePack, code: str, fitted: set[str]) -> list[str]:
    """The quantities that a tap is refused for because nothing measures them."""
    channels = tuple(FITTED[each] for each in sorted(fitted))
    bench = Bench(build_site({"north": channels}, {"d1": "north"}, ex=True, packs=(pack,))).start()
    p1 = permit(permit_type=code)
    bench.authority(p1)
    failing = decided(bench.tap(facts(permits=[p1])))["failing"]
    return [detail for reason, _, detail in failing if reason == "channel_missing"]


@pytest.mark.parametrize(("pack", "code", "lacking"), CASES, ids=lambda each: getattr(each, "name", each))
def test_a_permit_whose_area_lacks_a_demanded_detector_opens_nothing_and_names_it(
    pack: RulePack, code: str, lacking: str
) -> None:
    demanded = asked(pack, code)
    assert missing(pack, code, demanded - {lacking}) == [lacking]
    assert missing(pack, code, demanded) == []


def test_the_types_that_always_need_a_detector_are_those_of_the_standards() -> None:
    found = {(pack.pack, code) for pack, code, _ in CASES}
    hot_and_power, height = ("01", "02", "03", "10", "70"), ("21", "22", "23", "24")
    assert found == {
        *(("gb30871", code) for code in hot_and_power + height),
        ("gb46768", "70"),
        *(("construction", code) for code in height),
    }
