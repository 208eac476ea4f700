"""Curves: what instruments measured, with gaps; those of a permit with the time of its work and the limits that held.

Everything is read from this gateway's files, while the daemon runs or not.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.app.replay import NotReplayableError, ask_again, entries_of, read_entry
from edge.app.site_plan import build_site
from edge.config_values import Config
from edge.core.clock import ClockInterval, ClockSource
from edge.core.readings import UtcMs
from edge.core.rules import Interlock
from edge.ports.errors import RefusedError
from edge.storage import news
from edge.storage.blobs import BlobStore
from edge.storage.curves import Curve, Silence, read_curve
from edge.storage.journal_reader import JournalReader, Search
from edge.storage.telemetry_reader import TelemetryReader

FILE_LOST, OPEN, PENDING, UNTOLD = "file_lost", "open", "pending", "untold"
"""Why nothing is shown, beside the reasons of ``GapWhy``: a sealed file is gone or damaged; it has not ended yet; it is
told when the readings after it are sealed; no entry tells of it."""


@dataclass(frozen=True, slots=True)
class Work:
    """A permit's work: from its first entry to its closing, None: it goes on. ``limits`` held for it.

    ``limits_from``: the entry whose evidence has them, None: they are this configuration's.
    """

    permit: str
    areas: tuple[str, ...]
    from_ms: int
    to_ms: int | None
    first_entry: int
    limits: tuple[Interlock, ...]
    limits_from: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """A time in UTC ms, the end exclusive. Gaps in it are told from ``first_entry`` on."""

    from_ms: int
    to_ms: int
    first_entry: int = 0


@dataclass(frozen=True, slots=True)
class CurveGap:
    """A hole in a curve and why, a code of ``GapWhy`` or of this module; ``entry`` tells of it, None: none does."""

    first_ms: int
    last_ms: int
    why: str
    entry: int | None


@dataclass(frozen=True, slots=True)
class ToldCurve:
    """A device's curve and its gaps."""

    curve: Curve
    gaps: tuple[CurveGap, ...]


def work_of(journal: JournalReader, config: Config, permit_id: str) -> Work:
    """When and where a permit's work ran. Raises RefusedError if it has not begun here, DamagedError."""
    began: tuple[int, Mapping[str, Any]] | None = None
    granted: list[tuple[int, Mapping[str, Any]]] = []
    to_ms: int | None = None
    for seq, leaf in _entries(journal, Search(permit=permit_id)):
        match leaf["typ"]:
            case "access.decided" if leaf["body"].get("decision") == "granted":
                granted = [*granted[:1], (seq, leaf)]
            case "permit.begun":
                began = began or (seq, leaf)
            case "permit.closed":
                to_ms = leaf["t"]["w"]
    if began is None or began[1]["t"]["w"] is None:
        raise RefusedError(f"permit {permit_id}: no work of it has begun on this gateway, so it has no curve")
    seq, leaf = began
    areas = tuple(area for area in leaf["body"].get("areas", ()) if isinstance(area, str))
    from_ms = leaf["t"]["w"]
    limits_from, limits = _recorded_limits(journal, granted, permit_id)
    if not limits:
        limits = _configured_limits(config, areas, str(leaf["body"].get("permit_type")), from_ms)
    return Work(permit_id, areas, from_ms, to_ms, seq, limits, limits_from)


def _entries(journal: JournalReader, wanted: Search, start: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for seq, data in entries_of(journal, wanted, start):
        yield seq, read_entry(seq, data)


def _recorded_limits(
    journal: JournalReader, granted: Sequence[tuple[int, Mapping[str, Any]]], permit_id: str
) -> tuple[int | None, tuple[Interlock, ...]]:
    """The limits in the questions of the first and the last grant: those that people really entered under."""
    found: dict[Interlock, None] = {}
    last: int | None = None
    for seq, leaf in granted:
        evidence = journal.evidence(seq)
        if evidence is None:
            continue
        try:
            question, _ = ask_again(leaf["body"], evidence)
        except NotReplayableError:
            continue
        last = seq
        of_permit = (each for each in question.permits if each.permit.permit == permit_id)
        found.update(dict.fromkeys(measured.interlock for each in of_permit for measured in each.measured))
    return last, tuple(found)


def _configured_limits(config: Config, areas: Iterable[str], permit_type: str, at_ms: int) -> tuple[Interlock, ...]:
    site = build_site(config)
    clock = ClockInterval(UtcMs(at_ms), UtcMs(at_ms), ClockSource.NONE)
    plans = (site.areas[area] for area in areas if area in site.areas)
    demands = (plan.demanded(permit_type, plan.speaking(clock), clock) for plan in plans)
    return tuple(lock for each in demands for lock in each.interlocks)


def read_curves(
    journal: JournalReader, telemetry: TelemetryReader, blobs: BlobStore, polls: Mapping[str, int], span: Span
) -> list[ToldCurve]:
    """The curves over that time of the devices that ``polls`` names with their period in ms.

    Raises DamagedError, StoreError.
    """
    told = _told_gaps(journal, polls.keys(), span)
    found = []
    for device, poll_ms in polls.items():
        curve = read_curve(telemetry, blobs, device, (span.from_ms, span.to_ms), poll_ms)
        over = telemetry.sealed_after(device, span.to_ms)
        gaps = tuple(_explained(each, told.get(device, ()), curve, over) for each in curve.silences)
        found.append(ToldCurve(curve, gaps))
    return found


def _told_gaps(
    journal: JournalReader, devices: Collection[str], span: Span
) -> Mapping[str, list[tuple[int, Mapping[str, Any]]]]:
    """(number, body) of the gaps told of these devices that may overlap that time."""
    found: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    beyond: set[str] = set()
    for seq, leaf in _entries(journal, Search(kind=news.GAP), span.first_entry):
        body = leaf["body"]
        device = body.get("subject")
        if device not in devices:
            continue
        if body.get("first_ms", 0) < span.to_ms:
            found.setdefault(device, []).append((seq, body))
        else:
            # A device's gaps are told in order of time.
            beyond.add(device)
            if beyond.issuperset(devices):
                break
    return found


def _explained(silence: Silence, told: Iterable[tuple[int, Mapping[str, Any]]], curve: Curve, over: bool) -> CurveGap:
    """A bound that an entry does not give was not known: it is taken as far as it may be.

    ``over``: what was read after the curve is sealed, so that a hole at its end must be told.
    """
    first_ms, last_ms = silence.first_ms, silence.last_ms
    for seq, body in told:
        if body.get("first_ms", first_ms) <= first_ms and last_ms <= body.get("last_ms", last_ms):
            return CurveGap(first_ms, last_ms, str(body.get("what")), seq)
    if silence.file is not None:
        return CurveGap(first_ms, last_ms, FILE_LOST, None)
    if curve.unsealed_ms is not None and last_ms >= curve.unsealed_ms and last_ms < curve.to_ms:
        return CurveGap(first_ms, last_ms, PENDING, None)
    return CurveGap(first_ms, last_ms, OPEN if last_ms == curve.to_ms and not over else UNTOLD, None)


def devices_of(config: Config, areas: Iterable[str]) -> tuple[str, ...]:
    """The devices that measure in these areas. Raises RefusedError if none does."""
    wanted = set(areas)
    found = tuple(device.id for device in config.devices if device.area in wanted)
    if not found:
        raise RefusedError(f"no device of the configuration measures in {', '.join(sorted(wanted)) or 'any area'}")
    return found
