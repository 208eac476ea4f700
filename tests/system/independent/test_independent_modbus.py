"""A whole gateway on detectors that are not ours: pymodbus over TCP and, with real RTU frames, over a serial line."""

from collections.abc import Iterator

import pytest
from plants import Plant, Template, free_port, gas_over_tcp, plant, records, until
from pymodbus.constants import ExcCodes
from pymodbus_site import Detector, PymodbusSite, TtyPair, renke, xcd

from edge.host.system_clock import monotonic_ms
from edge.runtime.control import request

pytestmark = pytest.mark.system

WIND = """[[bus]]
id = "b2"
kind = "rtu"
port = "{port}"
baud = 4800
timeout_s = 0.3
poll_s = 0.5
[[device]]
id = "wind-1"
bus = "b2"
unit = 2
profile = "renke_rs_fsjt_n01"
area = "a1"
no_status_accepted_by = "Wang Fang, HSE"
"""


OXYGEN = """[[device]]
id = "oxygen-1"
bus = "b1"
unit = 7
profile = "honeywell_xcd_oxygen"
area = "a1"
"""


@pytest.fixture(scope="module")
def gas() -> Detector:
    return xcd()


@pytest.fixture(scope="module")
def wind() -> Detector:
    return renke()


@pytest.fixture(scope="module")
def oxygen() -> Detector:
    cell = xcd(7)
    cell.words[10] = 3
    cell.set_float(2, 20.9)
    return cell


@pytest.fixture(scope="module")
def site(gas: Detector, wind: Detector, oxygen: Detector) -> Iterator[tuple[PymodbusSite, str]]:
    """The servers, and the configuration of their buses."""
    cable, port = TtyPair(), free_port()
    servers = PymodbusSite(port, [gas, oxygen], cable.ports[0], [wind])
    yield servers, gas_over_tcp(port) + OXYGEN + WIND.format(port=cable.ports[1])
    servers.close()
    cable.close()


@pytest.fixture(scope="module")
def gateway(
    fresh: Template, tmp_path_factory: pytest.TempPathFactory, site: tuple[PymodbusSite, str]
) -> Iterator[Plant]:
    with plant(fresh, tmp_path_factory.mktemp("plant"), site[1]) as made:
        made.hq.start()
        made.start().wait_good()
        yield made


@pytest.fixture(scope="module")
def confined(gateway: Plant) -> str:
    """A permit for the confined space in a1."""
    (record,) = [each["rec"] for each in records() if each["id"] == "P1"]
    permit = {**record, "type": "70", "short_id": 9}
    gateway.hear([{"v": 1, "op": "put", "k": "permit", "id": "P3", "rev": 1, "rec": permit}])
    return "P3"


def becomes(gateway: Plant, channel: str, figure: str, quality: str) -> None:
    def look() -> bool:
        reading = gateway.status()["readings"][channel]
        return bool((reading["figure"], reading["quality"]) == (figure, quality))

    until(f"{channel} is {figure} {quality}", look, 8)


def test_figures_arrive_as_the_makers_tables_say(gateway: Plant, gas: Detector, wind: Detector) -> None:
    becomes(gateway, "gas-1.gas", "1.5 %LEL", "good")
    becomes(gateway, "wind-1.wind_speed", "7.9 m/s", "good")
    gas.set_float(2, 12.34)
    wind.words[0] = 0x0056
    becomes(gateway, "gas-1.gas", "12.4 %LEL", "good")
    becomes(gateway, "wind-1.wind_speed", "8.6 m/s", "good")
    gas.set_float(2, 1.5)
    wind.words[0] = 79
    becomes(gateway, "gas-1.gas", "1.5 %LEL", "good")
    assert gas.functions == wind.functions == {3}


@pytest.mark.parametrize(("state", "quality"), [(2, "warming_up"), (3, "inhibited"), (99, "device_fault")])
def test_a_detector_that_does_not_measure_is_never_believed(
    gateway: Plant, gas: Detector, state: int, quality: str
) -> None:
    gas.words[6] = state
    until(quality, lambda: gateway.status()["readings"]["gas-1.gas"]["quality"] == quality)
    assert gateway.tap("w1")["decision"] == "denied"
    gas.words[6] = 1
    becomes(gateway, "gas-1.gas", "1.5 %LEL", "good")


def test_another_unit_of_measure_is_no_figure(gateway: Plant, gas: Detector) -> None:
    gas.words[10] = 4
    until("decode_fail", lambda: gateway.status()["readings"]["gas-1.gas"]["quality"] == "decode_fail")
    gas.words[10] = 5
    becomes(gateway, "gas-1.gas", "1.5 %LEL", "good")


def test_exceptions_and_answers_of_another_unit_are_no_readings(
    gateway: Plant, gas: Detector, site: tuple[PymodbusSite, str]
) -> None:
    gas.exception = ExcCodes.DEVICE_BUSY
    until("comm_fail", lambda: gateway.status()["readings"]["gas-1.gas"]["quality"] != "good")
    becomes(gateway, "wind-1.wind_speed", "7.9 m/s", "good")
    gas.exception = None
    becomes(gateway, "gas-1.gas", "1.5 %LEL", "good")
    site[0].answer_as = 9
    until("comm_fail", lambda: gateway.status()["readings"]["gas-1.gas"]["quality"] != "good")
    site[0].answer_as = None
    becomes(gateway, "gas-1.gas", "1.5 %LEL", "good")


@pytest.mark.parametrize(
    ("figure", "shown", "reason"),
    [
        (19.4, "19.4 %vol", "oxygen_low"),
        (19.499998, "19.4 %vol", "oxygen_low"),
        (19.5, "19.5 %vol", None),
        (21.0, "21.0 %vol", None),
        (21.000002, "21.1 %vol", "oxygen_high"),
        (21.1, "21.1 %vol", "oxygen_high"),
    ],
)
def test_a_confined_space_is_entered_between_its_oxygen_limits_only(
    confined: str, gateway: Plant, oxygen: Detector, figure: float, shown: str, reason: str | None
) -> None:
    oxygen.set_float(2, figure)
    becomes(gateway, "oxygen-1.oxygen", shown, "good")

    def look() -> bool:
        answer = request(gateway.run / "control.sock", {"do": "ready", "permit": confined})
        missing = {each["code"] for worker in answer.get("workers", []) for each in worker["missing"]}
        return "workers" in answer and missing - {"guardian_absent"} == ({reason} - {None})

    until(f"{confined} lacks {reason}", look, 8)


def test_gas_over_the_limit_at_the_wire_trips_and_sounds(gateway: Plant, gas: Detector) -> None:
    tapped_at = monotonic_ms()
    assert gateway.wait_good().admit()["decision"] == "granted"
    unlocked = gateway.wiring.wait_for("d1", "lock", "unlocked", within_s=5, since=tapped_at)
    assert unlocked is not None
    gas.set_float(2, 30.0)
    assert gateway.wiring.wait_for("a1", "siren", "sounding", within_s=3, since=unlocked.at) is not None
    assert gateway.wiring.wait_for("d1", "lock", "locked", within_s=2, since=unlocked.at) is not None
    answer = gateway.tap("w1", "d2")
    assert answer["decision"] == "denied"
    assert answer["reason"] == "gas_over_limit"
