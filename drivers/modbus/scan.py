"""Who is on a bus, and as what: one short question to each unit, then the maps that whoever answers could have.

What answers is there; what it is, no answer proves. So a map is only ever said to fit, with every doubt about it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from drivers.modbus.client import (
    GATEWAY_EXCEPTIONS,
    BadReplyError,
    BusDownError,
    Connection,
    ModbusExceptionError,
    Request,
)
from drivers.modbus.plan import plan_of
from drivers.modbus.probe import ProbeRow, Verdict, probe
from drivers.modbus.register_map import Profile, with_decimals
from edge.ports.devices import Sleep
from edge.ports.errors import DeviceError

LATE_MS = 500
"""How late a unit may still answer: as in the shipped profiles [D]."""

_TRIES = 2
"""A garbled answer is asked for once more: noise passes, two units of one number do not."""

_RECONNECTS = 3
_RECONNECT_S = 1.0
"""A gateway that closed its connection upon one unit needs a moment before it takes the next."""

_WORDS_TELLING = 3
"""A map of fewer registers, none of which tells the model, says next to nothing by being answered [D]."""

_EVERYONE_MIN = 8
"""So many units in a row that all answer alike are one device or gateway that ignores the number [D]."""

Greeting = tuple[int, int]
"""Function and offset of one register."""


class Presence(Enum):
    """What one question to a unit brought."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    GARBLED = "garbled"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a unit said; ``detail`` in the driver's words, empty if it answered."""

    unit: int
    presence: Presence
    detail: str = ""

    @property
    def there(self) -> bool:
        """Whether something with that number is on the bus."""
        return self.presence is not Presence.SILENT


class Doubt(Enum):
    """Why a map that fits may be the wrong one all the same."""

    NOT_VALID = ("not_valid", "设备声明数值无效", "the device says that its value is not valid")
    ZEROS = ("zeros", "全部寄存器为 0，闲置内存也如此", "every register is 0, as unused memory would be")
    SHORT = ("short", "寄存器太少，几乎任何设备都能应答", "so few registers that nearly any device answers them")
    BY_HAND = (
        "by_hand",
        "小数位数是猜的：没有寄存器说明，须看显示",
        "its decimals are a guess, as no register says them: the display must tell",
    )
    EXAMPLE = ("example", "项目示例，不对应任何型号", "an example of this project, of no real model")
    UNVERIFIED = ("unverified", "型号文件未经核实", "the profile itself is unverified")

    def __init__(self, code: str, words_zh: str, words_en: str) -> None:
        self.code = code
        self.words_zh = words_zh
        self.words_en = words_en


@dataclass(frozen=True, slots=True)
class Match:
    """A model held against a unit. ``against``: the first register that speaks against it; None: its whole map fits."""

    model: str
    rows: tuple[ProbeRow, ...]
    against: ProbeRow | None
    doubts: tuple[Doubt, ...]

    @property
    def fits(self) -> bool:
        """Whether every register answered and every value is plausible."""
        return self.against is None


def greetings(profiles: Iterable[Profile]) -> tuple[Greeting, ...]:
    """The first register of each profile's first request, the most shared one first; one that answers shows a unit."""
    firsts = [plan_of(profile)[0] for profile in profiles]
    counted = Counter((block.function, block.address) for block in firsts)
    return tuple(sorted(counted, key=lambda each: (-counted[each], each))) or ((3, 0),)


def listen(
    connection: Connection, units: Iterable[int], questions: Sequence[Greeting], sleep: Sleep
) -> Iterator[Heard]:
    """What each unit says, one by one as it is known; a unit is asked on until it is there. Raises BusDownError."""
    for unit in units:
        heard = Heard(unit, Presence.SILENT)
        for question in questions:
            heard = _greet(connection, unit, question, sleep)
            if heard.there:
                break
        yield heard


def longest_ms(units: int, questions: int, timeout_ms: int) -> int:
    """About how long ``listen`` takes if nobody answers."""
    return units * questions * max(timeout_ms, LATE_MS)


def _greet(connection: Connection, unit: int, question: Greeting, sleep: Sleep) -> Heard:
    request = Request(unit, *question, 1, LATE_MS)
    heard = Heard(unit, Presence.SILENT)
    for _ in range(_TRIES):
        try:
            _request(connection, request, sleep)
        except ModbusExceptionError as error:
            silent = error.code in GATEWAY_EXCEPTIONS
            return Heard(unit, Presence.SILENT if silent else Presence.REFUSES, str(error))
        except BadReplyError as error:
            heard = Heard(unit, Presence.GARBLED, str(error))
        except BusDownError:
            raise
        except DeviceError as error:
            return Heard(unit, Presence.SILENT, str(error))
        else:
            return Heard(unit, Presence.ANSWERS)
    return heard


