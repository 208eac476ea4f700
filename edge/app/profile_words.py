"""A device model in words: its whole register map, what it needs of a bus, and what about it is doubtful."""

import re
from collections.abc import Iterator, Sequence

from drivers.modbus.plan import plan_lines, plan_of
from drivers.modbus.register_map import ChannelProfile, Profile, Register, StatusRule
from edge.app.wording import NOTHING, Language, figure
from edge.core.entries import Json
from edge.ports.devices import Quality

_DOUBTED = re.compile(r"\[(?:U|D|V2)\]")

QUALITY_WORDS = {
    Quality.GOOD: ("正常", "ok"),
    Quality.WARMING_UP: ("预热中", "warming up"),
    Quality.INHIBITED: ("抑制或标定中", "inhibited or being calibrated"),
    Quality.DEVICE_FAULT: ("设备故障", "device fault"),
    Quality.OUT_OF_RANGE: ("超量程", "out of range"),
    Quality.DECODE_FAIL: ("无法解码", "undecodable"),
    Quality.NEVER_READ: ("未读到", "never read"),
}
MARK_WORDS = {
    "V": ("读自厂家手册", "read in the maker's manual"),
    "V2": ("读自二手资料，厂家手册未见", "read in a second-hand source, not in the maker's manual"),
    "U": ("未核实：用前须与真实仪表核对", "UNVERIFIED: compare with the real instrument before use"),
    "D": ("本项目的示例，不对应任何型号", "an example of this project, of no real model"),
}
QUANTITY_WORDS = {
    "combustible": ("可燃气体", "combustible gas"),
    "oxygen": ("氧气", "oxygen"),
    "toxic": ("有毒气体", "toxic gas"),
    "wind_speed": ("风速", "wind speed"),
    "wind_direction": ("风向", "wind direction"),
}
_TEXT = {
    "en": {
        "head": "{model}: {manufacturer}, {product}",
        "file": "  file {file}",
        "manual": "  manual {title}, {revision}, page {page}",
        "mark": "  mark {mark}: {words}",
        "registers": "registers (printed = function, offset):",
        "register": "  {name}: {printed} = FC{function:02d}, offset {address} (0x{address:04X}), {kind}{order}",
        "order": ", word order {order}",
        "channels": "channels:",
        "channel": "  {name}: {quantity} in {unit} = {register} x {scale}, step {resolution}, range {span}, "
        "t90 {t90} s",
        "offset": "    and {offset} is added",
        "by_hand": "    whole numbers: the configuration must state their decimals, 0 to 4, as the display shows them",
        "loop": "    a 4-20 mA current: 4 mA at raw {zero}, 20 mA at {full}; from {lowest} to 4 mA it is the low end",
        "band": "    raw {first} to {last}: {meaning}",
        "looks_good": "    NO current shows this: {what}",
        "frozen": "    not believed once it lies still for {frozen:g} s (within {noise}){rests}",
        "rests": ", but at {values} it may",
        "rate": "    not believed when it moves faster than {rate} a second",
        "only": "    only while {register} holds {code}; set to another unit, it is undecodable, never a wrong number",
        "sentinel": "    raw {raw} is no measurement: {meaning}",
        "statuses": "status:",
        "no_status": "  NONE: it cannot say that it is broken, warming up or inhibited. A person must accept that "
        "(no_status_accepted_by)",
        "status": "  {register}{mask}{channels}: {values}; else {otherwise}",
        "by_current": "  by the current alone, see above",
        "mask": " & 0x{mask:X}",
        "identity": "  {register}{mask} tells the model: {allowed}; anything else is another device",
        "heartbeat": "  {register}{mask} moves each {moves:g} s; still for {still:g} s it is not believed",
        "days_left": "  {printed} says how many days its calibration still holds ({page}) [{mark}]",
        "last_date": "  {printed} and the next two say when it was last calibrated ({page}) [{mark}]",
        "of": " (of {channels})",
        "round": "one round, here as unit {unit}:",
        "bus": "bus:",
        "serial": "  serial: {bauds} baud, parity {parities}, stop bits {stops}; "
        "as delivered {baud} 8{parity}, unit {unit}",
        "tcp_only": "  Modbus/TCP only: no serial port",
        "pace": "  asked each {poll:g} s at most; an answer may come as late as {late:g} s",
        "doubts": "doubtful: [U] unverified, [D] our own choice, [V2] second-hand:",
        "no_doubts": "doubtful: nothing is marked",
    },
    "zh": {
        "head": "{model}：{manufacturer}，{product}",
        "file": "  文件 {file}",
        "manual": "  手册 {title}，{revision}，{page}",
        "mark": "  来源 {mark}：{words}",
        "registers": "寄存器（手册地址 = 功能码、偏移）：",
        "register": "  {name}：{printed} = FC{function:02d}，偏移 {address}（0x{address:04X}），{kind}{order}",
        "order": "，字序 {order}",
        "channels": "通道：",
        "channel": "  {name}：{quantity}，单位 {unit}，= {register} × {scale}，分辨率 {resolution}，量程 {span}，"
        "t90 {t90} 秒",
        "offset": "    再加 {offset}",
        "by_hand": "    整数：小数位数（0 至 4）须按显示写在配置中",
        "loop": "    4-20 mA 电流：4 mA 为原始值 {zero}，20 mA 为 {full}；自 {lowest} 起按量程低端读数",
        "band": "    原始值 {first} 至 {last}：{meaning}",
        "looks_good": "    以下情形电流上看不出来：{what}",
        "frozen": "    静止满 {frozen:g} 秒（变化不超过 {noise}）即不采信{rests}",
        "rests": "，但可停在 {values}",
        "rate": "    每秒变化超过 {rate} 即不采信",
        "only": "    仅当 {register} 为 {code} 时有效；设备设成别的单位时视为无法解码，绝不按错误单位读数",
        "sentinel": "    原始值 {raw} 不是测量值：{meaning}",
        "statuses": "状态：",
        "no_status": "  无：故障、预热或抑制时设备自己说不出来，须由专人承担（no_status_accepted_by）",
        "status": "  {register}{mask}{channels}：{values}；其他 {otherwise}",
        "by_current": "  仅由电流表示，见上",
        "mask": " & 0x{mask:X}",
        "identity": "  {register}{mask} 表明型号：{allowed}；其他值即为别的设备",
        "heartbeat": "  {register}{mask} 每 {moves:g} 秒变化；静止满 {still:g} 秒即不采信",
        "days_left": "  {printed} 表明校准还有多少天到期（{page}）[{mark}]",
        "last_date": "  {printed} 及其后两个寄存器表明上次校准日期（{page}）[{mark}]",
        "of": "（通道 {channels}）",
        "round": "一轮读取，此处以地址 {unit} 为例：",
        "bus": "总线要求：",
        "serial": "  串口：波特率 {bauds}，校验 {parities}，停止位 {stops}；出厂 {baud} 8{parity}，地址 {unit}",
        "tcp_only": "  仅 Modbus/TCP，无串口",
        "pace": "  至多每 {poll:g} 秒读一次；应答最迟 {late:g} 秒",
        "doubts": "存疑：[U] 未核实，[D] 本项目自定，[V2] 二手资料：",
        "no_doubts": "存疑：无标注",
    },
}


