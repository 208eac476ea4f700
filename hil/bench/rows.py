"""A benchmark's result: one row, with its baseline and its budget, and what it was measured on."""

import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.host.system_clock import monotonic_us

Bound = Literal["at most", "at least"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``value`` is what the budget speaks of; for a ratio it is the ratio and ``detail`` has both sides.

    ``baseline`` names what was measured beside it, ``baseline_value`` is that figure in ``baseline_unit``.
    """

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    baseline_unit: str
    budget: float
    bound: Bound = "at most"
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether the budget is kept."""
        return self.value <= self.budget if self.bound == "at most" else self.value >= self.budget

    @property
    def ratio(self) -> float | None:
        """The value over its baseline; the value itself if it is a ratio already, None if the units differ."""
        if self.unit == "×":
            return self.value
        comparable = self.unit == self.baseline_unit and self.baseline_value
        return self.value / self.baseline_value if comparable else None

    def as_json(self) -> dict[str, object]:
        """The row of ``bench.json``."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": self.baseline,
            "baseline_value": _rounded(self.baseline_value),
            "baseline_unit": self.baseline_unit,
            "ratio": None if self.ratio is None else _rounded(self.ratio),
            "budget": self.budget,
            "bound": self.bound,
            "met": self.met,
            "detail": dict(self.detail),
        }


def _rounded(value: float) -> float:
    """Four significant digits: what follows is noise."""
    return float(f"{value:.4g}")


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share (0 to 1) of all do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * len(ordered) * 1000) // 1000) - 1))]


def median(samples: Sequence[float]) -> float:
    """The middle sample."""
    return percentile(samples, 0.5)


def spread(samples_us: Sequence[float]) -> dict[str, object]:
    """Median, p99 and worst of samples in microseconds, as milliseconds, and how many there were."""
    return {
        "p50_ms": _rounded(median(samples_us) / 1000),
        "p99_ms": _rounded(percentile(samples_us, 0.99) / 1000),
        "worst_ms": _rounded(max(samples_us) / 1000),
        "samples": len(samples_us),
    }


def _spin_us() -> int:
    """Microseconds for a sum over a million numbers: how fast this interpreter is here, to compare machines by."""
    began = monotonic_us()
    sum(range(1_000_000))
    return monotonic_us() - began


def machine() -> dict[str, object]:
    """What this was measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model\t")))
    return {
        "cpu": next(named, platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "spin_ms": round(min(_spin_us() for _ in range(5)) / 1000, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