def _request(connection: Connection, request: Request, sleep: Sleep) -> None:
    """Ask; a connection that was closed upon an earlier question is waited for a few times."""
    for _ in range(_RECONNECTS - 1):
        try:
            connection.request(request)
        except BusDownError:
            if not connection.asked_at:  # never opened yet: nothing to wait for
                raise
            sleep(_RECONNECT_S)
        else:
            return
    connection.request(request)


def answers_for_all(heard: Sequence[Heard]) -> bool:
    """Whether every unit said the same: one device or gateway that ignores the number, not a bus full of units."""
    return len(heard) >= _EVERYONE_MIN and len({each.presence for each in heard}) == 1 and heard[0].there


def matches(connection: Connection, unit: int, profiles: Iterable[Profile]) -> list[Match]:
    """Each model held against a unit that answered, best first: those that fit, with few doubts, and long maps."""
    said = _Said(connection)
    found = [(profile, _best_match(profile, unit, said)) for profile in profiles]
    found.sort(key=lambda each: (not each[1].fits, len(each[1].doubts), -_words(each[0]), each[1].model))
    return [match for _, match in found]


class _Said:
    """What a unit said to each question: sibling models share most, and are held against the same moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: dict[tuple[int, int, int, int], bytes | DeviceError] = {}

    def request(self, question: Request) -> bytes:
        """As a connection's, and asked once."""
        asked = (question.unit, question.function, question.pdu.address, question.count)
        if asked not in self._answers:
            self._answers[asked] = self._ask(question)
        answer = self._answers[asked]
        if isinstance(answer, DeviceError):
            raise answer
        return answer

    def _ask(self, question: Request) -> bytes | DeviceError:
        try:
            return self._connection.request(question)
        except BusDownError:
            raise
        except DeviceError as error:
            return error


def _best_match(profile: Profile, unit: int, said: _Said) -> Match:
    """Where no register says how many decimals there are, the first number of them that fits."""
    if not profile.decimals_by_hand:
        return _match(profile, probe(said, unit, profile))
    tried = (with_decimals(profile, decimals) for decimals in range(_DECIMALS_MAX + 1))
    found = [_match(each, probe(said, unit, each)) for each in tried]
    return next((match for match in found if match.fits), found[0])


_DECIMALS_MAX = 4
"""As many as the configuration may state."""

_FOR = frozenset({Verdict.PLAUSIBLE, Verdict.STATUS, Verdict.NOT_GOOD})


def _match(profile: Profile, rows: tuple[ProbeRow, ...]) -> Match:
    against = next((row for row in rows if row.verdict not in _FOR), None)
    doubts = () if against else tuple(_doubts(profile, rows))
    if {Doubt.NOT_VALID, Doubt.SHORT} <= set(doubts):
        # One register of anything at all is out of some current's range: no evidence of that transmitter.
        against, doubts = next(row for row in rows if row.verdict is Verdict.NOT_GOOD), ()
    return Match(profile.model, rows, against, doubts)


def _doubts(profile: Profile, rows: tuple[ProbeRow, ...]) -> Iterator[Doubt]:
    if any(row.verdict is Verdict.NOT_GOOD for row in rows):
        yield Doubt.NOT_VALID
    if not any(row.raw_hex.strip("0 ") for row in rows):
        yield Doubt.ZEROS
    if not profile.identities and _words(profile) < _WORDS_TELLING:
        yield Doubt.SHORT
    if profile.decimals_by_hand:
        yield Doubt.BY_HAND
    if profile.manual.mark == "D":
        yield Doubt.EXAMPLE
    if profile.manual.mark == "U":
        yield Doubt.UNVERIFIED


def _words(profile: Profile) -> int:
    return sum(register.kind.words for register in profile.registers)


def can_be_on(profile: Profile, line: tuple[int, str, int] | None) -> bool:
    """Whether a device of that model can be set to baud, parity and stop bits of a serial line; None: Modbus/TCP."""
    if line is None:
        return True
    serial, (baud, parity, stop_bits) = profile.serial, line
    return serial is not None and baud in serial.bauds and parity in serial.parities and stop_bits in serial.stop_bits
