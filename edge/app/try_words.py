"""What unknown registers hold, and which decodings give what the display shows: in words and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivers.modbus.decode import in_all_orders
from drivers.modbus.decodings import Decoding, Fit, printed_address
from drivers.modbus.probe import number_text
from drivers.modbus.raw_read import RawRegisters
from drivers.modbus.register_map import Kind, WordOrder
from edge.app.wording import Language
from edge.core.entries import Json

_SINGLE = (Kind.U16, Kind.S16)
_PAIR = (Kind.F32, Kind.U32, Kind.S32)
_FITS_SHOWN = 12

TEXT = {
    "en": {
        "read": "unit {unit}, function {function}, offsets {first} to {last}:",
        "one_by_one": "  not answered as one block; read one by one. Mind gap and max_registers in a profile",
        "register": "  offset {address} = {printed}: {raw}  {figures}",
        "trouble": "  offset {address} = {printed}: NOTHING, {trouble}",
        "pair": "      with {printed}, {order}: {figures}",
        "fits": " <FITS x {scales}>",
        "none": "nothing fits {display}: try --function {other}, another --start or --count. Is it in the same unit?",
        "one": "{display} fits one decoding:",
        "several": "{display} fits {count} decodings, likeliest first; a figure alone does not tell which is right:",
        "fit": "  {number}. {decoding} = {value}",
        "twins": "     the same while positive and small: {twins}",
        "float_twins": "     differs in its last digits only, the manual must tell: {twins}",
        "more": "  and {count} more",
        "again": "SEVERAL FIT. Give the instrument something else (gas, breath, wind), and when its display changes:",
        "again_how": "  run this again with --display NEW --fits FILE, where FILE is what --json FILE wrote this time",
        "once": "one look only: a wrong register can hold the right figure once. Look again at another figure first",
        "ask": "what does the display show now? (empty: enough)",
        "same": "that figure was there before: it tells nothing new. Wait until the display changes",
        "lost": "nothing that fitted before fits {display}; what fitted before is kept. Look again",
        "silent": "no register answered: check wiring, unit, baud rate, parity; `permitgate devices scan` finds units",
        "refused": "it is there, and refuses these registers: try --function {other} or another --start (40003 is 2)",
        "draft": "draft written: {file}. It is marked U: compare it with the maker's manual. It has NO status source",
        "next": "next: {program} devices show {file}; then move it into profiles_dir and name {model} in a [[device]]",
    },
    "zh": {
        "read": "地址 {unit}，功能码 {function}，偏移 {first} 至 {last}：",
        "one_by_one": "  设备不接受整块读取，已逐个读取；编写型号文件时 gap 和 max_registers 须与此相符",
        "register": "  偏移 {address} = {printed}：{raw}  {figures}",
        "trouble": "  偏移 {address} = {printed}：无，{trouble}",
        "pair": "      与 {printed} 合读，{order}：{figures}",
        "fits": "《吻合 ×{scales}》",
        "none": "没有与 {display} 吻合的解码：请试 --function {other}，或换 --start、--count；显示值的单位是否相同？",
        "one": "与 {display} 吻合的解码有 1 种：",
        "several": "与 {display} 吻合的解码有 {count} 种，按可能性排列；只凭一个数值分不出哪个正确：",
        "fit": "  {number}. {decoding} = {value}",
        "twins": "     数值为正且较小时与之相同：{twins}",
        "float_twins": "     仅末几位不同，须查手册：{twins}",
        "more": "  另有 {count} 种",
        "again": "不止一种吻合。请让仪表测到别的数值（通气、呼气、起风），待显示变化后：",
        "again_how": "  再运行一次，加上 --display 新值 --fits 文件，文件即本次 --json 文件 所写",
        "once": "只看了一次：错误的寄存器也可能碰巧相同。采信之前请换一个数值再看一次",
        "ask": "现在显示多少？（直接回车：结束）",
        "same": "该数值已看过，不能说明新的问题；请等显示变化",
        "lost": "此前吻合的解码都与 {display} 不符，保留此前结果；请重新读显示和寄存器",
        "silent": "没有寄存器应答：请核对接线、地址、波特率和校验；`permitgate devices scan` 可查找地址",
        "refused": "设备在线，但拒绝这些寄存器：请试 --function {other} 或换 --start；手册地址 40003 即偏移 2",
        "draft": "草稿已写入：{file}。标记为 U，请对照厂家手册核对；其中没有状态寄存器",
        "next": "下一步：{program} devices show {file}；然后移入 profiles_dir，并在 [[device]] 中写型号 {model}",
    },
}


def decoding_words(decoding: Decoding, function: int) -> str:
    """One way to read a figure, short enough for a line."""
    order = f" {decoding.order.value}" if decoding.kind.words == 2 else ""
    printed = printed_address(function, decoding.address)
    return f"{decoding.address} ({printed}) {decoding.kind.value}{order} x {decoding.scale}"


def table_lines(
    question: tuple[int, int, int, int], found: RawRegisters, fits: Sequence[Fit], language: Language
) -> list[str]:
    """Each register in every decoding; ``question``: unit, function, first offset and count."""
    unit, function, start, count = question
    text, marks = TEXT[language], _marks(fits)
    lines = [text["read"].format(unit=unit, function=function, first=start, last=start + count - 1)]
    if found.words and not found.in_block:
        lines.append(text["one_by_one"])
    for address in range(start, start + count):
        place = {"address": address, "printed": printed_address(function, address)}
        if address not in found.words:
            lines.append(text["trouble"].format(**place, trouble=found.troubles[address]))
            continue
        word = found.words[address].to_bytes(2, "big")
        figures = "  ".join(_figures(address, WordOrder.ABCD, _numbers(_SINGLE, word)[WordOrder.ABCD], marks, language))
        lines.append(text["register"].format(**place, raw=word.hex(), figures=figures))
        if address + 1 in found.words:
            pair = word + found.words[address + 1].to_bytes(2, "big")
            printed = printed_address(function, address + 1)
            for order, numbers in _numbers(_PAIR, pair).items():
                shown = "  ".join(_figures(address, order, numbers, marks, language))
                lines.append(text["pair"].format(printed=printed, order=order.value, figures=shown))
    return lines


def _numbers(kinds: Sequence[Kind], data: bytes) -> dict[WordOrder, dict[Kind, str]]:
    found: dict[WordOrder, dict[Kind, str]] = {}
    for kind in kinds:
        for order, value in in_all_orders(kind, data).items():
            found.setdefault(order, {})[kind] = number_text(kind, value)
    return found


Marks = Mapping[tuple[int, Kind, WordOrder], list[str]]


def _marks(fits: Sequence[Fit]) -> Marks:
    marks: dict[tuple[int, Kind, WordOrder], list[str]] = {}
    for fit in fits:
        for each in sorted(fit.all(), key=lambda decoding: decoding.scale):
            marks.setdefault((each.address, each.kind, each.order), []).append(str(each.scale))
    return marks


def _figures(
    address: int, order: WordOrder, numbers: Mapping[Kind, str], marks: Marks, language: Language
) -> Iterator[str]:
    for kind, number in numbers.items():
        scales = marks.get((address, kind, order))
        mark = "" if scales is None else TEXT[language]["fits"].format(scales=", ".join(scales))
        yield f"{kind.value} {number}{mark}"


def fit_lines(display: str, fits: Sequence[Fit], function: int, language: Language) -> list[str]:
    """What fits what the display shows, and what can be told of it."""
    text = TEXT[language]
    if not fits:
        return [text["none"].format(display=display, other=7 - function)]
    lines = [text["one" if len(fits) == 1 else "several"].format(display=display, count=len(fits))]
    for number, fit in enumerate(fits[:_FITS_SHOWN], 1):
        decoding = decoding_words(fit.best, function)
        lines.append(text["fit"].format(number=number, decoding=decoding, value=format(fit.value, "f")))
        if fit.twins:
            twins = "; ".join(decoding_words(each, function) for each in fit.twins)
            key = "float_twins" if fit.best.kind is Kind.F32 else "twins"
            lines.append(text[key].format(twins=twins))
    if len(fits) > _FITS_SHOWN:
        lines.append(text["more"].format(count=len(fits) - _FITS_SHOWN))
    return lines


def registers_json(question: tuple[int, int, int, int], found: RawRegisters) -> list[Json]:
    """Each register in every decoding, numbers as texts: a float may be none that JSON knows."""
    _, function, start, count = question
    return [_register_json(address, function, found) for address in range(start, start + count)]


def _register_json(address: int, function: int, found: RawRegisters) -> Json:
    row: dict[str, Any] = {"address": address, "printed": printed_address(function, address)}
    if address not in found.words:
        return {**row, "raw": None, "trouble": found.troubles[address]}
    word = found.words[address].to_bytes(2, "big")
    row |= {"raw": word.hex(), "trouble": "", **_json(_numbers(_SINGLE, word)[WordOrder.ABCD])}
    if address + 1 in found.words:
        numbers = _numbers(_PAIR, word + found.words[address + 1].to_bytes(2, "big"))
        row["with_next"] = {order.value: _json(each) for order, each in numbers.items()}
    return row


def _json(numbers: Mapping[Kind, str]) -> dict[str, Json]:
    return {kind.value: number for kind, number in numbers.items()}


def fit_json(fit: Fit) -> dict[str, Json]:
    """One fit; ``--fits`` reads it back."""
    twins: list[Json] = [_decoding_json(each) for each in fit.twins]
    return {**_decoding_json(fit.best), "value": format(fit.value, "f"), "twins": twins}


def _decoding_json(decoding: Decoding) -> dict[str, Json]:
    return {
        "address": decoding.address,
        "type": decoding.kind.value,
        "order": decoding.order.value,
        "scale": str(decoding.scale),
    }