def meaning_of(quality: Quality, language: Language) -> str:
    """What a status or a sentinel says of the reading."""
    zh, en = QUALITY_WORDS[quality]
    return zh if language == "zh" else en


def span_of(channel: ChannelProfile) -> str:
    """The range of a channel with its unit."""
    lowest, highest = channel.lowest_steps * channel.resolution, channel.highest_steps * channel.resolution
    return f"{lowest} … {highest} {channel.unit}"


def doubtful_lines(text: bytes) -> list[tuple[int, str]]:
    """(line, text) of everything that the profile's own comments mark as not read in the maker's manual."""
    lines = text.decode("utf-8", "replace").splitlines()
    return [(number, " ".join(line.split())) for number, line in enumerate(lines, 1) if _DOUBTED.search(line)]


def profile_lines(profile: Profile, text: bytes, file: str, language: Language) -> list[str]:
    """The whole map, for the terminal; ``text`` is the profile as written, ``file`` where."""
    words = _TEXT[language]
    unit = 1 if profile.serial is None else profile.serial.default_address
    marks = MARK_WORDS[profile.manual.mark]
    doubts = [f"  {file}:{number}: {said}" for number, said in doubtful_lines(text)]
    return [
        words["head"].format(model=profile.model, manufacturer=profile.manufacturer, product=profile.product),
        words["file"].format(file=file),
        words["manual"].format(title=profile.manual.title, revision=profile.manual.revision, page=profile.manual.page),
        words["mark"].format(mark=profile.manual.mark, words=marks[0] if language == "zh" else marks[1]),
        words["registers"],
        *(_register_line(register, language) for register in profile.registers),
        words["channels"],
        *(line for channel in profile.channels for line in _channel_lines(channel, profile, language)),
        words["statuses"],
        *(_status_line(rule, language) for rule in profile.statuses),
        *([words["by_current"]] if profile.has_status and not profile.statuses else []),
        *([] if profile.has_status else [words["no_status"]]),
        *_guard_lines(profile, language),
        words["round"].format(unit=unit),
        *(f"  {line}" for line in plan_lines(unit, plan_of(profile))),
        words["bus"],
        *_bus_lines(profile, language),
        words["doubts"] if doubts else words["no_doubts"],
        *doubts,
    ]


