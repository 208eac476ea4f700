"""How long readings are kept: by the policy, by the lower bound of the time, and by what HQ has cosigned."""

from pathlib import Path

import pytest
from gateways import enrol, write_config

from edge.app.housekeeping import Readings, build_housekeeping
from edge.config import load
from edge.core.messages import Noticed
from edge.core.readings import UtcMs
from edge.ports.errors import ConfigurationError

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = UtcMs(1_793_900_000_000)


def config_with(folder: Path, policy: str) -> Path:
    path = write_config(folder)
    path.write_text(path.read_text(encoding="utf-8").replace("[policy]", f"[policy]\n{policy}"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("policy", "rows_days", "files_days"),
    [("", 30, 400), ("rows_kept_d = 7\nreadings_kept_d = 3660", 7, 3660)],
)
def test_rows_and_files_go_when_the_policy_says(tmp_path: Path, policy: str, rows_days: int, files_days: int) -> None:
    config = load(config_with(tmp_path, policy))
    enrol(config.gateway.data_dir)
    asked: list[tuple[str, int, int | None]] = []
    readings = Readings(
        thin=lambda before_ms: asked.append(("thin", before_ms, None)),
        expire=lambda before_ms, acked: asked.append(("expire", before_ms, acked())),
        bundle=lambda before_ms: asked.append(("bundle", before_ms, None)),
        lowest_utc_ms=lambda: NOW_MS,
        acked=lambda: 7,
    )
    posted: list[Noticed] = []
    housekeeping = build_housekeeping(config, readings, posted.append)
    jobs = {job.name: job for job in housekeeping._jobs}
    jobs["telemetry_thinning"].run()
    jobs["telemetry_expiry"].run()
    jobs["telemetry_bundling"].run()
    assert asked == [
        ("thin", NOW_MS - rows_days * DAY_MS, None),
        ("expire", NOW_MS - files_days * DAY_MS, 7),
        ("bundle", NOW_MS - HOUR_MS, None),
    ]


@pytest.mark.parametrize("key", ["readings_kept_d = 365", "rows_kept_d = 0", "seal_s = 301"])
def test_a_policy_below_the_rules_or_beyond_reason_is_refused_with_its_range(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(config_with(tmp_path, key))
    (problem,) = refused.value.problems
    assert key.partition(" ")[0] in problem
    assert " to " in problem
