"""What an operator reads at night: everything that holds somebody out is on the screen, in the gateway's language."""

from typing import Any

import pytest

from edge.app.status_words import permit_lines, status_lines, sync_lines
from edge.app.wording import LANGUAGES, Language

PERMIT: dict[str, Any] = {
    "permit": "P1",
    "type": "02",
    "areas": ["north"],
    "workers": ["w1", "w2"],
    "guardians": ["g1"],
    "not_before_ms": 1_800_000_000_000,
    "not_after_ms": 1_900_000_000_000,
    "ends_ms": 1_800_028_800_000,
    "hq_status": 6,
    "said": {"height_cm": 1_800, "factors": ["live_parts"]},
    "confirmed": ["briefing"],
    "points": [
        {"point": "top", "age_ms": 90_000, "reason": None, "by": "w1", "entry": 9, "typed": None},
        {
            "point": "bottom",
            "age_ms": None,
            "reason": "analysis_missing",
            "by": None,
            "entry": None,
            "typed": {"entry": 8, "by": "w2", "figures": {"oxygen": "20.9", "lel": "0"}},
        },
    ],
    "running": True,
    "inside": [
        {"worker": "w1", "area": "north", "state": "in"},
        {"worker": "w2", "area": "north", "state": "unknown"},
    ],
    "paused": True,
    "frozen": ["f-7"],
    "by_hand": [
        {"device": "wind1", "by": "g1", "entry": 12, "left_ms": 1_000},
        {"device": "gas1", "by": "g1", "entry": 5, "left_ms": 0},
    ],
    "trip": {"entry": 4, "reason": "gas_over_limit", "interlock": "gb30871/lel@gas1.gas", "retest": None},
    "overrides": [],
    "lockdowns": [],
    "close_waits": False,
}


OVERRIDE: dict[str, Any] = {
    "override": "183",
    "device": "gas-1",
    "protection": None,
    "permits": ["P1"],
    "owner": "g1",
    "why": "sensor changed",
    "until_ms": 9_000,
    "over": False,
}


LOCKDOWN: dict[str, Any] = {"area": "north", "by": "g1", "why": "leak at V-3", "entry": 90, "since_ms": 9_000}


def found(**changes: Any) -> dict[str, Any]:
    """What a gateway answers that is well, with these parts changed."""
    well: dict[str, Any] = {
        "simulated": False,
        "gateway": "gw1",
        "site": "s014",
        "clock": {"source": "hq", "lo_ms": 1_000, "hi_ms": 1_020},
        "doors": {"d1": {"phase": "locked_shut", "fault": None}},
        "shown": {},
        "readings": {"gas1.gas": {"figure": "1.5 %LEL", "quality": "good", "age_ms": 400}},
        "permits": [],
        "overrides": [],
        "closing": [],
        "freezes": [],
        "rules": [{"area": "north", "packs": ["gb30871/3"], "lost": []}],
        "sirens": {"north": False},
        "people": [{"area": "north", "inside": 0, "unknown": 0, "entering": 0, "most": None}],
        "instruments": [{"device": "gas-1", "check": "bump", "overdue": False}],
        "readers": {"lost": {}},
        "resting": [],
        "lockdowns": [],
        "forced": [],
        "journal": {"durable": 9, "acked": 7, "behind_signed": False},
        "link": {"state": "up", "why": "", "since_s": 5, "refused": None},
        "authority": {"size": 3, "age_ms": 2_000, "fresh": True},
        "children": {"sync": {"alive": True, "restarts": 0}},
    }
    return {**well, **changes}


