"""``check --probe`` on devices that do not answer as their profile says: each register that can be read is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from drivers.modbus.calibration_probe import probe_calibration
from drivers.modbus.client import BusSettings, Connection
from drivers.modbus.probe import ProbeRow, Verdict, probe
from drivers.modbus.profile import load_profile
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.devices import Quality
from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system


class OddUnit(SimulatedUnit):
    """A device without the registers ``missing``, that answers requests of at most ``longest`` registers."""

    def __init__(self, missing: tuple[int, ...] = (), longest: int = 125, model: str = "honeywell_xcd") -> None:
        super().__init__(load_profile_data(model), 1)
        self._missing = missing
        self._longest = longest

    def answer(self, request: bytes) -> bytes:
        address, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
        if count > self._longest or any(address <= each < address + count for each in self._missing):
            return bytes([request[0] | 0x80, 2])
        return super().answer(request)


@contextmanager
def probed(unit: SimulatedUnit | None, model: str = "honeywell_xcd") -> Iterator[dict[str, ProbeRow]]:
    """The rows of that model at unit 1; None: a gateway behind which nothing has that number."""
    site = ModbusSite([] if unit is None else [unit])
    settings = BusSettings("b1", "tcp", 200, host="127.0.0.1", tcp_port=site.serve_tcp())
    connection = Connection(settings, monotonic_ms, sleep)
    try:
        yield {row.register: row for row in probe(connection, 1, load_profile(model))}
    finally:
        connection.close()
        site.close()


@pytest.mark.parametrize(("missing", "name"), [(10, "measuring_unit"), (4, "fault_and_warning")])
def test_one_register_that_the_device_lacks_hides_no_other(missing: int, name: str) -> None:
    unit = OddUnit((missing,))
    unit.set_value("gas", "13.9")
    with probed(unit) as rows:
        refused = [each for each, row in rows.items() if row.verdict is Verdict.REFUSED]
        assert refused == [name]
        assert "illegal data address" in rows[name].detail
        gas = rows["gas_reading"]
        assert (gas.raw_hex, gas.decoded, gas.quality) == ("415e 6666", "13.9 %LEL", None)
        assert gas.verdict is Verdict.UNJUDGED
        assert dict(gas.orders).keys() == {"ABCD", "CDAB", "BADC", "DCBA"}


def xrl(change: Callable[[SimulatedUnit], None]) -> dict[str, ProbeRow]:
    """The rows of an XRL at unit 1, after ``change``."""
    unit = OddUnit(model="honeywell_xrl_combustible")
    unit.set_value("gas", "13.9")
    change(unit)
    with probed(unit, "honeywell_xrl_combustible") as rows:
        return rows


def test_another_model_is_named_by_the_register_that_gives_it_away() -> None:
    rows = xrl(lambda unit: unit.set_register("system_id", 0x2501))
    assert rows["system_id"].verdict is Verdict.FOREIGN
    assert "system_id (40101) is 0x2500, not 0x2600" in rows["system_id"].detail
    assert rows["gas_reading"].verdict is Verdict.NOT_GOOD
    assert rows["sensor_type"].verdict is Verdict.STATUS
    assert {row.verdict for row in xrl(lambda unit: None).values()} == {Verdict.PLAUSIBLE, Verdict.STATUS}


def test_a_value_is_shown_also_where_identity_and_heartbeat_were_not_read() -> None:
    with probed(OddUnit((131,), model="honeywell_xrl_combustible"), "honeywell_xrl_combustible") as rows:
        assert rows["sensor_type"].verdict is Verdict.REFUSED
        assert rows["gas_reading"].verdict is Verdict.UNJUDGED
        assert rows["gas_reading"].decoded == "0.0 %LEL"


def test_a_device_that_refuses_only_the_block_is_told_so() -> None:
    with probed(OddUnit(longest=2)) as rows:
        assert rows["gas_reading"].verdict is Verdict.REFUSED_IN_BLOCK
        assert rows["gas_reading"].raw_hex == "0000 0000"
        assert rows["measuring_unit"].verdict is Verdict.STATUS


def test_a_detector_set_to_another_unit_is_not_called_out_of_range() -> None:
    unit = OddUnit()
    unit.set_register("measuring_unit", 4)
    with probed(unit) as rows:
        assert rows["gas_reading"].verdict is Verdict.UNDECODABLE
        assert rows["gas_reading"].quality is Quality.DECODE_FAIL


def test_a_value_is_shown_beside_the_range_in_which_it_would_be_plausible() -> None:
    with probed(OddUnit()) as rows:
        assert rows["gas_reading"].span == "0.0 … 100.0 %LEL"


def test_a_gateway_that_hears_nothing_of_the_unit_is_no_refusal_of_the_unit() -> None:
    with probed(None) as rows:
        assert {row.verdict for row in rows.values()} == {Verdict.NO_ANSWER}
        assert "failed to respond" in rows["gas_reading"].detail


def test_a_port_that_is_not_there_is_no_matter_of_unit_numbers() -> None:
    connection = Connection(BusSettings("b1", "tcp", 200, host="127.0.0.1", tcp_port=1), monotonic_ms, sleep)
    rows = probe(connection, 1, load_profile("honeywell_xcd"))
    assert {row.verdict for row in rows} == {Verdict.NOT_OPEN}
    assert all("refused" in row.detail for row in rows)


# ---- the register in which a device says how its calibration stands


def calibration_of(model: str, change: Callable[[OddUnit], None], missing: tuple[int, ...] = ()) -> ProbeRow | None:
    unit = OddUnit(missing, model=model)
    change(unit)
    site = ModbusSite([unit])
    settings = BusSettings("b1", "tcp", 200, host="127.0.0.1", tcp_port=site.serve_tcp())
    connection = Connection(settings, monotonic_ms, sleep)
    try:
        return probe_calibration(connection, 1, load_profile(model))
    finally:
        connection.close()
        site.close()


@pytest.mark.parametrize(
    ("days", "decoded", "verdict"),
    [
        (90, "90 d", Verdict.PLAUSIBLE),
        (0.5, "0.5 d", Verdict.PLAUSIBLE),
        (0, "0 d", Verdict.DUE),
        (-3, "-3 d", Verdict.DUE),
        (3_651, "3651 d", Verdict.OUTSIDE),
        (float("nan"), "nan d", Verdict.OUTSIDE),
    ],
)
def test_the_days_that_a_calibration_holds_are_shown_in_all_word_orders_with_what_to_make_of_them(
    days: float, decoded: str, verdict: Verdict
) -> None:
    row = calibration_of("honeywell_xcd", lambda unit: unit.set_calibration_days(days))
    assert row is not None
    assert (row.register, row.printed, row.address) == ("calibration", "40009", 8)
    assert (row.decoded, row.verdict, row.span) == (decoded, verdict, "-3650 … 3650 d")
    assert dict(row.orders)["ABCD"] == decoded.removesuffix(" d")
    assert len(row.orders) == 4


def test_a_calibration_that_went_below_zero_in_one_register_is_due_and_not_years_away() -> None:
    row = calibration_of("honeywell_xrl_toxic", lambda unit: unit.set_calibration_days(-1))
    assert row is not None
    assert (row.raw_hex, row.decoded, row.verdict) == ("ffff", "-1 d", Verdict.DUE)


@pytest.mark.parametrize(
    ("date", "decoded", "verdict"),
    [((2026, 5, 3), "2026-05-03", Verdict.PLAUSIBLE), ((2026, 13, 3), "2026-13-3", Verdict.OUTSIDE)],
)
def test_the_date_of_the_last_calibration_is_shown_as_a_date(
    date: tuple[int, int, int], decoded: str, verdict: Verdict
) -> None:
    row = calibration_of("msa_ultima_x_toxic", lambda unit: unit.set_calibration_date(*date))
    assert row is not None
    assert (row.decoded, row.verdict, row.orders) == (decoded, verdict, ())
    assert row.raw_hex.count(" ") == 2


def test_a_device_without_that_register_is_told_so_and_a_profile_without_it_asks_nothing() -> None:
    row = calibration_of("honeywell_xcd", lambda unit: None, missing=(8,))
    assert row is not None
    assert (row.verdict, row.raw_hex, row.decoded) == (Verdict.REFUSED, "", "")
    assert "illegal data address" in row.detail
    assert calibration_of("generic", lambda unit: None) is None