def _register_line(register: Register, language: Language) -> str:
    words = _TEXT[language]
    order = words["order"].format(order=register.order.value) if register.kind.words == 2 else ""
    return words["register"].format(
        name=register.name,
        printed=register.printed,
        function=register.function,
        address=register.address,
        kind=register.kind.value,
        order=order,
    )


def _channel_lines(channel: ChannelProfile, profile: Profile, language: Language) -> Iterator[str]:
    words = _TEXT[language]
    quantities = QUANTITY_WORDS[channel.quantity.value]
    yield words["channel"].format(
        name=channel.name,
        quantity=quantities[0] if language == "zh" else quantities[1],
        unit=channel.unit,
        register=channel.register,
        scale=channel.scale,
        resolution=figure(1, str(channel.resolution), channel.unit),
        span=span_of(channel),
        t90=channel.t90_s,
    )
    if channel.offset:
        yield words["offset"].format(offset=channel.offset)
    if channel.decimals_by_hand:
        yield words["by_hand"]
    yield from _loop_lines(channel, language)
    yield from _plausible_lines(channel, language)
    if channel.unit_register is not None:
        yield words["only"].format(register=channel.unit_register, code=channel.unit_code)
    digits = 2 * 2 * next(each.kind.words for each in profile.registers if each.name == channel.register)
    for raw, quality in channel.sentinels:
        yield words["sentinel"].format(raw=f"0x{raw:0{digits}X}", meaning=meaning_of(quality, language))


def _loop_lines(channel: ChannelProfile, language: Language) -> Iterator[str]:
    words, loop = _TEXT[language], channel.loop
    if loop is None:
        return
    yield words["loop"].format(zero=loop.zero_raw, full=loop.full_raw, lowest=loop.lowest_raw)
    for band in loop.bands:
        meaning = meaning_of(band.meaning, language)
        yield words["band"].format(first=band.lowest, last=band.highest, meaning=meaning)
    if loop.looks_good:
        yield words["looks_good"].format(what=loop.looks_good)


def _plausible_lines(channel: ChannelProfile, language: Language) -> Iterator[str]:
    words, plausible = _TEXT[language], channel.plausible
    if plausible is None:
        return

    def shown(steps: int) -> str:
        return figure(steps, str(channel.resolution), channel.unit)

    if plausible.frozen_after_ms is not None:
        rests = words["rests"].format(values=", ".join(map(shown, plausible.rests_at))) if plausible.rests_at else ""
        frozen_s = plausible.frozen_after_ms / 1000
        yield words["frozen"].format(frozen=frozen_s, noise=shown(plausible.noise_steps), rests=rests)
    if plausible.rate_steps is not None:
        yield words["rate"].format(rate=shown(plausible.rate_steps))


def _guard_lines(profile: Profile, language: Language) -> Iterator[str]:
    """What tells another model, a device that lives no more, and one whose calibration is due."""
    words = _TEXT[language]
    for identity in profile.identities:
        allowed = ", ".join(f"0x{raw:X} {what}" for raw, what in identity.allowed)
        mask = _mask(identity.mask, language)
        yield words["identity"].format(register=identity.register, mask=mask, allowed=allowed)
    beat = profile.heartbeat
    if beat is not None:
        yield words["heartbeat"].format(
            register=beat.register,
            mask=_mask(beat.mask, language),
            moves=beat.moves_every_ms / 1000,
            still=beat.still_max_ms / 1000,
        )
    if profile.calibration is not None:
        stated = profile.calibration
        printed = stated.register.printed
        yield words[stated.says.value].format(printed=printed, page=stated.page, mark=stated.mark)