TROUBLES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a rule pack that was lost": (
        {"rules": [{"area": "north", "packs": ["gb30871/3"], "lost": ["gb30871/3"]}]},
        "rule pack gb30871/3 in area north CANNOT BE USED",
        "区域 north 的规则包 gb30871/3 不可用",
    ),
    "a frozen area": (
        {"freezes": [{"freeze": "f-9", "scope": "area:north", "by": "duty", "why": "drill"}]},
        "FROZEN area:north by duty: drill",
        "已冻结 FROZEN area:north",
    ),
    "an overdue bump test": (
        {"instruments": [{"device": "gas-1", "check": "bump", "overdue": True}]},
        "gas-1: bump missing or OVERDUE",
        "gas-1：bump 缺少或已过期",
    ),
    "a full area": (
        {"people": [{"area": "north", "inside": 1, "unknown": 1, "entering": 1, "most": 3}]},
        "area north: 1 in, 1 unknown, 1 entering, at most 3, FULL",
        "区域 north：在内 1，不明 1，进入中 1，至多 3，已满 FULL",
    ),
    "a siren": ({"sirens": {"north": True}}, "SIREN of area north", "警笛 SIREN"),
    "a lost reader": ({"readers": {"lost": {"r1": "unplugged"}}}, "reader r1 LOST: unplugged", "读卡器 r1 失联 LOST"),
    "a locked area": (
        {"lockdowns": [LOCKDOWN]},
        "AREA north is LOCKED DOWN by g1 since 1970-01-01 00:00:09.000Z, entry 90: leak at V-3",
        "区域 north 已封锁 LOCKED DOWN，g1，自 1970-01-01 00:00:09.000Z，第 90 条：leak at V-3",
    ),
    "a forced door": (
        {"forced": [{"door": "d1", "entry": 88, "since_ms": 9_000}]},
        "door d1 was FORCED at 1970-01-01 00:00:09.000Z, entry 88: see `permitgate door acknowledge`",
        "门 d1 曾被强行打开 FORCED（1970-01-01 00:00:09.000Z，第 88 条），须确认",
    ),
    "a resting reader": (
        {"resting": [{"reader": "r1", "left_ms": 41_000, "refused": 7}]},
        "reader r1 RESTS for 41 s yet: too many bad badges; 7 taps refused since",
        "读卡器 r1 暂停 RESTS，还有 41 s",
    ),
    "a cut journal": (
        {"journal": {"durable": 1, "acked": 0, "behind_signed": True}},
        "entry is refused",
        "禁止进入",
    ),
    "a faulty door": (
        {"doors": {"d1": {"phase": "fault", "fault": "bolt_not_following"}}},
        "FAULT bolt_not_following",
        "故障 FAULT bolt_not_following",
    ),
    "a lost link": (
        {"link": {"state": "down", "why": "no route", "since_s": 60, "refused": None}},
        "HQ: DOWN for 60 s: no route",
        "总部：中断 DOWN",
    ),
    "a fork": (
        {"link": {"state": "up", "why": "", "since_s": 5, "refused": "HQ keeps another past"}},
        "REFUSED between here and HQ: HQ keeps another past",
        "与总部之间有内容被拒绝（REFUSED）：HQ keeps another past",
    ),
    "a dead child": (
        {"children": {"sync": {"alive": False, "restarts": 3}}},
        "child sync: DOWN",
        "子进程 sync：中断 DOWN",
    ),
    "an override": (
        {"overrides": [OVERRIDE]},
        "OVERRIDE 183 of gas-1 by g1 until 1970-01-01 00:00:09.000Z, for P1: sensor changed",
        "旁路 OVERRIDE 183：gas-1，责任人 g1",
    ),
    "an override past its time": ({"overrides": [{**OVERRIDE, "over": True}]}, "PAST ITS TIME", "已超时"),
    "a close that waits": (
        {"overrides": [OVERRIDE], "closing": ["P1"]},
        "HQ closed it; it stays OPEN here until override 183 is lifted",
        "旁路 183 解除前本处保持打开 OPEN",
    ),
    "a permit whose close waits": ({"permits": [{**PERMIT, "close_waits": True}]}, "CLOSE REFUSED", "关闭被拒"),
    "a tripped permit": ({"permits": [PERMIT]}, "TRIPPED gas_over_limit", "已跳闸 TRIPPED gas_over_limit 可燃气体超限"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_whatever_holds_somebody_out_is_on_the_screen_in_either_language(name: str) -> None:
    changes, en, zh = TROUBLES[name]
    assert en in "\n".join(status_lines(found(**changes), "en"))
    assert zh in "\n".join(status_lines(found(**changes), "zh"))
    assert en not in "\n".join(status_lines(found(), "en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_gateway_that_is_well_is_told_in_one_language(language: Language) -> None:
    text = "\n".join([*status_lines(found(), language), *sync_lines(found(), language)])
    assert ("门 d1" in text) == (language == "zh")
    assert ("door d1" in text) == (language == "en")
    assert "1.5 %LEL" in text


def test_a_permit_is_shown_with_its_window_its_people_and_its_state_at_hq() -> None:
    text = "\n".join(permit_lines(PERMIT, "en"))
    for shown in (
        "P1",
        "2027-01-15 08:00:00.000Z",
        "2027-01-15 16:00:00.000Z",
        "suspended",
        "w1, w2",
        "g1",
        "f-7",
        "height 18 m",
        "live_parts",
        "confirmed on site: briefing",
        "inside: w1 (north), w2 (north) unknown",
    ):
        assert shown in text
    assert "已暂停" in "\n".join(permit_lines(PERMIT, "zh"))


def test_a_permit_of_a_locked_area_says_so() -> None:
    permit = {**PERMIT, "lockdowns": [LOCKDOWN]}
    assert "  AREA north is LOCKED DOWN by g1" in "\n".join(permit_lines(permit, "en"))
    assert "  区域 north 已封锁" in "\n".join(permit_lines(permit, "zh"))


def test_each_sample_point_says_when_it_was_sampled_or_what_it_lacks() -> None:
    en, zh = ("\n".join(permit_lines(PERMIT, language)) for language in ("en", "zh"))
    assert "sample point top: 90.0 s ago, by w1, entry 9" in en
    assert "sample point bottom: analysis_missing, No passing gas sample" in en
    assert "sample point bottom: TYPED BY HAND, never counted: lel 0, oxygen 20.9 (by w2, entry 8)" in en
    assert "取样点 bottom：人工填写，不作依据：lel 0, oxygen 20.9（w2，第 8 条）" in zh
    assert "取样点 top：90.0 s 前，w1，第 9 条" in zh
    assert "取样点 bottom：analysis_missing，取样点尚无合格的气体取样" in zh
