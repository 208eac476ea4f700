"""The driver against simulated units over real TCP and over a pseudo-terminal with real RTU frames."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from drivers.modbus.client import BadReplyError, BusSettings, Connection, ModbusExceptionError, NoReplyError, Request
from drivers.modbus.device import DeviceSettings, ModbusBus, build
from drivers.modbus.probe import Verdict, probe
from drivers.modbus.profile import load_profile
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.devices import BlockRead, Quality
from edge.runtime.bus import BusLoop
from hil.modbus_site import ModbusSite, crc16
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

TIMEOUT_MS = 120
MODELS = {1: "honeywell_xcd", 2: "renke_rs_fsjt_n01", 3: "generic"}


def make_site(models: dict[int, str] = MODELS) -> ModbusSite:
    return ModbusSite(SimulatedUnit(load_profile_data(model), unit) for unit, model in models.items())


def tcp_settings(site: ModbusSite) -> BusSettings:
    return BusSettings("b1", "tcp", TIMEOUT_MS, host="127.0.0.1", tcp_port=site.serve_tcp())


def rtu_settings(site: ModbusSite) -> BusSettings:
    return BusSettings("b1", "rtu", TIMEOUT_MS, port=site.serve_rtu(), baud=19200)


def make_bus(settings: BusSettings, models: dict[int, str] = MODELS) -> ModbusBus:
    devices = [DeviceSettings(f"d{unit}", unit, load_profile(model)) for unit, model in models.items()]
    return build(settings, devices, monotonic_ms, sleep)


@pytest.fixture(params=[tcp_settings, rtu_settings], ids=["tcp", "rtu"])
def rig(request: pytest.FixtureRequest) -> Iterator[tuple[ModbusSite, ModbusBus]]:
    settings: Callable[[ModbusSite], BusSettings] = request.param
    site = make_site()
    bus = make_bus(settings(site))
    yield site, bus
    bus.close()
    site.close()


def test_values_and_statuses_arrive_as_they_were_set(rig: tuple[ModbusSite, ModbusBus]) -> None:
    site, bus = rig
    site.unit(1).set_value("gas", "13.9")
    site.unit(2).set_value("wind_speed", "7.9")
    site.unit(3).set_status("warming_up")
    started = monotonic_ms()
    gas, wind, warming = (reader.read() for reader in bus.readers)
    assert (gas.steps, gas.qualities) == ((139,), (Quality.GOOD,))
    assert (wind.steps, wind.qualities) == ((79,), (Quality.GOOD,))
    assert (warming.steps, warming.qualities) == ((None,), (Quality.WARMING_UP,))
    assert started <= gas.taken_at <= wind.taken_at <= monotonic_ms()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.SILENCE),
        Fault(FaultKind.WRONG_LENGTH),
        Fault(FaultKind.WRONG_FUNCTION),
        Fault(FaultKind.WRONG_UNIT),
        Fault(FaultKind.NOISE),
        Fault(FaultKind.EXCEPTION, code=6),
        Fault(FaultKind.LATE, seconds=0.2),
    ],
    ids=lambda fault: fault.kind.value,
)
def test_a_fault_is_comm_fail_never_a_number_and_leaves_the_next_device_alone(
    rig: tuple[ModbusSite, ModbusBus], fault: Fault
) -> None:
    site, bus = rig
    site.unit(3).set_value("gas", "1.5")
    site.unit(1).break_with(fault)
    started = monotonic_ms()
    block = bus.readers[0].read()
    assert (block.steps, block.qualities) == ((None,), (Quality.COMM_FAIL,))
    assert bus.readers[0].trouble
    assert block.taken_at - started < 20
    assert bus.readers[2].read().steps == (15,)
    site.unit(1).heal()
    assert bus.readers[0].read().qualities == (Quality.GOOD,)


def test_sentinel_and_nan_are_no_numbers(rig: tuple[ModbusSite, ModbusBus]) -> None:
    site, bus = rig
    site.unit(2).set_sentinel("wind_speed")
    site.unit(1).set_value("gas", float("nan"))
    assert bus.readers[1].read().qualities == (Quality.DEVICE_FAULT,)
    assert bus.readers[0].read().qualities == (Quality.DECODE_FAIL,)


def test_a_late_frame_for_one_register_never_answers_for_another() -> None:
    """Peer lesson 21: on RTU the late answer about A has the unit, function and length that B's answer would have."""
    site = make_site()
    connection = Connection(rtu_settings(site), monotonic_ms, sleep)
    unit = site.unit(1)
    unit.set_register("fault_and_warning", 1111)
    unit.set_register("monitor_state", 2222)
    about_a, about_b = Request(1, 3, 4, 1, 500), Request(1, 3, 6, 1, 500)
    try:
        for late_s in (0.13, 0.25, 0.4):
            unit.break_with(Fault(FaultKind.LATE, seconds=late_s))
            with pytest.raises(NoReplyError):
                connection.request(about_a)
            unit.heal()
            assert connection.request(about_b) == struct.pack(">H", 2222)
            assert connection.request(about_a) == struct.pack(">H", 1111)
    finally:
        connection.close()
        site.close()


