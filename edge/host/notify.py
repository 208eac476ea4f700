"""sd_notify(3): tells systemd that the daemon is ready, alive or stopping. Does nothing outside systemd."""

import contextlib
import os
import socket


class Notifier:
    """Sends states to the socket that NOTIFY_SOCKET names, a path or an abstract ``@name``."""

    def __init__(self, address: str | None = None) -> None:
        found = address if address is not None else os.environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{found[1:]}" if found.startswith("@") else found
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if found else None

    def send(self, state: str) -> None:
        """Send one state, such as ``READY=1``. A manager that does not listen is no error of ours."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(state.encode(), self._address)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def watchdog_period_ms() -> int | None:
    """A third of systemd's watchdog time, which is how often to ping; None when no watchdog is set for us."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) // 3_000
