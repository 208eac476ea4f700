"""Devices on a bus as block readers: each read gives all channels with their quality, whatever the device does."""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.modbus.breaker import Breaker
from drivers.modbus.calibration import CalibrationWatch
from drivers.modbus.client import (
    GATEWAY_EXCEPTIONS,
    BusDownError,
    BusSettings,
    Connection,
    ModbusExceptionError,
    Request,
)
from drivers.modbus.decode import Decoder
from drivers.modbus.plan import plan_lines, plan_of
from drivers.modbus.plausibility import plausibility_of
from drivers.modbus.register_map import Profile
from edge.ports.devices import BlockRead, CalibrationSaid, MonotonicClock, MonotonicMs, Quality, Sleep
from edge.ports.errors import DeviceError


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """One configured device: its name on the site, its unit number on the bus (1 to 247), what it is."""

    device: str
    unit: int
    profile: Profile


class ModbusReader:
    """One device as a ``BlockReader``. ``trouble``: why the last read failed or is not believed; empty when neither."""

    def __init__(
        self, settings: DeviceSettings, connection: Connection, breaker: Breaker, clock: MonotonicClock
    ) -> None:
        self.device = settings.device
        self.blocks = plan_of(settings.profile)
        self.trouble = ""
        self._decoder = Decoder(settings.profile, self.blocks)
        self._plausibility = plausibility_of(settings.profile, self.blocks)
        stated = settings.profile.calibration
        late_ms = settings.profile.longest_reply_ms
        self._calibration = None if stated is None else CalibrationWatch(stated, settings.unit, late_ms)
        self._connection = connection
        self._breaker = breaker
        self._clock = clock
        self._questions = tuple(
            Request(settings.unit, block.function, block.address, block.count, late_ms) for block in self.blocks
        )
        first = self.blocks[0]
        # One register where the block has more: a late reply to the block then fails the probe's length check.
        self._probe = Request(settings.unit, first.function, first.address, 1, late_ms)
        self._probe_is_block = first.count == 1
        self._unanswered_at = MonotonicMs(0)
        channels = self._decoder.channels
        self._nothing = (channels, (None,) * len(channels), (Quality.COMM_FAIL,) * len(channels))

    def read(self) -> BlockRead:
        """Ask for every block once; one that fails makes all channels ``comm_fail``, as does an open breaker."""
        started = self._clock()
        if not self._breaker.allows(started):
            return self.unreadable(started)
        try:
            if self._breaker.failures:
                self._prove()
                started = self._clock()
            payloads = [self._connection.request(question) for question in self._questions]
        except BusDownError as error:
            self.trouble = str(error)
            return self.unreadable(started)
        except DeviceError as error:
            self.trouble = str(error)
            self._note_silence(error)
            return self.unreadable(started)
        self._breaker.succeeded()
        self.trouble = ""
        steps, qualities = self._decoder.decode(payloads)
        if self._plausibility is not None:
            steps, qualities, self.trouble = self._plausibility.judge(payloads, (steps, qualities), started)
        return BlockRead(self.device, self._decoder.channels, steps, qualities, started)

    def calibration_said(self, block: BlockRead) -> CalibrationSaid | None:
        """What the device says of its calibration, if its map has that and it is time to ask; ``block`` is its newest.

        A device that does not say it is asked again later; one that falls silent must prove itself as after any poll.
        """
        watch = self._calibration
        if watch is None or not watch.is_time(block):
            return None
        try:
            payload = self._connection.request(watch.question)
        except DeviceError as error:
            self._note_silence(error)
            return None
        return watch.understood(self.device, payload, block.taken_at)

    def _note_silence(self, error: DeviceError) -> None:
        """An answer that is missing may still come, and be taken for another's; a refusal by the device is none."""
        if isinstance(error, BusDownError):
            return
        if not isinstance(error, ModbusExceptionError) or error.code in GATEWAY_EXCEPTIONS:
            self._breaker.failed(self._clock())
            self._unanswered_at = self._connection.asked_at

    def _prove(self) -> None:
        """After a failure: one register, whose answer is thrown away, before anything is believed again."""
        self._connection.request(self._probe)
        if self._probe_is_block:
            self._connection.hear_out(self._probe, self._unanswered_at)

    def unreadable(self, now: MonotonicMs) -> BlockRead:
        """All channels without a value: what is said of a device that could not be asked."""
        return BlockRead(self.device, *self._nothing, now)


class ModbusBus:
    """The devices of one bus on their one connection. Used by one thread."""

    def __init__(self, readers: tuple[ModbusReader, ...], units: tuple[int, ...], connection: Connection) -> None:
        self.readers = readers
        self.connection = connection
        self._units = units

    @property
    def steps(self) -> int:
        """Grows with every connecting, asking and waiting, each bounded: a bus whose ``steps`` grow does not hang."""
        return self.connection.steps

    def plan(self) -> list[str]:
        """Every request of one round, in words."""
        return [
            f"{reader.device}: {line}"
            for reader, unit in zip(self.readers, self._units, strict=True)
            for line in plan_lines(unit, reader.blocks)
        ]

    def close(self) -> None:
        """Lets go of the port or connection."""
        self.connection.close()


def build(settings: BusSettings, devices: Sequence[DeviceSettings], clock: MonotonicClock, sleep: Sleep) -> ModbusBus:
    """The readers of a bus. Opens nothing: the first read does. Devices on one unit share its breaker."""
    connection = Connection(settings, clock, sleep)
    breakers = {device.unit: Breaker(device.unit) for device in devices}
    readers = tuple(ModbusReader(device, connection, breakers[device.unit], clock) for device in devices)
    return ModbusBus(readers, tuple(device.unit for device in devices), connection)
