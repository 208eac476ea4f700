"""Recorded exchanges: what each shipped model was asked, what it answered byte by byte, and what must come of it.

``exchanges/MODEL.toml`` says for each exchange where its bytes come from: printed in a manual, or composed.
"""

import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest

from drivers.modbus.client import Request, _checked_rtu, _checked_tcp
from drivers.modbus.decode import Decoder
from drivers.modbus.plan import Block, plan_of
from drivers.modbus.profile import load_profile, shipped_models
from drivers.modbus.register_map import Profile, with_decimals
from edge.ports.devices import Quality
from hil.modbus_site import crc16

FOLDER = Path(__file__).parent / "exchanges"


def recorded(model: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{model}.toml").read_text(encoding="utf-8"))


def exchanges() -> list[Any]:
    return [
        pytest.param(model, each, id=f"{model}-{each['says'].replace(' ', '_')}")
        for model in sorted(path.stem for path in FOLDER.glob("*.toml"))
        for each in recorded(model)["exchange"]
    ]


def profile_of(model: str) -> Profile:
    return with_decimals(load_profile(model), recorded(model).get("decimals"))


def asked(unit: int, block: Block, framing: str) -> bytes:
    body = struct.pack(">BBHH", unit, block.function, block.address, block.count)
    return body + crc16(body) if framing == "rtu" else struct.pack(">HHH", 1, 0, len(body)) + body


def answered(reply: bytes, unit: int, block: Block, framing: str) -> bytes:
    """The register bytes, through the checks that every reply on a real bus passes."""
    question = Request(unit, block.function, block.address, block.count, 500)
    question.pdu.transaction_id = 1
    return (_checked_rtu if framing == "rtu" else _checked_tcp)(reply, question)


def test_every_shipped_profile_has_its_exchanges_and_no_other_model_has() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(shipped_models())


@pytest.mark.parametrize(("model", "exchange"), exchanges())
def test_an_exchange_gives_its_readings(model: str, exchange: dict[str, Any]) -> None:
    profile, framing = profile_of(model), recorded(model)["framing"]
    blocks = plan_of(profile)
    requests = [bytes.fromhex(each) for each in exchange["requests"]]
    unit = requests[0][0] if framing == "rtu" else requests[0][6]
    assert requests == [asked(unit, block, framing) for block in blocks]
    replies = [bytes.fromhex(each) for each in exchange["replies"]]
    payloads = [answered(reply, unit, block, framing) for reply, block in zip(replies, blocks, strict=True)]
    steps, qualities = Decoder(profile, blocks).decode(payloads)
    found = [
        (channel.name, None if count is None else str(count * channel.resolution), quality.value)
        for channel, count, quality in zip(profile.channels, steps, qualities, strict=True)
    ]
    assert found == [(each["channel"], each.get("value"), each["quality"]) for each in exchange["reading"]]
    assert exchange["source"]


@pytest.mark.parametrize("model", shipped_models())
def test_the_exchanges_show_each_channel_good_and_everything_that_the_profile_can_say(model: str) -> None:
    profile = profile_of(model)
    readings = [reading for exchange in recorded(model)["exchange"] for reading in exchange["reading"]]
    good = {each["channel"] for each in readings if each["quality"] == "good"}
    assert good == {channel.name for channel in profile.channels}
    assert {quality.value for quality in sayable(profile)} <= {each["quality"] for each in readings}


def sayable(profile: Profile) -> set[Quality]:
    """Every quality that a reading of this profile can have, given what its registers and currents can mean."""
    found = {Quality.OUT_OF_RANGE}
    for rule in profile.statuses:
        found |= {meaning for _, meaning in rule.bits} | {span.meaning for span in rule.spans} | {rule.otherwise}
    for channel in profile.channels:
        found |= {meaning for _, meaning in channel.sentinels}
        found |= set() if channel.loop is None else {band.meaning for band in channel.loop.bands}
        found |= set() if channel.unit_code is None else {Quality.DECODE_FAIL}
    return found
