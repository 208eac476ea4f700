"""A bus's host by name: looked up within the time that is given, remembered when the name server is gone."""

import threading
from collections.abc import Callable, Iterator

import pytest

from drivers.modbus.names import HostAddresses

LONG_S = 5.0


class Resolver:
    """The system's resolver; answers what is set, after ``hold`` is over."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.hold.set()
        self.answer: Callable[[], tuple[str, ...]] = lambda: ("10.0.0.5",)
        self.asked = 0

    def __call__(self, host: str) -> tuple[str, ...]:
        assert host == "gas-gateway"
        self.asked += 1
        self.hold.wait(LONG_S)
        return self.answer()


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.hold.set()


def no_such_name() -> tuple[str, ...]:
    raise OSError("Name or service not known")


def test_an_address_is_never_looked_up() -> None:
    def fail(host: str) -> tuple[str, ...]:
        raise AssertionError(host)

    assert HostAddresses("10.0.0.5", fail).find(0) == ("10.0.0.5",)
    assert HostAddresses("fe80::1", fail).find(0) == ("fe80::1",)


def test_a_name_is_looked_up_for_every_connection(resolver: Resolver) -> None:
    addresses = HostAddresses("gas-gateway", resolver)
    assert addresses.find(LONG_S) == ("10.0.0.5",)
    resolver.answer = lambda: ("10.0.0.6",)
    assert addresses.find(LONG_S) == ("10.0.0.6",)


def test_a_name_server_that_does_not_answer_costs_what_was_given_and_one_thread(resolver: Resolver) -> None:
    addresses = HostAddresses("gas-gateway", resolver)
    resolver.hold.clear()
    for _ in range(3):
        with pytest.raises(OSError, match="give an IP address"):
            addresses.find(0.001)
    assert resolver.asked == 1
    resolver.hold.set()
    assert addresses.find(LONG_S) == ("10.0.0.5",)


def test_what_was_once_found_outlives_the_name_server(resolver: Resolver) -> None:
    addresses = HostAddresses("gas-gateway", resolver)
    assert addresses.find(LONG_S) == ("10.0.0.5",)
    resolver.answer = no_such_name
    assert addresses.find(LONG_S) == ("10.0.0.5",)
    resolver.hold.clear()
    assert addresses.find(0.001) == ("10.0.0.5",)


def test_a_name_that_does_not_exist_says_so(resolver: Resolver) -> None:
    resolver.answer = no_such_name
    with pytest.raises(OSError, match="cannot be resolved"):
        HostAddresses("gas-gateway", resolver).find(LONG_S)
