"""The muster page: one page to print and to tick off at the assembly point, in Chinese and English."""

from collections.abc import Iterator, Mapping
from typing import Any

from edge.app.status_words import SIMULATED
from edge.app.wording import NOTHING, instant

_STATES = {"in": "在内 in", "unknown": "不明 UNKNOWN"}


def page(found: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """The page of what ``muster`` found; ``names`` by worker, as far as they are known."""
    lines = [f"在场人员清单 · WHO IS INSIDE    {found['gateway']} @ {found['site']}"]
    lines += [SIMULATED] if found["simulated"] else []
    made, last, through = instant(found["made_ms"]), instant(found["last_ms"]), found["through"]
    lines.append(f"打印 printed {made} · 日志截至第 {through} 条 journal up to entry {through}, {last}")
    for area in found["areas"]:
        lines += ["", *_area_lines(area, names)]
    lines += ["", f"合计 TOTAL    {_counts(found)}"]
    if found["unknown"] or found["entering"]:
        lines.append("不明：可能已未刷卡离开，找到本人之前按在内对待")
        lines.append("UNKNOWN: may have left without a tap; counts as inside until found")
        lines.append("本人在该区域门外或门内刷卡后自动更正 · put right when that person taps at a door of that area")
    return [*lines, "本网关停止期间无人记录进出 · while the gateway is down nobody records who passes"]


def _area_lines(area: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    most = "" if area["most"] is None else f"，至多 at most {area['most']}"
    yield f"区域 area {area['area']}  {area['name_zh']} / {area['name_en']}    {_counts(area)}{most}"
    for each in area["people"]:
        over = "  超时 OVERSTAYED" if each["overstayed"] else ""
        since = NOTHING if each["since_ms"] is None else instant(each["since_ms"])
        yield (
            f"  [ ] {each['worker']}  {names.get(each['worker']) or NOTHING}  {_STATES[each['state']]}{over}"
            f"  自 since {since}  门 door {each['door']}  作业票 permit {each['permit'] or NOTHING}  #{each['entry']}"
        )
    if not area["people"]:
        yield "  无人 nobody known to be inside"


def _counts(found: Mapping[str, Any]) -> str:
    entering = f"，正在进入 entering {found['entering']}" if found["entering"] else ""
    return f"在内 in {found['inside']}，不明 unknown {found['unknown']}{entering}"
