"""Which names a serial port or a badge reader may have: those that still mean the same socket after a reboot."""

import re
from pathlib import Path

BY_PATH = "/dev/serial/by-path/"
_BY_PATH_DIRECTORY = Path(BY_PATH)

_STABLE = re.compile(r"/dev/serial/by-path/[^/\s]{1,200}|/dev/ttyAMA[0-9]{1,2}|/dev/ttyS[0-9]{1,3}|/dev/serial[01]")
"""By-path names of udev, which say where the adapter is plugged in; ports soldered to the board, which cannot move."""

_BY_ID = "/dev/serial/by-id/"

_CHANGING = re.compile(r"(?:.*/)?tty(?:USB|ACM)[0-9]*")
_USB = re.compile(r"usb:[0-9a-f]{3,4}(?::[0-9a-f]{3,4})?")
_UDP = re.compile(r"udp:[A-Za-z0-9.-]{1,253}:([0-9]{1,5})")
_ENTRIES_MAX = 256


def bus_port_problem(port: str, simulate: bool, by_path: Path = _BY_PATH_DIRECTORY) -> str | None:
    """What is wrong with the port of an RTU bus, with the remedy; None: nothing.

    ``by_path`` is where udev keeps its by-path names, to say which one to write instead of ``ttyUSB0``.
    """
    if _CHANGING.fullmatch(port):
        return _changing_name_problem(port, by_path)
    if not port.startswith("/") or ".." in port.split("/"):
        return f"must be an absolute path such as {BY_PATH}…, without '..'"
    if port.startswith(_BY_ID):
        return (
            f"two adapters of one make can share that name; write the one under {BY_PATH} that leads to the same port"
        )
    if not simulate and _STABLE.fullmatch(port) is None:
        return f"not a stable port; allowed: {BY_PATH}…, /dev/ttyAMAn, /dev/ttySn, /dev/serial0"
    return None


def reader_path_problem(path: str, simulate: bool, by_path: Path = _BY_PATH_DIRECTORY) -> str | None:
    """What is wrong with the path of a badge reader, with the remedy; None: nothing. ``by_path`` as for a bus."""
    if path.startswith("udp:"):
        match = _UDP.fullmatch(path)
        if match is None or not 1 <= int(match.group(1)) <= 65_535:
            return "must be udp:HOST:PORT, port 1 to 65535"
        return None if simulate else "udp: is a simulated reader; name a real one, or simulate = true in [gateway]"
    if path.startswith("usb"):
        return None if _USB.fullmatch(path) else "must be usb:VENDOR:PRODUCT or usb:BUS:DEVICE, such as usb:054c:06c3"
    return bus_port_problem(path, simulate, by_path)


def _changing_name_problem(port: str, by_path: Path) -> str:
    why = "its number changes with the order of plugging in"
    device = port.rsplit("/", 1)[-1]
    try:
        links = sorted(by_path.iterdir())[:_ENTRIES_MAX]
    except OSError:
        links = []
    for link in links:
        try:
            if link.is_symlink() and link.readlink().name == device:
                return f"{device}: {why}; write {link}"
        except OSError:
            continue
    return f"{device}: {why}; plug it in and write the name under {BY_PATH} that points to it (ls -l {BY_PATH})"
