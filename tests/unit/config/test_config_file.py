"""The gateway's configuration: what fits is loaded, what contradicts itself is named with both lines."""

import re
from pathlib import Path

import pytest

from edge.app.site_plan import profiles_of
from edge.config import FailState, RtuBus, Side, TcpBus, check, load, parse
from edge.config_ports import bus_port_problem, reader_path_problem
from edge.ports.errors import ConfigurationError

_BASE = """\
[gateway]
id = "gw1"
site = "s014"
organisation = "pg.example.org"
simulate = false
[hq]
url = "https://hq.example.org:8443"
poll_s = 5
[policy]
settle_s = 60
[outputs]
pins = "lgpio"
[[area]]
id = "a1"
name_zh = "罐区"
name_en = "Tank farm"
codes = ["TF-01"]
ex = true
rule_packs = ["gb30871"]
[[area]]
id = "a2"
name_zh = "屋顶"
name_en = "Roof"
codes = ["R-01"]
ex = false
rule_packs = ["gb30871"]
siren_pin = 22
[[door]]
id = "d1"
area = "a1"
name_zh = "东门"
name_en = "East door"
fail = "secure"
strike_pin = 17
contact_pin = 27
rex_pin = 6
green_pin = 23
red_pin = 24
amber_pin = 25
[[reader]]
id = "r1"
door = "d1"
side = "entry"
path = "usb:054c:06c3"
[[bus]]
id = "b1"
kind = "rtu"
port = "/dev/serial/by-path/p0"
baud = 9600
timeout_s = 0.3
poll_s = 1.0
[[bus]]
id = "b2"
kind = "tcp"
host = "10.0.0.5"
[[device]]
id = "gas-1"
bus = "b1"
unit = 1
profile = "honeywell_xcd"
area = "a1"
gas = "methane"
[[device]]
id = "wind-1"
bus = "b1"
unit = 2
profile = "renke_rs_fsjt_n01"
area = "a2"
no_status_accepted_by = "Wang Fang"
"""


