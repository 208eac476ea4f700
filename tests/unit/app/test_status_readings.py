"""What ``status`` says of readings: a figure only while it is one."""

from pathlib import Path
from typing import Any

from gateways import write_config

from edge.app.daemon_parts import readings
from edge.config import load
from edge.core.interlocks import remember_block
from edge.core.readings import BlockRead, MonotonicMs, Quality

STALE_MS = 30_000
TAKEN_MS = 1_000_000


def shown(folder: Path, block: BlockRead | None, age_ms: int) -> dict[str, Any]:
    memories = {} if block is None else {block.device: remember_block(None, block, {}, STALE_MS)}
    found: dict[str, Any] = readings(memories, load(write_config(folder)), TAKEN_MS + age_ms)["gas1.gas"]
    return found


def block(steps: int | None, quality: Quality) -> BlockRead:
    return BlockRead("gas1", ("gas",), (steps,), (quality,), MonotonicMs(TAKEN_MS))


def test_a_reading_older_than_the_limit_is_stale_and_has_no_figure(tmp_path: Path) -> None:
    good = block(15, Quality.GOOD)
    fresh, stale = shown(tmp_path, good, STALE_MS), shown(tmp_path, good, STALE_MS + 1)
    assert (fresh["figure"], fresh["quality"]) == ("1.5 %LEL", "good")
    assert (stale["figure"], stale["steps"], stale["quality"]) == ("—", None, "stale")
    assert stale["age_ms"] == STALE_MS + 1


def test_a_reading_that_was_never_good_keeps_its_own_reason(tmp_path: Path) -> None:
    assert shown(tmp_path, block(None, Quality.INHIBITED), STALE_MS + 1)["quality"] == "inhibited"
    never = shown(tmp_path, None, 0)
    assert (never["figure"], never["quality"], never["age_ms"]) == ("—", "never_read", None)
