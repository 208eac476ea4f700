"""What every test is held to: none leaves a thread or a process behind, none fails for a slow machine."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

# The default renders tracebacks with every local value, which takes a second for one of our states.
structlog.configure(processors=[structlog.processors.KeyValueRenderer()])

# 60 examples where a test does not say: the gate stays under a minute, and each run takes others.
settings.register_profile("permitgate", deadline=None, print_blob=True, max_examples=60)
settings.load_profile("permitgate")

_GRACE_S = 2.0


def _processes() -> set[int]:
    """Our child processes, zombies included: a child that nobody waited for is one that was left."""
    found: set[int] = set()
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return found
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, listing.read_text().split()))
        except FileNotFoundError:
            continue
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails the test that leaves a thread, a timer (which is a thread) or a process."""
    threads, processes = set(threading.enumerate()), _processes()
    yield
    left = [each for each in threading.enumerate() if each not in threads]
    for each in left:
        each.join(_GRACE_S)
    names = sorted(each.name for each in left if each.is_alive())
    assert not names, f"threads left: {names}"
    assert not _processes() - processes, f"processes left: {sorted(_processes() - processes)}"
