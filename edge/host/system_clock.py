"""The one module that reads a clock or waits.

Ages and deadlines use CLOCK_BOOTTIME, which counts through suspend and never steps; UTC is for records only.
"""

import ctypes
import os
import time
from pathlib import Path

from edge.core.readings import MonotonicMs, UtcMs

_STA_UNSYNC = 0x0040
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def monotonic_ms() -> MonotonicMs:
    """CLOCK_BOOTTIME in milliseconds."""
    return MonotonicMs(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)


def monotonic_us() -> int:
    """CLOCK_BOOTTIME in microseconds, for measurements only."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


def process_cpu_us() -> int:
    """CPU time of this process in microseconds, for measurements only."""
    return time.process_time_ns() // 1_000


def utc_ms() -> UtcMs:
    """The system's wall clock in milliseconds since 1970; may step, may be wrong: see ``edge.core.clock``."""
    return UtcMs(time.time_ns() // 1_000_000)


def sleep(seconds: float) -> None:
    """Wait that long. Nothing above the drivers and loops of the runtime may call it."""
    time.sleep(seconds)


def boot_id() -> str:
    """The kernel's id of this boot, first eight hexadecimal digits."""
    return _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")[:8]


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); only ``status`` and ``maxerror`` are read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("padding", ctypes.c_byte * 256),
    )


def kernel_time_error_ms() -> int | None:
    """The kernel's bound on the wall clock's error, or None when the kernel says that it is not synchronised.

    Source: adjtimex(2), STA_UNSYNC and maxerror (microseconds). Reading needs no privilege.
    """
    buffer = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(buffer)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if buffer.status & _STA_UNSYNC or buffer.maxerror >= 1_000_000:
        return None
    return int(buffer.maxerror) // 1_000 + 1
