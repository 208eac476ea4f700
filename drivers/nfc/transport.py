"""Opening a reader's device from the path in the configuration.

nfcpy's own path syntax refuses slashes, so a serial device by its stable name, or a pty, is opened here and handed to
nfcpy's driver. ``udp:`` is nfcpy's simulated field (nfc/clf/udp.py: one datagram a frame, ``b"106A <hex>"``); it takes
answers from any sender, so that it is only opened under ``simulate``.
"""

import encodings.idna  # noqa: F401 - a look-up of a host loads it; here once, before the process forks per reader
import re
from typing import Any

import nfc.clf.arygon
import nfc.clf.device
import nfc.clf.pn532
import nfc.clf.transport
import nfc.clf.udp

from edge.ports.errors import DeviceError, UnusableError

SIMULATED_SENSE_S = 0.15
"""How long the simulated field waits for each answer while it looks for a tag: a real reader asks many times a second.

With nfcpy's own 1.0 s and 0.5 s, taps are sluggish, a tag that misses one request (nfcpy's own, each time that the
field was off) seems to have left, and one that answers late holds the reader up for longer than its parent waits.
"""

_UDP = re.compile(r"udp:([A-Za-z0-9.-]+):([0-9]{1,5})")
_SERIAL = re.compile(r"(/dev/.+?)(?::(pn532|arygon))?")
_USB = re.compile(r"usb(:[0-9a-fA-F]{3,4}){0,2}")
_SERIAL_DRIVERS = {"pn532": nfc.clf.pn532, "arygon": nfc.clf.arygon}
_REMEDY = 'write "usb:VVVV:PPPP", "/dev/serial/by-path/NAME" or, under simulate, "udp:HOST:PORT"'


class _SimulatedField(nfc.clf.udp.Device):  # type: ignore[misc]  # nfcpy is untyped
    """nfcpy's device, that looks for a tag in shorter turns."""

    _looking = False

    def sense_tta(self, target: Any) -> Any:
        self._looking = True
        try:
            return super().sense_tta(target)
        finally:
            self._looking = False

    def _recv_data(self, timeout: float, *brty_list: str) -> Any:
        return super()._recv_data(min(timeout, SIMULATED_SENSE_S) if self._looking else timeout, *brty_list)


def check_path(path: str, simulate: bool) -> None:
    """Raises ``UnusableError`` naming what a reader's path may be."""
    if path.startswith("udp:") and not simulate:
        raise UnusableError(f"reader {path}: udp: readers exist only under simulate = true; {_REMEDY}")
    if re.match(r"/dev/tty(USB|ACM)[0-9]", path):
        raise UnusableError(f"reader {path}: this name moves between devices; use the one under /dev/serial/by-path/")
    udp = _UDP.fullmatch(path)
    if udp is not None and 0 < int(udp[2]) < 65_536:
        return
    if not _SERIAL.fullmatch(path) and not _USB.fullmatch(path):
        raise UnusableError(f"reader {path}: not a path of a reader; {_REMEDY}")


def open_device(path: str, simulate: bool) -> Any:
    """nfcpy's device for that path. Raises ``UnusableError`` for a wrong path, ``DeviceError`` or whatever nfcpy
    raises for a device that is not there; the caller takes any exception for "not now".
    """
    check_path(path, simulate)
    udp = _UDP.fullmatch(path)
    if udp is not None:
        device = _SimulatedField(udp[1], int(udp[2]))
        device._vendor_name, device._device_name, device._chipset_name = "permitgate", "simulated field", "UDP"
        return device
    serial = _SERIAL.fullmatch(path)
    if serial is not None:
        return _open_serial(serial[1], serial[2] or "pn532")
    device = nfc.clf.device.connect(path)
    if device is None:
        raise DeviceError(f"reader {path}: no such reader on USB, or no right to use it")
    return device


def _open_serial(port: str, driver: str) -> Any:
    line = nfc.clf.transport.TTY(port)
    opened = False
    try:
        device = _SERIAL_DRIVERS[driver].init(line)
        device._path = port
        opened = True
        return device
    finally:
        if not opened:
            abandon_line(line)


def abandon_line(line: Any) -> None:
    """Close a serial line that may be gone. nfcpy's own close flushes first, which raises on an unplugged line and
    leaves the descriptor open; pyserial's does not.
    """
    port, line.tty = line.tty, None
    if port is not None:
        port.close()
