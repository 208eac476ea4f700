"""No fault of a device or a bus looks like a good reading: the matrix of ``tests/fault_matrix.py``, on both wires."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_matrix import FAULTS, MODELS, NEXT, UNKNOWN, Bench, Result, expectation
from fault_report import keep

from drivers.modbus.profile import shipped_models

pytestmark = pytest.mark.system

AT_ONCE = {"tcp": 4, "rtu": 12}
"""Buses served and read by one process at a time: a serial line mostly waits."""


@pytest.fixture(autouse=True)
def threads_take_turns_as_in_the_daemon() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("wire", ["tcp", "rtu"])
def test_no_fault_of_a_device_or_bus_looks_like_a_good_reading(wire: str, tmp_path: Path) -> None:
    models = MODELS[wire]()

    def run(model: str) -> list[Result]:
        return list(Bench(model, wire, tmp_path).run())

    with ThreadPoolExecutor(AT_ONCE[wire]) as pool:
        results = [each for found in pool.map(run, models) for each in found]
    keep(wire, results)
    assert {each.model for each in results} == set(models)
    wrong = [f"{each.model} {each.fault}: {'; '.join(each.problems)}" for each in results if each.problems]
    assert not wrong, "\n".join(wrong)


def test_what_cannot_be_known_is_named_with_its_reason() -> None:
    for model in shipped_models():
        for name in FAULTS:
            expected = expectation(name, model, "tcp")
            assert bool(expected.why) == (expected.verdict == UNKNOWN)
    assert expectation("frozen", "generic", "tcp").verdict == UNKNOWN
    assert expectation("swapped", "honeywell_xcd", "tcp").verdict == NEXT, "its unit register gives it away"
    assert expectation("wrong_order", "generic", "tcp").verdict == NEXT, "no figure of its range passes for another"