def _changed(*changes: tuple[str, str]) -> str:
    text = _BASE
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def _problems(*changes: tuple[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(_changed(*changes).encode(), "gw.toml")
    return caught.value.problems


def _line_of(text: str, wanted: str, nth: int = 1) -> int:
    numbers = [number for number, line in enumerate(text.splitlines(), 1) if line == wanted]
    return numbers[nth - 1]


def test_a_whole_file_becomes_values_in_milliseconds() -> None:
    config = parse(_BASE.encode(), "gw.toml")
    assert config.gateway.origin == "pg.example.org/gw/gw1/1"
    assert config.gateway.data_dir == Path("/var/lib/permitgate")
    assert (config.hq.poll_ms, config.policy.settle_ms, config.policy.offline_begun_ms) == (5000, 60_000, 259_200_000)
    assert config.doors[0].fail is FailState.SECURE
    assert config.doors[0].bolt_pin is None
    assert config.readers[0].side is Side.ENTRY
    assert config.buses[0] == RtuBus("b1", "/dev/serial/by-path/p0", 9600, "N", 1, 300, 1000)
    assert config.buses[1] == TcpBus("b2", "10.0.0.5", 502, 500, 1000)
    assert config.devices[1].no_status_accepted_by == "Wang Fang"


def test_windows_line_ends_change_nothing() -> None:
    assert parse(_BASE.replace("\n", "\r\n").encode(), "gw.toml") == parse(_BASE.encode(), "gw.toml")


def test_load_and_check_read_the_file_and_name_it(tmp_path: Path) -> None:
    path = tmp_path / "gw.toml"
    path.write_text(_BASE, encoding="utf-8")
    assert check(path).config == load(path)
    path.write_text(_changed(("unit = 1", "unit = 0")), encoding="utf-8")
    line = _line_of(path.read_text(encoding="utf-8"), "unit = 0")
    with pytest.raises(ConfigurationError, match=re.escape(f"{path}:{line}: device[gas-1].unit: 0 is out of range")):
        check(path)


@pytest.mark.parametrize(
    ("changes", "second", "first"),
    [
        ([('id = "a2"', 'id = "a1"')], ('id = "a1"', 2), ('id = "a1"', 1)),
        ([('id = "b2"', 'id = "b1"')], ('id = "b1"', 2), ('id = "b1"', 1)),
        ([('id = "wind-1"', 'id = "gas-1"')], ('id = "gas-1"', 2), ('id = "gas-1"', 1)),
        ([("unit = 2", "unit = 1")], ("unit = 1", 2), ("unit = 1", 1)),
        ([("rex_pin = 6", "rex_pin = 17")], ("rex_pin = 17", 1), ("strike_pin = 17", 1)),
        ([("red_pin = 24", "red_pin = 22")], ("red_pin = 22", 1), ("siren_pin = 22", 1)),
        ([('codes = ["R-01"]', 'codes = ["TF-01"]')], ('codes = ["TF-01"]', 2), ('codes = ["TF-01"]', 1)),
        ([('codes = ["R-01"]', 'codes = ["a1"]')], ('codes = ["a1"]', 1), ('id = "a1"', 1)),
        (
            [('kind = "tcp"\nhost = "10.0.0.5"', 'kind = "rtu"\nport = "/dev/serial/by-path/p0"\nbaud = 4800')],
            ('port = "/dev/serial/by-path/p0"', 2),
            ('port = "/dev/serial/by-path/p0"', 1),
        ),
        (
            [('path = "usb:054c:06c3"', 'path = "/dev/serial/by-path/p0"')],
            ('path = "/dev/serial/by-path/p0"', 1),
            ('port = "/dev/serial/by-path/p0"', 1),
        ),
    ],
)
def test_what_is_used_twice_is_refused_with_both_lines(
    changes: list[tuple[str, str]], second: tuple[str, int], first: tuple[str, int]
) -> None:
    text = _changed(*changes)
    second_line, first_line = _line_of(text, *second), _line_of(text, *first)
    found = [problem for problem in _problems(*changes) if problem.startswith(f"gw.toml:{second_line}: ")]
    assert any(f"line {first_line}" in problem for problem in found), _problems(*changes)


def test_two_readers_on_one_path_and_two_doors_of_one_id_are_refused() -> None:
    reader = '[[reader]]\nid = "r1"\ndoor = "d1"\nside = "exit"\npath = "usb:054c:06c3"\n[[bus]]\nid = "b1"'
    found = _problems(('[[bus]]\nid = "b1"', reader))
    assert [problem.split(":")[2].strip() for problem in found] == ["reader[r1].id", "reader[r1].path"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('area = "a1"', 'area = "a11"', "there is no area 'a11', did you mean 'a1'?; one of: a1, a2"),
        ('door = "d1"', 'door = "x"', "there is no door 'x'; one of: d1"),
        ('bus = "b1"', 'bus = "b9"', "there is no bus 'b9'; one of: b1, b2"),
        ('profile = "honeywell_xcd"', 'profile = "honeywel_xcd"', "did you mean 'honeywell_xcd'?"),
        ('rule_packs = ["gb30871"]', 'rule_packs = ["gb1"]', "each one of: construction, gb30871, gb46768"),
        ('side = "entry"', 'side = "inside"', "one of: entry, exit"),
        ('fail = "secure"', 'fail = "shut"', "one of: safe, secure"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_those_that_are(old: str, new: str, expected: str) -> None:
    (problem,) = [each for each in _problems((old, new)) if expected.split("'")[0] in each]
    assert problem.startswith(f"gw.toml:{_line_of(_changed((old, new)), new)}: ")
    for part in expected.split("one of: ")[-1].split(", "):
        assert part in problem


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("baud = 9600", "baud = 115200", "honeywell_xcd cannot do baud = 115200 of bus 'b1' (line"),
        ("baud = 9600", 'baud = 9600\nparity = "E"', "renke_rs_fsjt_n01 cannot do parity = E of bus 'b1' (line"),
        ("baud = 9600", "baud = 9600\nstop_bits = 2", "renke_rs_fsjt_n01 cannot do stop_bits = 2"),
        ("poll_s = 1.0", "poll_s = 0.4", "may be asked each 0.5 s at most, and poll_s of bus 'b1' is less (line"),
        ("poll_s = 1.0", "poll_s = 0.4", "raise that one"),
        ("unit = 1", "unit = 248", "248 is out of range on a serial bus (line"),
        ('gas = "methane"', "", "missing: limits of combustible gas depend on the gas"),
        ('gas = "methane"', 'gas = "methan"', "'methan' is not in the rule packs of area 'a1' (line"),
        ('no_status_accepted_by = "Wang Fang"', "", "missing: renke_rs_fsjt_n01 cannot say when it is broken"),
        ('no_status_accepted_by = "Wang Fang"', 'no_status_accepted_by = ""', "1 to 64 characters"),
        ('gas = "methane"', 'gas = "methane"\nno_status_accepted_by = "X"', "does report its status"),
        ('gas = "methane"', 'gas = "methane"\ndecimals = 1', "fixes its decimals; take this key out"),
        ('"honeywell_xcd"', '"pemtech_pt495_combustible"', "decimals: missing: pemtech_pt495_combustible sends whole"),
        (
            '"honeywell_xcd"',
            '"pemtech_pt495_combustible"\ndecimals = 5',
            "5 is out of range; give a whole number from 0 to 4",
        ),
        ('area = "a2"\nno_status', 'area = "a2"\ngas = "methane"\nno_status', "measures no gas; take this key out"),
    ],
)
def test_a_device_must_fit_its_bus_its_profile_and_the_rules(old: str, new: str, expected: str) -> None:
    problems = _problems((old, new))
    assert any(expected in problem for problem in problems), problems


def test_a_bus_polled_more_slowly_than_a_heartbeat_moves_is_refused() -> None:
    xrl = ('"honeywell_xcd"', '"honeywell_xrl_combustible"')
    (problem,) = _problems(xrl, ("poll_s = 1.0", "poll_s = 5.001"))
    assert "honeywell_xrl_combustible moves its heartbeat each 5 s, and poll_s of bus 'b1' is more (line" in problem
    parse(_changed(xrl, ("poll_s = 1.0", "poll_s = 5")).encode(), "gw.toml")


def test_decimals_of_the_configuration_reach_the_profile_that_polls() -> None:
    stated = '"pemtech_pt495_combustible"\ndecimals = 1'
    config = parse(_changed(('"honeywell_xcd"', stated)).encode(), "gw.toml")
    (channel,) = profiles_of(config)["gas-1"].channels
    assert (str(channel.scale), str(channel.resolution), channel.highest_steps) == ("0.1", "0.1", 1_000)


def test_a_bus_that_cannot_keep_its_period_is_refused_with_the_arithmetic_and_the_devices() -> None:
    more = "".join(
        f'[[device]]\nid = "g{unit}"\nbus = "b1"\nunit = {unit}\nprofile = "honeywell_xcd"\narea = "a1"\n'
        'gas = "methane"\n'
        for unit in range(3, 20)
    )
    (problem,) = _problems(('[[device]]\nid = "gas-1"', more + '[[device]]\nid = "gas-1"'))
    assert re.search(
        r"bus\[b1\]\.poll_s: one round of the devices at lines [0-9, ]+ takes [0-9.]+ ms of 800 ms, "
        r"which is 80% of poll_s \([0-9]+ requests and replies: [0-9]+ characters of [0-9.]+ ms at [0-9]+ 8[NEO][12], ",
        problem,
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("settle_s = 60", "settle_s = 59.999"),
        ("settle_s = 60", "stale_s = 31"),
        ("settle_s = 60", "gust_window_s = 599"),
        ("poll_s = 5", "poll_s = 0.2"),
        ('path = "usb:054c:06c3"', 'path = "udp:127.0.0.1:52001"'),
        ('pins = "lgpio"', 'pins = "wired:/run/site/wiring.sock"'),
        ('port = "/dev/serial/by-path/p0"', 'port = "/dev/pts/3"'),
    ],
)
def test_only_a_simulated_site_may_be_laxer(old: str, new: str) -> None:
    (problem,) = _problems((old, new))
    assert problem.startswith(f"gw.toml:{_line_of(_changed((old, new)), new)}: ")
    parse(_changed((old, new), ("simulate = false", "simulate = true")).encode(), "gw.toml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("settle_s = 60", "stale_s = 301"),
        ("settle_s = 60", "offline_begun_s = 259201"),
        ("settle_s = 60", "fresh_s = 901"),
        ('port = "/dev/serial/by-path/p0"', 'port = "/dev/ttyUSB0"'),
        ('path = "usb:054c:06c3"', 'path = "/dev/ttyACM1"'),
        ('path = "usb:054c:06c3"', 'path = "udp:127.0.0.1:0"'),
    ],
)
def test_simulation_does_not_loosen_everything(old: str, new: str) -> None:
    assert len(_problems((old, new), ("simulate = false", "simulate = true"))) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("offline_ex_s = 600\nfresh_s = 900", "offline_ex_s: 600 s is below fresh_s (line"),
        ("offline_normal_s = 3600", "offline_normal_s: 3600 s is below offline_ex_s (line"),
        ("fresh_s = 3", "hq.poll_s: is above fresh_s (line"),
        ("stale_s = 1", "bus[b1].poll_s: with timeout_s is above stale_s (line"),
    ],
)
def test_ages_must_follow_each_other(change: str, expected: str) -> None:
    assert any(expected in problem for problem in _problems(("settle_s = 60", change)))


