"""The virtual site's wires: physics, faults, history, and what a gateway that hangs up leaves."""

import socket

import pytest

from drivers.lock.pin_factory import build_pin_factory
from edge.ports.errors import DeviceError, RefusedError
from hil.wiring import WiredDoor, WiredSiren, Wiring

STRIKE = WiredDoor("d1", "secure", strike_pin=17, contact_pin=27, rex_pin=6, green_pin=23, red_pin=24, amber_pin=25)
MAGNET = WiredDoor("d2", "safe", strike_pin=18, contact_pin=2, rex_pin=3, green_pin=4, red_pin=5, amber_pin=7)


@pytest.fixture
def site(tmp_path):
    with Wiring(tmp_path / "w.sock", [STRIKE, MAGNET], [WiredSiren("a1", 22)]) as wiring:
        yield wiring


@pytest.fixture
def gateway(tmp_path, site):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(tmp_path / "w.sock"))
        yield connection


def test_without_a_gateway_a_strike_is_locked_a_magnet_open_and_the_siren_sounds(site):
    assert (site.state("d1").lock, site.state("d2").lock, site.siren("a1")) == ("locked", "unlocked", "sounding")
    assert not site.push("d1")
    assert site.push("d2")
    site.shut("d2")
    assert site.state("d2").door == "shut"


def test_a_strike_never_holds_back_who_leaves(site):
    assert site.push("d1", from_inside=True)


def test_a_driven_strike_opens_and_floats_shut_when_its_gateway_is_gone(site, gateway):
    gateway.sendall(b'{"pin":17,"mode":"output","level":0}\n{"pin":17,"level":1}\n')
    opened = site.wait_for("d1", "lock", "unlocked", within_s=2)
    assert site.push("d1")
    gateway.close()
    assert site.wait_for("d1", "lock", "locked", within_s=2, since=opened.at) is not None
    assert [(c.what, c.now) for c in site.history(opened.at) if c.what in ("lock", "door")] == [
        ("lock", "unlocked"),
        ("door", "open"),
        ("lock", "locked"),
    ]


def test_a_stuck_bolt_stays_and_the_lock_is_told_all_the_same(site, gateway):
    site.stick_bolt("d1")
    gateway.sendall(b'{"pin":17,"mode":"output","level":1}\n')
    assert site.wait_for("d1", "lock", "unlocked", within_s=2)
    assert site.state("d1").bolt == "locked"
    assert not site.push("d1")
    site.stick_bolt("d1", False)
    assert site.push("d1")


def test_inputs_are_told_at_once_and_at_each_change(site, gateway):
    gateway.sendall(b'{"pin":27,"mode":"input","pull":"up"}\n')
    lines = gateway.makefile("rb")
    assert lines.readline() == b'{"pin": 27, "level": 0}\n'
    site.cut_contact_line("d1")
    assert lines.readline() == b'{"pin": 27, "level": 1}\n'
    site.cut_contact_line("d1", False)
    site.force("d1")
    assert lines.readline() == b'{"pin": 27, "level": 0}\n'
    assert lines.readline() == b'{"pin": 27, "level": 1}\n'
    lines.close()


@pytest.mark.parametrize(
    "line",
    [
        b"{\n",
        b"[]\n",
        b"{}\n",
        b'{"pin":"x"}\n',
        b'{"pin":17,"level":1}\n',
        b'{"pin":17,"mode":"output"}\n',
        b"x" * 4097,
    ],
)
def test_nonsense_costs_its_sender_the_line_and_nobody_else(site, gateway, line):
    gateway.sendall(b'{"pin":18,"mode":"output","level":1}\n')
    assert site.wait_for("d2", "lock", "locked", within_s=2)
    gateway.sendall(line)
    assert gateway.recv(10) == b""
    assert site.wait_for("d2", "lock", "unlocked", within_s=2)
    assert site.state("d1").lock == "locked"


def test_a_site_that_goes_away_is_a_device_error_at_the_next_use(tmp_path, site):
    factory = build_pin_factory(f"wired:{tmp_path}/w.sock", True, lambda: 0, lambda: None)
    pin = factory.pin(17)
    pin.output_with_state(False)
    site.close()

    def drive():
        for _ in range(100):
            pin.state = 1

    with pytest.raises(DeviceError):
        drive()
    factory.close()


@pytest.mark.parametrize(("pins", "simulate"), [("wired:/x", False), ("mock", True), ("", True)])
def test_pins_that_must_not_be_had_are_refused(pins, simulate):
    with pytest.raises(RefusedError):
        build_pin_factory(pins, simulate, lambda: 0, lambda: None)


def test_wired_pins_without_a_site_are_a_device_error(tmp_path):
    with pytest.raises(DeviceError, match="permitgate site"):
        build_pin_factory(f"wired:{tmp_path}/none.sock", True, lambda: 0, lambda: None)


def test_a_site_that_cannot_be_is_refused_by_name(tmp_path):
    with pytest.raises(RefusedError, match="GPIO17"):
        Wiring(tmp_path / "w.sock", [STRIKE], [WiredSiren("a1", 17)])
    with pytest.raises(RefusedError, match="shorter"):
        Wiring(tmp_path / ("x" * 120), [STRIKE])
    with pytest.raises(RefusedError, match="exist"):
        Wiring(tmp_path / "none" / "w.sock", [STRIKE])


def test_an_unknown_door_is_named(site):
    with pytest.raises(RefusedError, match="d9"):
        site.push("d9")
