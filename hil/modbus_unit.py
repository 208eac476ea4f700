"""A simulated Modbus device: registers laid out by a profile read as data, values and status set by the site's process.

It answers requests as Modbus Application Protocol V1.1b3 demands (functions 3 and 4; exceptions 1, 2, 3), whoever asks.
It shares no code with the gateway's driver: bytes are laid out here a second time, from the profile's text alone.
Setters may be called from any thread.
"""

import math
import struct
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any

READ_HOLDING, READ_INPUT = 3, 4
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
_COUNT_MAX = 125
_CALIBRATED_DAYS = 90
"""How long the calibration of a device holds that nobody has told otherwise."""

_FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}


class FaultKind(Enum):
    """What a simulated device can be made to do wrong at the wire; ``hil.modbus_faults`` lays the bytes out."""

    LATE = "late"  # the right answer, ``seconds`` after the question
    SILENCE = "silence"  # answers nothing
    WRONG_FUNCTION = "wrong_function"  # answers function 4 where 3 was asked, and the other way round
    WRONG_LENGTH = "wrong_length"  # one register too few, byte count and checksum to match
    TOO_LONG = "too_long"  # one register too many, byte count and checksum to match
    WRONG_UNIT = "wrong_unit"  # answers under the next unit number
    EXCEPTION = "exception"  # answers exception ``code``
    NOISE = "noise"  # bytes that are no frame
    NOISE_BEFORE = "noise_before"  # bytes that are no frame, then the right answer
    BAD_CHECK = "bad_check"  # a wrong checksum on a serial line, another transaction's number on TCP
    HALF_FRAME = "half_frame"  # the answer breaks off in its middle
    CLOSE_MID_FRAME = "close_mid_frame"  # the same, and a TCP connection is closed
    ECHO = "echo"  # the question comes back before the answer, as from an RS-485 adapter that hears itself
    DOUBLED = "doubled"  # the answer comes twice
    STORM = "storm"  # a broadcast and another unit's question and answer before the answer
    SWAPPED = "swapped"  # answers, under its own number, what ``other`` holds
    WRONG_ORDER = "wrong_order"  # 32-bit values with their two registers exchanged
    WRONG_BYTES = "wrong_bytes"  # 32-bit values with the two bytes of each register exchanged


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in force, with what it needs. ``times``: heals by itself after so many answers; 0: stays."""

    kind: FaultKind
    seconds: float = 0.0
    code: int = 4
    times: int = 0
    other: "SimulatedUnit | None" = None


def load_profile_data(model: str, folder: Path | None = None) -> dict[str, Any]:
    """A profile as plain data: the site's own in ``folder``, or a shipped one. Raises FileNotFoundError if neither."""
    own = None if folder is None else folder / f"{model}.toml"
    if own is not None and own.is_file():
        return tomllib.loads(own.read_text(encoding="utf-8-sig"))
    return tomllib.loads((files("drivers.profiles") / f"{model}.toml").read_text(encoding="utf-8"))