def test_prealarm_must_come_before_the_alarm_and_directories_must_differ() -> None:
    assert "must be below open_s" in _problems(("rex_pin = 6", "rex_pin = 6\nopen_s = 10"))[0]
    both = 'simulate = false\ndata_dir = "/var/x"\nrun_dir = "/var/x"'
    assert "is data_dir too (line 6)" in _problems(("simulate = false", both))[0]


def test_keys_of_the_other_kind_of_bus_are_unknown() -> None:
    (problem,) = _problems(('host = "10.0.0.5"', 'host = "10.0.0.5"\nbaud = 9600'))
    assert "bus[b2].baud: unknown key; allowed here: id, kind, host, tcp_port, timeout_s, poll_s" in problem


@pytest.mark.parametrize("host", ["999.1.1.1", "10.0.0", "10.0.0.0.5", "fe80:::1"])
def test_a_host_that_looks_like_an_address_and_is_none_is_refused(host: str) -> None:
    (problem,) = _problems(('host = "10.0.0.5"', f'host = "{host}"'))
    assert f"bus[b2].host: {host} is no IP address" in problem


@pytest.mark.parametrize("host", ["10.0.0.5", "fe80::1", "gas-gateway", "plc.site-14.example.org", "2b.example.org"])
def test_addresses_and_names_are_hosts(host: str) -> None:
    parse(_changed(('host = "10.0.0.5"', f'host = "{host}"')).encode(), "gw.toml")