def test_a_healthy_bus_keeps_its_time_with_one_dead_unit() -> None:
    models = dict.fromkeys(range(1, 9), "generic")
    site = make_site(models)
    bus = make_bus(tcp_settings(site), models)
    site.unit(5).break_with(Fault(FaultKind.SILENCE))
    try:
        for _ in range(2):
            assert [reader.read().qualities[0] for reader in bus.readers].count(Quality.COMM_FAIL) == 1
        asked = site.unit(5).asked
        started = monotonic_ms()
        for _ in range(10):
            blocks = [reader.read() for reader in bus.readers]
            assert blocks[4].qualities == (Quality.COMM_FAIL,)
            assert all(block.qualities == (Quality.GOOD,) for block in blocks[:4] + blocks[5:])
        assert site.unit(5).asked == asked, "not asked while its breaker is open"
        assert monotonic_ms() - started < 10 * TIMEOUT_MS
    finally:
        bus.close()
        site.close()


def test_tcp_connections_that_were_cut_are_made_again() -> None:
    site = make_site()
    bus = make_bus(tcp_settings(site))
    try:
        assert bus.readers[0].read().qualities == (Quality.GOOD,)
        site.drop_connections()
        qualities = [bus.readers[0].read().qualities[0]]
        while qualities[-1] is not Quality.GOOD and len(qualities) < 40:
            sleep(0.05)
            qualities.append(bus.readers[0].read().qualities[0])
        assert qualities[-1] is Quality.GOOD, qualities
    finally:
        bus.close()
        site.close()


def test_a_peer_that_closes_after_every_reply_costs_no_reading() -> None:
    site = make_site()
    bus = make_bus(tcp_settings(site))
    try:
        for _ in range(3):
            assert bus.readers[0].read().qualities == (Quality.GOOD,)
            site.drop_connections()
            sleep(0.02)
    finally:
        bus.close()
        site.close()


def test_a_serial_adapter_that_was_unplugged_and_plugged_in_again_works(tmp_path: Path) -> None:
    port = tmp_path / "by-path-adapter"
    site = make_site()
    os.symlink(site.serve_rtu(), port)
    bus = make_bus(BusSettings("b1", "rtu", TIMEOUT_MS, port=str(port), baud=19200))
    try:
        assert bus.readers[0].read().qualities == (Quality.GOOD,)
        site.close()
        port.unlink()
        assert bus.readers[0].read().qualities == (Quality.COMM_FAIL,)
        assert bus.readers[1].read().qualities == (Quality.COMM_FAIL,)
        site = make_site()
        os.symlink(site.serve_rtu(), port)
        for _ in range(60):
            block = bus.readers[0].read()
            if block.qualities == (Quality.GOOD,):
                break
            sleep(0.05)
        assert block.qualities == (Quality.GOOD,)
    finally:
        bus.close()
        site.close()


def test_a_closed_port_is_comm_fail_at_once_for_every_device() -> None:
    bus = make_bus(BusSettings("b1", "tcp", TIMEOUT_MS, host="127.0.0.1", tcp_port=1))
    started = monotonic_ms()
    for _ in range(20):
        assert all(reader.read().qualities == (Quality.COMM_FAIL,) for reader in bus.readers)
    assert monotonic_ms() - started < 5 * TIMEOUT_MS
    assert "127.0.0.1:1" in bus.readers[0].trouble


