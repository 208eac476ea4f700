"""The muster page: whoever stands at the assembly point can tick it off, in either language."""

from typing import Any

from edge.app.muster_words import page


def person(worker: str, **changes: Any) -> dict[str, Any]:
    plain = {"worker": worker, "state": "in", "since_ms": 1_800_000_000_000, "door": "d1", "permit": "P1", "entry": 7}
    return {**plain, "until_ms": None, "overstayed": False, **changes}


def found(*people: dict[str, Any], **changes: Any) -> dict[str, Any]:
    unknown = sum(each["state"] == "unknown" for each in people)
    counts = {"inside": len(people) - unknown, "unknown": unknown, "entering": 0}
    area = {"area": "a1", "name_zh": "罐区", "name_en": "Tanks", "most": 4, "people": list(people), **counts}
    plain = {"simulated": False, "gateway": "gw1", "site": "s014", "made_ms": 0, "last_ms": 0, "through": 9}
    return {**plain, "areas": [area], **counts, **changes}


def test_each_person_is_a_line_with_name_state_since_door_permit_and_entry() -> None:
    lines = page(found(person("w1"), person("w2", state="unknown", overstayed=True, since_ms=None)), {"w1": "张三"})
    (first,) = [each for each in lines if "[ ] w1" in each]
    assert first.split("  ")[1:] == [
        "[ ] w1",
        "张三",
        "在内 in",
        "自 since 2027-01-15 08:00:00.000Z",
        "门 door d1",
        "作业票 permit P1",
        "#7",
    ]
    (second,) = [each for each in lines if "[ ] w2" in each]
    assert "w2  —  不明 UNKNOWN  超时 OVERSTAYED  自 since —" in second
    assert any("UNKNOWN: may have left without a tap; counts as inside until found" in each for each in lines)
    assert any("合计 TOTAL    在内 in 1，不明 unknown 1" in each for each in lines)
    assert any("至多 at most 4" in each for each in lines)


def test_an_area_without_people_says_so_and_raises_no_doubt() -> None:
    lines = page(found(), {})
    assert "  无人 nobody known to be inside" in lines
    assert not any("UNKNOWN" in each for each in lines)


def test_a_simulated_gateway_says_so_on_the_page() -> None:
    assert any("SIMULATED" in each for each in page(found(simulated=True), {}))
    assert not any("SIMULATED" in each for each in page(found(), {}))
