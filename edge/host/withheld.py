"""Modules that another module would load if it could, and that this process has no use for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def withheld(module: str) -> Iterator[None]:
    """Whoever imports ``module`` within finds that it is not installed, unless it is loaded already.

    structlog loads rich where it finds it, for tracebacks in colour: 3.6 MiB that a daemon writing logfmt never uses.
    """
    if module in sys.modules:
        yield
        return
    # A module of None is one that cannot be found (Python's library reference, sys.modules).
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