def test_a_reply_that_trickles_ends_at_the_time_out() -> None:
    """Each byte comes within a time-out of the one before; the whole must not take longer than one."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(64)
                while not stop.wait(0.05):
                    try:
                        peer.send(b"\x00")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        settings = BusSettings("b1", "tcp", TIMEOUT_MS, host="127.0.0.1", tcp_port=server.getsockname()[1])
        connection = Connection(settings, monotonic_ms, sleep)
        started = monotonic_ms()
        with pytest.raises((BadReplyError, NoReplyError)):
            connection.request(Request(1, 3, 0, 100, 500))
        assert monotonic_ms() - started < 2 * TIMEOUT_MS
        stop.set()
        connection.close()
        thread.join()


def test_an_exception_names_its_code(rig: tuple[ModbusSite, ModbusBus]) -> None:
    _, bus = rig
    with pytest.raises(ModbusExceptionError) as caught:
        bus.connection.request(Request(1, 3, 4000, 1, 500))
    assert caught.value.code == 2


def test_the_probe_shows_raw_hex_in_four_orders_beside_the_decoded_value(rig: tuple[ModbusSite, ModbusBus]) -> None:
    site, bus = rig
    site.unit(1).set_value("gas", "13.9")
    rows = {row.register: row for row in probe(bus.connection, 1, load_profile("honeywell_xcd"))}
    gas = rows["gas_reading"]
    assert (gas.raw_hex, gas.decoded, gas.verdict) == ("415e 6666", "13.9 %LEL", Verdict.PLAUSIBLE)
    assert dict(gas.orders)["ABCD"] == "13.9"
    assert len(gas.orders) == 4
    assert rows["monitor_state"].verdict is Verdict.STATUS
    site.unit(1).break_with(Fault(FaultKind.EXCEPTION, code=2))
    assert {row.verdict for row in probe(bus.connection, 1, load_profile("honeywell_xcd"))} == {Verdict.REFUSED}
    site.unit(1).break_with(Fault(FaultKind.SILENCE))
    assert {row.verdict for row in probe(bus.connection, 1, load_profile("honeywell_xcd"))} == {Verdict.NO_ANSWER}


def test_the_loop_runs_on_a_real_bus_and_stops_soon(rig: tuple[ModbusSite, ModbusBus]) -> None:
    _, bus = rig
    stop, enough, published = threading.Event(), threading.Event(), list[BlockRead]()

    def publish(block: BlockRead) -> None:
        published.append(block)
        if len(published) >= 9:
            enough.set()

    loop = BusLoop("b1", bus.readers, 50, clock=monotonic_ms, sleep=sleep, publish=publish)
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    assert enough.wait(5)
    stop.set()
    thread.join(2)
    assert not thread.is_alive()
    assert {block.qualities for block in published} == {(Quality.GOOD,)}


def test_an_outsiders_master_reads_the_simulated_units() -> None:
    """pymodbus's own clients, unguarded: the simulator is a Modbus device to anyone."""
    site = make_site()
    tcp = ModbusTcpClient("127.0.0.1", port=site.serve_tcp(), timeout=1, retries=0)
    serial = ModbusSerialClient(site.serve_rtu(), baudrate=19200, timeout=1, retries=0)
    try:
        for client in (tcp, serial):
            reply = client.read_holding_registers(6, count=1, device_id=1)
            assert (reply.registers, reply.isError()) == ([1], False)
            assert client.read_holding_registers(400, count=1, device_id=1).exception_code == 2
            assert client.read_coils(0, count=1, device_id=1).exception_code == 1
        assert tcp.read_holding_registers(0, count=1, device_id=99).exception_code == 0x0B
    finally:
        tcp.close()  # type: ignore[no-untyped-call]
        serial.close()  # type: ignore[no-untyped-call]
        site.close()


def test_the_checksum_is_the_standards() -> None:
    # The request that Renke's manual prints: 01 03 00 00 00 01 84 0A.
    assert crc16(bytes.fromhex("010300000001")) == bytes.fromhex("840a")
