"""``python -m hil.bench``: run the benchmarks, print the table, write ``build/bench.json``. A miss is no error."""

import gc
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table

from edge.host import journal_log
from edge.host.system_clock import monotonic_ms, utc_ms
from edge.ports.errors import PermitgateError
from hil.bench import buses, decisions, journals, live, poll_loss, readings, starts
from hil.bench.rows import Row, machine

_FOLDER = Path("build/bench")
_RESULT = Path("build/bench.json")


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be measured, and why."""

    name: str
    why: str

    def as_json(self) -> dict[str, object]:
        """The row of ``bench.json``: no value, not met."""
        return {"name": self.name, "value": None, "met": False, "error": self.why}


BENCHMARKS: Mapping[str, Callable[[Path], Row]] = {
    "decision_p99_ms": decisions.decision_p99,
    "decision_growth": decisions.decision_growth,
    "tap_to_lock_p99_ms": live.tap_to_lock,
    "gas_to_hold_ms": live.gas_to_hold,
    "gas_to_hold_slow_disk_ms": live.gas_to_hold_slow_disk,
    "modbus_per_cpu": buses.modbus_per_cpu,
    "reading_cpu_ms_per_1k": buses.reading_cpu,
    "poll_loss_50ms": poll_loss.poll_loss,
    "dead_unit_stretch": buses.dead_unit,
    "journal_single": journals.journal_single,
    "journal_batched_per_s": journals.journal_batched,
    "delta_100_ms": journals.delta,
    "curve_ms": readings.curve_ms,
    "reading_bytes": readings.reading_bytes,
    "ready_s": starts.ready,
    "rss_mib": starts.memory,
}
"""Each row's name and how it is measured; the argument is a folder on the disk to be measured, which keeps caches."""


def measure(name: str, folder: Path) -> Row | Failed:
    """One row. What goes wrong there is that row's, and stops no other."""
    gc.collect()
    try:
        return BENCHMARKS[name](folder)
    except (PermitgateError, AssertionError, OSError, RuntimeError, sqlite3.Error) as error:
        return Failed(name, f"{type(error).__name__}: {error}"[:500])


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(list(BENCHMARKS)), help="Measure only this row.")
@click.option("--json", "json_to", type=click.Path(dir_okay=False, path_type=Path), default=_RESULT, show_default=True)
def main(names: tuple[str, ...], json_to: Path) -> None:
    """Measure every row of the budget beside its baseline. Exit code 0 also when a budget is missed."""
    journal_log.configure(simulated=True)
    console = Console(width=None if Console().is_terminal else 150)
    on = machine()
    began_ms, at_ms = monotonic_ms(), utc_ms()
    console.print(" · ".join(f"{key} {value}" for key, value in on.items()), highlight=False)
    rows: list[Row | Failed] = []
    for name in names or BENCHMARKS:
        with console.status(name):
            rows.append(measure(name, _FOLDER.resolve()))
        _say(console, rows[-1])
    took_s = (monotonic_ms() - began_ms) / 1000
    result = {"machine": on, "at_ms": at_ms, "took_s": round(took_s, 1), "rows": [row.as_json() for row in rows]}
    json_to.parent.mkdir(parents=True, exist_ok=True)
    json_to.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    console.print(_table(rows))
    kept = sum(isinstance(row, Row) and row.met for row in rows)
    console.print(f"{kept} of {len(rows)} budgets kept, {took_s:.0f} s; all figures in {json_to}", highlight=False)


def _say(console: Console, row: Row | Failed) -> None:
    if isinstance(row, Failed):
        console.print(f"{row.name}: NOT MEASURED: {row.why}", highlight=False)
        return
    verdict = "kept" if row.met else "MISSED"
    console.print(f"{row.name}: {row.value:.4g} {row.unit} ({row.bound} {row.budget:g}: {verdict})", highlight=False)


def _table(rows: list[Row | Failed]) -> Table:
    table = Table("name", "value", "unit", "budget", "met", "ratio", "baseline")
    for row in rows:
        if isinstance(row, Failed):
            table.add_row(row.name, "—", "", "", "NOT MEASURED", "", row.why[:60])
            continue
        sign = "≤" if row.bound == "at most" else "≥"
        met = "yes" if row.met else "MISSED"
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        baseline = f"{row.baseline_value:.4g} {row.baseline_unit}: {row.baseline}"
        table.add_row(row.name, f"{row.value:.4g}", row.unit, f"{sign} {row.budget:g}", met, ratio, baseline)
    return table


if __name__ == "__main__":
    main()