def test_an_unknown_kind_of_bus_is_one_finding_not_ten() -> None:
    (problem,) = _problems(('kind = "tcp"', 'kind = "canbus"'))
    assert "one of: rtu, tcp" in problem


def test_findings_of_every_sort_come_together() -> None:
    problems = _problems(
        ("simulate = false", 'simulate = "no"'),
        ("unit = 2", "unit = 1"),
        ('door = "d1"', 'door = "d9"'),
        ("ex = true\n", ""),
    )
    assert len(problems) == 4
    assert [int(problem.split(":")[1]) for problem in problems] == sorted(
        int(problem.split(":")[1]) for problem in problems
    )


def test_an_empty_file_names_every_table_that_it_needs() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(b"", "gw.toml")
    named = {problem.split(": ")[1] for problem in caught.value.problems}
    assert named == {"gateway", "hq", "outputs", "area", "door", "reader"}


@pytest.mark.parametrize("url", ["http://hq", "https://", "https://hq:0", "https://hq:65536", "https://u@hq", "hq"])
def test_hq_is_reached_by_https_only(url: str) -> None:
    assert "hq.url" in _problems(('url = "https://hq.example.org:8443"', f'url = "{url}"'))[0]


def test_a_changing_port_name_is_refused_with_the_by_path_name_to_use(tmp_path: Path) -> None:
    (tmp_path / "pci-0000:00:14.0-usb-0:2:1.0-port0").symlink_to("../../ttyUSB0")
    problem = bus_port_problem("/dev/ttyUSB0", simulate=True, by_path=tmp_path)
    assert problem is not None
    assert problem.endswith(f"write {tmp_path}/pci-0000:00:14.0-usb-0:2:1.0-port0")
    other = reader_path_problem("/dev/ttyUSB1", simulate=False, by_path=tmp_path)
    assert other is not None
    assert "ls -l /dev/serial/by-path/" in other
    for name in ("ttyUSB0", "tty:USB0", "/dev/../dev/ttyS0", "/dev/pts/1"):
        assert bus_port_problem(name, simulate=False, by_path=tmp_path) is not None


@pytest.mark.parametrize("port", ["/dev/serial/by-path/x", "/dev/ttyAMA0", "/dev/ttyS1"])
def test_ports_that_keep_their_names_are_taken(port: str) -> None:
    assert bus_port_problem(port, simulate=False) is None
    assert reader_path_problem(port, simulate=False) is None


@pytest.mark.parametrize("simulate", [True, False])
def test_a_name_that_two_equal_adapters_share_is_refused(simulate: bool) -> None:
    """Without a serial number of its own, an adapter's by-id name leads to whichever was plugged in last."""
    for problem_of in (bus_port_problem, reader_path_problem):
        problem = problem_of("/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0", simulate)
        assert problem is not None
        assert "/dev/serial/by-path/" in problem


@pytest.mark.parametrize("path", ["usb", "usb:54", "usb:054c:06c3:1", "udp:127.0.0.1", "udp:h:99999", "tty:S0:pn532"])
def test_reader_paths_that_name_no_reader_are_refused(path: str) -> None:
    assert reader_path_problem(path, simulate=True) is not None
