"""Looking up the host of a bus, bounded: whether a detector is heard must not hang on a name server that went away."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from threading import Event, Thread

Resolve = Callable[[str], tuple[str, ...]]
"""The addresses of a name, in however long it takes. Raises OSError if there are none."""


def resolve(host: str) -> tuple[str, ...]:
    """What the system's resolver says. Raises OSError if it knows none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # the idna codec's, of a label that is too long
        raise OSError(str(error)) from error
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


class HostAddresses:
    """The addresses of one host. A name is looked up in a thread of its own, as getaddrinfo cannot be given a limit.

    What was found stays known: a site whose name server is lost keeps its detectors. Used by one thread.
    """

    def __init__(self, host: str, ask: Resolve = resolve) -> None:
        self._host = host
        self._ask = ask
        self._known: tuple[str, ...] = (host,) if _is_address(host) else ()
        self._fixed = bool(self._known)
        self._answer: _LookUp | None = None

    def find(self, wait_s: float) -> tuple[str, ...]:
        """The addresses, newest knowledge first tried for ``wait_s``. Raises OSError if none was ever found."""
        if self._fixed:
            return self._known
        if self._answer is None:
            self._answer = _LookUp(self._host, self._ask)
        if not self._answer.done.wait(wait_s):
            if not self._known:
                raise TimeoutError(f"the name {self._host} is not resolved within {wait_s:g} s; give an IP address")
            return self._known
        answer, self._answer = self._answer, None
        self._known = answer.addresses or self._known
        if not self._known:
            raise OSError(f"the name {self._host} cannot be resolved; give an IP address")
        return self._known


class _LookUp:
    """One question to the system's resolver; ``done`` is set when ``addresses`` holds what it said, if anything."""

    def __init__(self, host: str, ask: Resolve) -> None:
        self.done = Event()
        self.addresses: tuple[str, ...] = ()
        Thread(target=self._run, args=(host, ask), name=f"resolve-{host}", daemon=True).start()

    def _run(self, host: str, ask: Resolve) -> None:
        try:
            self.addresses = ask(host)
        except OSError:
            pass
        finally:
            self.done.set()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
