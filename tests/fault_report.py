"""The table of device x fault, from what the tests of this session found: one part a wire, joined at the end."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fault_matrix import EXCEPTIONS, IMPOSSIBLE, NEXT, SURVIVED, UNKNOWN, Result

FOLDER = Path(__file__).resolve().parents[1] / "build" / "fault_matrix"


def keep(wire: str, results: Sequence[Result]) -> None:
    """For the report at the end of the session, which another process prints."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [[each.model, each.wire, each.fault, each.verdict, each.why, len(each.problems)] for each in results]
    (FOLDER / f"{wire}.json").write_text(json.dumps(rows), encoding="utf-8")


_MARKS = {NEXT: "x", SURVIVED: "=", UNKNOWN: "?", IMPOSSIBLE: "."}


def report(folder: Path = FOLDER) -> list[str]:
    """The table in lines, from what ``keep`` kept; empty if the matrix did not run."""
    rows = [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text(encoding="utf-8"))]
    if not rows:
        return []
    models = sorted({row[0] for row in rows})
    cells: dict[tuple[str, str], list[str]] = {}
    for model, _, fault, verdict, _, problems in rows:
        mark = "!" if problems else _MARKS.get(verdict, verdict.removeprefix("within "))
        cells.setdefault((_row(fault), model), []).append(mark)
    faults = list(dict.fromkeys(_row(row[2]) for row in rows))
    width = max(4, *(len("/".join(dict.fromkeys(each))) + 1 for each in cells.values()))
    lines = ["device x fault, each over the wire through the real driver (Modbus/TCP, and RTU where the device has it)"]
    lines += [f"  {number:>3} {model}" for number, model in enumerate(models, 1)]
    lines.append(" " * 24 + "".join(f"{number:>{width}}" for number in range(1, len(models) + 1)))
    for fault in faults:
        found = ("/".join(dict.fromkeys(cells.get((fault, model), ["."]))) for model in models)
        lines.append(f"{fault:<24}" + "".join(f"{each:>{width}}" for each in found))
    lines.append("x not good from the next poll on   = true or not good, never wrong   N s not good within N s")
    lines.append(". the device cannot have it        ? cannot be known, see below      ! WRONG")
    for sentence in _unknowns(rows, models):
        lines += textwrap.wrap(f"? {sentence}", 150, subsequent_indent="    ")
    return lines


def _row(fault: str) -> str:
    """The exception codes share a row."""
    return "exception 1 to 11" if fault in EXCEPTIONS else fault


def _unknowns(rows: Sequence[Sequence[Any]], models: Sequence[str]) -> list[str]:
    """What cannot be known and why, with the numbers of the models of which that holds."""
    found: dict[tuple[str, str], set[str]] = {}
    for model, _, fault, verdict, why, _ in rows:
        if verdict == UNKNOWN:
            found.setdefault((fault, why), set()).add(model)
    return [
        f"{fault}: {why} ({', '.join(str(models.index(each) + 1) for each in sorted(names))})"
        for (fault, why), names in sorted(found.items())
    ]
