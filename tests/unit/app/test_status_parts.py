"""What ``status`` answers beside the state: counters under names that Prometheus takes, and how old HQ's word is."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateways import write_config

from edge.app.daemon_parts import _authority, counters
from edge.config import load
from edge.core.messages import AuthorityApplied
from edge.runtime import hq_link
from edge.runtime.hq_link import HqLink, LinkEvents

# https://prometheus.io/docs/instrumenting/exposition_formats/, text format: a name, then labels with quoted values.
_SERIES = re.compile(r'[a-z_:][a-z0-9_:]*_total(\{[a-z_]+="[^"]*"\})?')


def test_counters_have_names_that_prometheus_takes() -> None:
    reader = SimpleNamespace(taps=3, dropped=1, late=1, failed=0)
    daemon: Any = SimpleNamespace(
        loop=SimpleNamespace(steps=1),
        inbox=SimpleNamespace(conflated=0, refused=0),
        journal=SimpleNamespace(commits=2, failures=0),
        telemetry=SimpleNamespace(stored=0, dropped=0),
        bus_loops=[SimpleNamespace(bus="b-1", polls=4, failures=0, overruns=0)],
        readers=SimpleNamespace(counters=lambda: {"r1": reader}),
    )
    found = counters(daemon)
    assert [name for name in found if not _SERIES.fullmatch(name)] == []
    assert found['permitgate_bus_polls_total{bus="b-1"}'] == 4
    assert found['permitgate_reader_dropped_total{reader="r1"}'] == 2


def _daemon(journalled_ms: int | None, heard_ms: int | None, hi_ms: int) -> Any:
    durable = SimpleNamespace(fresh_ms=journalled_ms, authority_size=7)
    return SimpleNamespace(
        loop=SimpleNamespace(state=SimpleNamespace(durable=durable)),
        link=SimpleNamespace(fresh_ms=heard_ms),
        timekeeper=SimpleNamespace(now=lambda state: SimpleNamespace(clock=SimpleNamespace(hi_ms=hi_ms))),
    )


@pytest.mark.parametrize(
    ("journalled_ms", "heard_ms", "age_ms", "fresh"),
    [
        (1_000, None, 900_000, True),
        (1_000, 841_000, 60_000, True),
        (None, None, None, False),
        (999, None, 900_001, False),
    ],
)
def test_the_age_of_hqs_word_is_that_of_the_newest_mark_heard(
    tmp_path: Path, journalled_ms: int | None, heard_ms: int | None, age_ms: int | None, fresh: bool
) -> None:
    config = load(write_config(tmp_path))
    found = _authority(_daemon(journalled_ms, heard_ms, 901_000), config)
    assert (found["age_ms"], found["fresh"]) == (age_ms, fresh)


def test_the_link_remembers_the_newest_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    applied = AuthorityApplied(1, "00", 55, (), (), (), False)
    monkeypatch.setattr(hq_link, "AuthorityReader", lambda path: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(hq_link, "_read", lambda reader, permits: applied)
    posted: list[object] = []
    events = LinkEvents(posted.append, lambda note: None, lambda reader: None)  # type: ignore[arg-type]
    link = HqLink({}, tmp_path / "authority.db", "boot", lambda: 0, events)  # type: ignore[arg-type,return-value]
    assert link.fresh_ms is None
    link._take({"k": "fresh", "fresh_ms": 55})
    assert (link.fresh_ms, posted) == (55, [applied])
