"""The curve of one device over a time: its stored readings in order of time, and every hole among them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from operator import lt, sub
from typing import cast

from edge.core.readings import Quality
from edge.storage.blobs import BlobStore
from edge.storage.sealed import Columns
from edge.storage.telemetry_reader import TelemetryReader

_ABSENT = Quality.NEVER_READ.value
"""For a channel that the device did not have at that time: its profile has changed since."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is stored in [first_ms, last_ms] UTC but at its ends. ``file``: the sealed file that cannot be read."""

    first_ms: int
    last_ms: int
    file: str | None = None


@dataclass(slots=True)
class Curve:
    """Readings of a device in [from_ms, to_ms) UTC, column by column, in order of time.

    ``steps`` and ``qualities`` have one list a channel, as long as ``wall_ms``; steps are None where quality is not
    ``good``. ``sealed`` readings come from files that are what their names say; ``troubles`` tells of files that are
    not. ``silences`` are longer than two polls, at the beginning and at the end too. Readings from ``unsealed_ms`` on
    are not sealed yet, None: all are.
    """

    device: str
    from_ms: int
    to_ms: int
    wall_ms: list[int] = field(default_factory=list)
    steps: dict[str, list[int | None]] = field(default_factory=dict)
    qualities: dict[str, list[str]] = field(default_factory=dict)
    sealed: int = 0
    troubles: list[str] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    unsealed_ms: int | None = None


def read_curve(reader: TelemetryReader, blobs: BlobStore, device: str, window: tuple[int, int], poll_ms: int) -> Curve:
    """The curve of a device in that window of UTC ms, the end exclusive. Readings whose UTC is unknown are not in it.

    Raises StoreError, DamagedError for a database that cannot be read; a damaged file is a trouble of the curve.
    """
    curve = Curve(device, *window)
    unread: list[Silence] = []
    for piece in reader.series(device, *window, blobs):
        if piece.trouble:
            curve.troubles.append(piece.trouble)
        elif not piece.sealed and piece.first_ms is not None:
            curve.unsealed_ms = min(piece.first_ms, curve.unsealed_ms or piece.first_ms)
        if piece.columns is None:
            unread.append(Silence(piece.first_ms or window[0], piece.last_ms or window[1], piece.trouble))
            continue
        before = len(curve.wall_ms)
        _extend(curve, piece.columns)
        curve.sealed += (len(curve.wall_ms) - before) if piece.sealed else 0
    _order(curve)
    curve.silences = _silences(curve, 2 * poll_ms, unread)
    return curve


def _extend(curve: Curve, columns: Columns) -> None:
    """Append those of the window: all of a piece by far the most often, and then column by column."""
    known, places = _within(columns.wall_ms, curve.from_ms, curve.to_ms)
    for name, steps, qualities in zip(columns.heading.channels, columns.steps, columns.qualities, strict=True):
        if name not in curve.steps:
            curve.steps[name] = [None] * len(curve.wall_ms)
            curve.qualities[name] = [_ABSENT] * len(curve.wall_ms)
        curve.steps[name].extend(steps if places is None else [steps[n] for n in places])
        curve.qualities[name].extend(qualities if places is None else [qualities[n] for n in places])
    curve.wall_ms.extend(known)
    for name in curve.steps.keys() - columns.heading.channels:
        curve.steps[name].extend([None] * len(known))
        curve.qualities[name].extend([_ABSENT] * len(known))


def _within(walls: list[int | None], from_ms: int, to_ms: int) -> tuple[list[int], Sequence[int] | None]:
    """The known times of a window and their places, None: all of them."""
    if None not in walls:
        known = cast(list[int], walls)
        if known and from_ms <= min(known) and max(known) < to_ms:
            return known, None
    places = [n for n, wall in enumerate(walls) if wall is not None and from_ms <= wall < to_ms]
    return [cast(int, walls[n]) for n in places], places


def _order(curve: Curve) -> None:
    """Sort by time, each instant once: a clock that was set, or a power cut, may have left pieces that overlap."""
    walls = curve.wall_ms
    if all(map(lt, walls, islice(walls, 1, None))):
        return
    places = sorted(range(len(walls)), key=lambda n: (walls[n], n))
    kept = [place for n, place in enumerate(places) if not n or walls[place] != walls[places[n - 1]]]
    curve.wall_ms = [walls[n] for n in kept]
    curve.sealed = min(curve.sealed, len(kept))
    for name in curve.steps:
        curve.steps[name] = [curve.steps[name][n] for n in kept]
        curve.qualities[name] = [curve.qualities[name][n] for n in kept]


def _silences(curve: Curve, longest_ms: int, unread: Sequence[Silence]) -> list[Silence]:
    times = [curve.from_ms, *curve.wall_ms, curve.to_ms]
    if max(map(sub, islice(times, 1, None), times)) <= longest_ms:
        return []
    found = []
    for before, after in pairwise(times):
        if after - before > longest_ms:
            file = next((each.file for each in unread if each.first_ms < after and before < each.last_ms), None)
            found.append(Silence(before, after, file))
    return found
