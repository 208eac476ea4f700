"""Every shipped model can be configured, as MODELS.md says, and none without what only a person can say of it."""

import pytest

from drivers.modbus.profile import load_profile, shipped_models
from drivers.modbus.register_map import Profile, Quantity
from edge.app.site_plan import build_site, profiles_of
from edge.config import parse
from edge.ports.errors import ConfigurationError

_BASE = """\
[gateway]
id = "gw1"
site = "s014"
organisation = "pg.example.org"
[hq]
url = "https://hq.example.org:8443"
[outputs]
pins = "lgpio"
[[area]]
id = "a1"
name_zh = "罐区"
name_en = "Tank farm"
codes = ["TF-01"]
ex = true
rule_packs = ["gb30871"]
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
"""


def keys(profile: Profile) -> dict[str, str]:
    """What the device's table must say of this model, beside where it is."""
    found = {}
    if any(channel.quantity is Quantity.COMBUSTIBLE for channel in profile.channels):
        found["gas"] = '"methane"'
    if not profile.has_status:
        found["no_status_accepted_by"] = '"Wang Fang, HSE"'
    if profile.decimals_by_hand:
        found["decimals"] = "1"
    return found


def configuration(model: str, said: dict[str, str]) -> bytes:
    serial = load_profile(model).serial
    bus = '[[bus]]\nid = "b1"\npoll_s = 1.0\n'
    if serial is None:
        bus += 'kind = "tcp"\nhost = "10.0.0.5"\n'
    else:
        bus += f'kind = "rtu"\nport = "/dev/serial/by-path/p0"\nbaud = {serial.default_baud}\n'
        bus += f'parity = "{serial.default_parity}"\n'
    device = f'[[device]]\nid = "x"\nbus = "b1"\nunit = 1\nprofile = "{model}"\narea = "a1"\n'
    return (_BASE + bus + device + "".join(f"{key} = {value}\n" for key, value in said.items())).encode()


@pytest.mark.parametrize("model", shipped_models())
def test_a_shipped_model_is_configured_polled_and_judged(model: str) -> None:
    config = parse(configuration(model, keys(load_profile(model))), "gw.toml")
    (profile,) = profiles_of(config).values()
    assert build_site(config).channels["x"] == tuple(channel.name for channel in profile.channels)


@pytest.mark.parametrize(
    ("model", "key"), [(model, key) for model in shipped_models() for key in keys(load_profile(model))]
)
def test_what_only_a_person_can_say_of_a_model_must_be_said(model: str, key: str) -> None:
    said = {name: value for name, value in keys(load_profile(model)).items() if name != key}
    with pytest.raises(ConfigurationError) as caught:
        parse(configuration(model, said), "gw.toml")
    assert any(f".{key}: missing" in problem for problem in caught.value.problems), caught.value.problems