def _mask(mask: int, language: Language) -> str:
    """The bits that are looked at, unless all are."""
    return "" if mask in (0xFFFF, 0xFFFFFFFF) else _TEXT[language]["mask"].format(mask=mask)


def _status_line(rule: StatusRule, language: Language) -> str:
    words = _TEXT[language]
    values = [f"bit 0x{mask:04X} {meaning_of(quality, language)}" for mask, quality in rule.bits]
    for span in rule.spans:
        shown = str(span.lowest) if span.lowest == span.highest else f"{span.lowest}…{span.highest}"
        values.append(f"{shown} {meaning_of(span.meaning, language)}")
    channels = "" if rule.channels is None else words["of"].format(channels=", ".join(rule.channels))
    return words["status"].format(
        register=rule.register,
        mask=_mask(rule.mask, language),
        channels=channels,
        values=", ".join(values) or NOTHING,
        otherwise=meaning_of(rule.otherwise, language),
    )


def _bus_lines(profile: Profile, language: Language) -> Iterator[str]:
    words, serial = _TEXT[language], profile.serial
    if serial is None:
        yield words["tcp_only"]
    else:
        yield words["serial"].format(
            bauds=_listed(serial.bauds),
            parities=_listed(serial.parities),
            stops=_listed(serial.stop_bits),
            baud=serial.default_baud,
            parity=serial.default_parity,
            unit=serial.default_address,
        )
    yield words["pace"].format(poll=profile.min_poll_ms / 1000, late=profile.longest_reply_ms / 1000)


def _listed(values: Sequence[object]) -> str:
    return " ".join(map(str, values))


def profile_json(profile: Profile, file: str) -> dict[str, Json]:
    """What a list of models gives to machines."""
    serial = profile.serial
    return {
        "model": profile.model,
        "file": file,
        "manufacturer": profile.manufacturer,
        "product": profile.product,
        "manual": {
            "title": profile.manual.title,
            "revision": profile.manual.revision,
            "page": profile.manual.page,
            "mark": profile.manual.mark,
        },
        "has_status": profile.has_status,
        "channels": [
            {
                "channel": each.name,
                "quantity": each.quantity.value,
                "register": each.register,
                "unit": each.unit,
                "scale": str(each.scale),
                "resolution": str(each.resolution),
                "range": [str(steps * each.resolution) for steps in (each.lowest_steps, each.highest_steps)],
                "t90_s": each.t90_s,
                "decimals_by_hand": each.decimals_by_hand,
                "current_loop": each.loop is not None,
            }
            for each in profile.channels
        ],
        "serial": None
        if serial is None
        else {
            "bauds": list(serial.bauds),
            "parities": list(serial.parities),
            "stop_bits": list(serial.stop_bits),
            "default_baud": serial.default_baud,
            "default_parity": serial.default_parity,
            "default_address": serial.default_address,
        },
    }


def map_json(profile: Profile, text: bytes, file: str) -> dict[str, Json]:
    """The whole map for machines."""
    unit = 1 if profile.serial is None else profile.serial.default_address
    return {
        **profile_json(profile, file),
        "registers": [
            {
                "register": each.name,
                "printed": each.printed,
                "function": each.function,
                "address": each.address,
                "type": each.kind.value,
                "order": each.order.value,
            }
            for each in profile.registers
        ],
        "statuses": [
            {
                "register": each.register,
                "channels": None if each.channels is None else list(each.channels),
                "bits": [[mask, quality.value] for mask, quality in each.bits],
                "values": [[span.lowest, span.highest, span.meaning.value] for span in each.spans],
                "otherwise": each.otherwise.value,
                "mask": each.mask,
            }
            for each in profile.statuses
        ],
        "identities": [
            {"register": each.register, "mask": each.mask, "allowed": [[raw, what] for raw, what in each.allowed]}
            for each in profile.identities
        ],
        "heartbeat": None if profile.heartbeat is None else profile.heartbeat.register,
        "calibration": None if profile.calibration is None else profile.calibration.register.printed,
        "requests": plan_lines(unit, plan_of(profile)),
        "doubtful": [{"line": number, "text": said} for number, said in doubtful_lines(text)],
    }