class SimulatedUnit:
    """One device with unit number ``unit``; starts in status ok, all channels at the low end of their range.

    ``decimals``: as the configuration states them, where the profile leaves that to it.
    Its calibration holds for 90 days, where it says so; one that says a date knows of none until it is set.
    Its heartbeat moves with every request for it, so that it moves however fast the site's time runs. A channel that
    its profile would call frozen changes in its last bit from request to request, as a living sensor does.
    """

    def __init__(self, profile: Mapping[str, Any], unit: int, decimals: int | None = None) -> None:
        self.unit = unit
        self._registers = {each["name"]: each for each in profile["register"]}
        self._channels = {each["name"]: _scaled(each, decimals) for each in profile["channel"]}
        self._statuses: list[Mapping[str, Any]] = list(profile.get("status", []))
        self._lock = threading.Lock()
        self._words: dict[tuple[int, int], int] = {}
        self._held_back: dict[tuple[int, int], int] | None = None
        self._fault: Fault | None = None
        self._fault_answers = 0
        self._asked = 0
        self._patterns: dict[str, int] = {}
        self._measured: dict[str, str | int | float | Decimal] = {}
        self._identities: list[Mapping[str, Any]] = list(profile.get("identity", []))
        self._heartbeat: Mapping[str, Any] | None = profile.get("heartbeat")
        self._moving_channels = [(each["register"], 1) for each in profile["channel"] if "frozen_after_s" in each]
        self._beats = [] if self._heartbeat is None else [_beat(self._heartbeat)]
        self._restless = self._moving_channels + self._beats
        for register in self._registers.values():
            self._put_pattern(register, 0)
        self._calibration: Mapping[str, Any] | None = profile.get("calibration")
        if self._calibration is not None and self._calibration["says"] == "days_left":
            self.set_calibration_days(_CALIBRATED_DAYS)
        elif self._calibration is not None:
            self.set_calibration_date(0, 0, 0)
        for name, channel in self._channels.items():
            self._put_unit(channel)
            self.set_value(name, channel["range"][0])
        self.set_identity(foreign=False)
        self.set_status("ok")

    @property
    def channels(self) -> Mapping[str, Mapping[str, Any]]:
        """The channels by name, as the profile describes them."""
        return self._channels

    def register_type(self, name: str) -> str:
        """The type of a register: u16, s16, u32, s32 or f32."""
        return str(self._registers[name]["type"])

    @property
    def asked(self) -> int:
        """How many requests reached this device."""
        return self._asked

    @property
    def fault(self) -> Fault | None:
        """The fault in force, None when the device behaves."""
        return self._fault

    def set_value(self, channel: str, value: str | int | float | Decimal) -> None:
        """What the channel measures from now on, in the profile's unit; NaN and infinities as floats only."""
        spec = self._channels[channel]
        register = self._registers[spec["register"]]
        if isinstance(value, float) and not math.isfinite(value):
            raw: float | int = value
        else:
            scaled = _raw_value(spec, Decimal(str(value)))
            raw = float(scaled) if register["type"] == "f32" else int(scaled.to_integral_value())
        self.set_register(register["name"], raw)
        self._measured[channel] = value

    def set_register(self, name: str, raw: int | float) -> None:
        """What a register holds from now on, as a number of the register's type."""
        register = self._registers[name]
        packed = struct.pack(_FORMATS[register["type"]], raw)
        with self._lock:
            self._put_pattern(register, int.from_bytes(packed, "big"))

    def set_status(self, meaning: str) -> None:
        """Makes the status registers say ``meaning``, as the profile encodes it. Raises ValueError if it cannot.

        Meanings as in profiles: ok, warming_up, inhibited, calibration, device_fault, over_range.
        """
        found = [(rule["register"], _raw_of(rule, meaning)) for rule in self._statuses]
        spoken_by_current = self._set_currents(meaning)
        if meaning != "ok" and not spoken_by_current and all(raw is None for _, raw in found):
            raise ValueError(f"this device cannot say {meaning!r}")
        for rule, (name, raw) in zip(self._statuses, found, strict=True):
            if raw is None:
                raw = _raw_of(rule, "ok")
            self._set_field(self._registers[name], rule.get("mask"), 0 if raw is None else raw)

    def _set_field(self, register: Mapping[str, Any], mask: int | None, raw: int) -> None:
        """Sets the bits in ``mask``, all without one, and leaves the register's other fields as they are."""
        if mask is not None:
            raw = (self._patterns[register["name"]] & ~mask) | (raw & mask)
        self.set_register(register["name"], raw)

    def _set_currents(self, meaning: str) -> bool:
        """Every loop channel at a current that means ``meaning``, or back at what it measures. Whether one could."""
        could = False
        for name, spec in self._channels.items():
            current_ma = _fault_current_ma(spec.get("loop"), meaning)
            if current_ma is not None:
                self.set_register(spec["register"], int(current_ma / Decimal(spec["loop"]["scale_ma"])))
                could = True
            elif "loop" in spec:
                self.set_value(name, self._measured[name])
        return could

    def exceed(self, channel: str) -> None:
        """The channel measures just above its range, as a device does that has no other way to say over-range."""
        spec = self._channels[channel]
        back = self._measured[channel]
        self.set_value(channel, Decimal(spec["range"][1]) + 2 * Decimal(spec["resolution"]))
        self._measured[channel] = back

    def set_identity(self, *, foreign: bool) -> None:
        """The identity registers as the profile demands, or as another model on the same cable would have them."""
        if foreign and not self._identities:
            raise ValueError("this device has no identity register")
        for identity in self._identities:
            content = identity["allowed"][0]["raw"]
            if foreign:
                allowed = {each["raw"] for each in identity["allowed"]}
                lowest_bit = identity.get("mask", 1) & -identity.get("mask", 1)
                content = next(each * lowest_bit for each in range(1, 256) if each * lowest_bit not in allowed)
            self._set_field(self._registers[identity["register"]], identity.get("mask"), content)

    def set_calibration_days(self, days: int | float) -> None:
        """How many days its calibration still holds. Raises ValueError for a device that does not say that."""
        if self._calibration is None or self._calibration["says"] != "days_left":
            raise ValueError("this device does not say how many days its calibration holds")
        packed = struct.pack(_FORMATS[self._calibration["type"]], days)
        with self._lock:
            self._put_pattern({**self._calibration, "name": "calibration"}, int.from_bytes(packed, "big"))

    def set_calibration_date(self, year: int, month: int, day: int) -> None:
        """When it was last calibrated; all 0: it does not know. Raises ValueError for a device that does not say it."""
        if self._calibration is None or self._calibration["says"] != "last_date":
            raise ValueError("this device does not say when it was last calibrated")
        code, address = self._calibration.get("function", READ_HOLDING), self._calibration["address"]
        with self._lock:
            for place, number in enumerate((year, month, day)):
                self._words[code, address + place] = number

    def stop_heartbeat(self) -> None:
        """The heartbeat stands still from now on, until ``heal``. Raises ValueError for a device that has none."""
        if self._heartbeat is None:
            raise ValueError("this device has no heartbeat")
        self._restless = self._moving_channels

    def set_sentinel(self, channel: str) -> None:
        """Puts the profile's sentinel into the channel's register; all ones if the profile names none."""
        spec = self._channels[channel]
        register = self._registers[spec["register"]]
        width = 16 if register["type"] in ("u16", "s16") else 32
        sentinels = spec.get("sentinels", [])
        with self._lock:
            self._put_pattern(register, sentinels[0]["raw"] if sentinels else (1 << width) - 1)

    def freeze(self) -> None:
        """From now on the device repeats what it holds, whatever is set, until ``thaw``."""
        with self._lock:
            self._held_back = dict(self._words) if self._held_back is None else self._held_back

    def thaw(self) -> None:
        """Ends ``freeze``: what was set meanwhile shows."""
        with self._lock:
            self._held_back = None

    def break_with(self, fault: Fault) -> None:
        """Puts a fault in force, in place of any other."""
        self._fault_answers = 0
        self._fault = fault

    def take_fault(self) -> Fault | None:
        """The fault of the answer that is about to be given, counted: one that has had its ``times`` ends with it."""
        fault = self._fault
        self._fault_answers += 1
        if fault is not None and fault.times == self._fault_answers:
            self._fault = None
        return fault

    def heal(self) -> None:
        """Ends every fault, ``freeze`` included. Status and values stay as they were set."""
        self._fault = None
        self._restless = self._moving_channels + self._beats
        self.set_identity(foreign=False)
        self.thaw()

    def answer(self, request: bytes) -> bytes:
        """The protocol data unit that a healthy device answers to ``request`` (function code first)."""
        self._asked += 1
        if not request:
            return bytes([0x80, ILLEGAL_FUNCTION])
        function = request[0]
        if function not in (READ_HOLDING, READ_INPUT):
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        if len(request) != 5:
            return bytes([function | 0x80, ILLEGAL_VALUE])
        address, count = struct.unpack(">HH", request[1:])
        if not 1 <= count <= _COUNT_MAX:
            return bytes([function | 0x80, ILLEGAL_VALUE])
        with self._lock:
            self._live(function, range(address, address + count))
            words = self._words if self._held_back is None else self._held_back
            addresses = [each for code, each in words if code == function]
            if not addresses or address < min(addresses) or address + count > max(addresses) + 1:
                return bytes([function | 0x80, ILLEGAL_ADDRESS])
            words = self._as_sent(words)
            held = [words.get((function, each), 0) for each in range(address, address + count)]
        return struct.pack(f">BB{count}H", function, 2 * count, *held)

    def _live(self, function: int, asked: range) -> None:
        """Among what is asked: one beat of the heart, one step back or forth of what must not lie still."""
        for name, bit in self._restless:
            register = self._registers[name]
            if register["address"] in asked and register.get("function", READ_HOLDING) == function:
                self._put_pattern(register, self._patterns[name] ^ bit)

    def _as_sent(self, words: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
        """The words in the order in which they go out: exchanged, or their bytes, where the fault is that."""
        kind = None if self._fault is None else self._fault.kind
        if kind not in (FaultKind.WRONG_ORDER, FaultKind.WRONG_BYTES):
            return words
        sent = dict(words)
        for register in self._registers.values():
            if register["type"] in ("u16", "s16"):
                continue
            code, address = register.get("function", READ_HOLDING), register["address"]
            high, low = words[code, address], words[code, address + 1]
            pair = (low, high) if kind is FaultKind.WRONG_ORDER else (_bytes_exchanged(high), _bytes_exchanged(low))
            sent[code, address], sent[code, address + 1] = pair
        return sent

    def _put_unit(self, channel: Mapping[str, Any]) -> None:
        for code in channel.get("unit_codes", []):
            if code["unit"] == channel["unit"]:
                self._put_pattern(self._registers[channel["unit_register"]], code["raw"])

    def _put_pattern(self, register: Mapping[str, Any], pattern: int) -> None:
        """Lays the bits out in the register's byte order: A is the most significant byte of four."""
        self._patterns[register["name"]] = pattern
        key = (register.get("function", READ_HOLDING), register["address"])
        if register["type"] in ("u16", "s16"):
            self._words[key] = pattern
            return
        lettered = dict(zip("ABCD", pattern.to_bytes(4, "big"), strict=True))
        sent = bytes(lettered[letter] for letter in register.get("order", "ABCD"))
        self._words[key] = int.from_bytes(sent[:2], "big")
        self._words[(key[0], key[1] + 1)] = int.from_bytes(sent[2:], "big")


def _scaled(channel: Mapping[str, Any], decimals: int | None) -> Mapping[str, Any]:
    """The channel with the scale and resolution that its decimals mean, where they are set by hand."""
    if "decimals" not in channel:
        return channel
    step = str(Decimal(1).scaleb(-(decimals or 0)))
    return {**channel, "scale": step, "resolution": step}


def _beat(heartbeat: Mapping[str, Any]) -> tuple[str, int]:
    """The register of the heartbeat and the bit of it that moves."""
    mask = int(heartbeat.get("mask", 1))
    return heartbeat["register"], mask & -mask


def _raw_value(spec: Mapping[str, Any], value: Decimal) -> Decimal:
    """The raw number that means ``value``: through scale and offset, or as a current between 4 and 20 mA."""
    if "loop" not in spec:
        return (value - Decimal(spec.get("offset", "0"))) / Decimal(spec.get("scale", "1"))
    lowest, highest = map(Decimal, spec["range"])
    return (4 + 16 * (value - lowest) / (highest - lowest)) / Decimal(spec["loop"]["scale_ma"])


def _fault_current_ma(loop: Mapping[str, Any] | None, meaning: str) -> Decimal | None:
    """The middle of the first band that says ``meaning``; NAMUR NE 43 where the loop names no bands."""
    if loop is None:
        return None
    namur = {"from_ma": "0", "to_ma": "3.6", "means": "device_fault"}
    for band in loop.get("bands", [namur]):
        if band["means"] == meaning:
            return (Decimal(band["from_ma"]) + Decimal(band["to_ma"])) / 2
    return None


def _bytes_exchanged(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


def _raw_of(rule: Mapping[str, Any], meaning: str) -> int | None:
    """A raw value under which the status rule says ``meaning``; None if there is none."""
    for bit in rule.get("bits", []):
        if bit["means"] == meaning:
            return int(bit["mask"])
    for span in rule.get("values", []):
        if span["means"] == meaning:
            return int(span["raw"] if "raw" in span else span["from"])
    if rule["otherwise"] != meaning:
        return None
    if meaning == "ok":
        return 0
    return max((int(span.get("raw", span.get("to", 0))) for span in rule.get("values", [])), default=-1) + 1
