"""Whatever two works are, and wherever: each is too near to the other, or neither is."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from sites import PACK, POLICY, Bench, build_site, permit, replace_site

from edge.core.distances import ACTIVITIES, too_near
from edge.core.nearby import neighbours_of
from edge.core.said import Said

SITE = build_site({"north": (), "south": ()}, {"d1": "north"}, ex=True)

positions = st.none() | st.tuples(st.integers(-3_100, 3_100), st.integers(-3_100, 3_100))
activities = st.none() | st.lists(st.sampled_from(ACTIVITIES), unique=True).map(tuple)


@st.composite
def works(draw, name):
    east_cm, north_cm = draw(positions) or (None, None)
    return permit(
        name,
        permit_type=draw(st.sampled_from(sorted(PACK.permit_types))),
        areas=draw(st.sampled_from([("north",), ("south",), ("north", "south"), ("yard",)])),
        said=Said(east_cm=east_cm, north_cm=north_cm, activities=draw(activities)),
        status=2,
    )


@given(works("P1"), works("P2"), st.booleans())
def test_each_of_two_works_is_too_near_to_the_other_or_neither_is(one, two, demanded):
    bench = Bench(SITE)
    replace_site(bench, policy=replace(POLICY, permit_facts=demanded))
    bench.authority(one, two)
    found = [
        {
            (each.rule, each.limit_cm)
            for each in too_near(mine.said, neighbours_of(bench.state, mine, bench.now().clock))
        }
        for mine in (one, two)
    ]
    assert found[0] == found[1]
