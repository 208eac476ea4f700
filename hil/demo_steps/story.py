"""A step of the story: what should happen, what did, and whether that is the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.errors import PermitgateError

if TYPE_CHECKING:
    from hil.demo_steps.stage import Stage

_LOOK_S = 0.02

Found = TypeVar("Found")


class BrokenOffError(PermitgateError):
    """What the rest of a step needs did not happen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in words: what was found, and what should have been if that is not it."""

    what: str
    got: str
    ok: bool
    expected: str = ""

    def __str__(self) -> str:
        wrong = "" if self.ok or not self.expected else f" (expected {self.expected})"
        return f"{self.what}: {self.got}{wrong}"


@dataclass(slots=True)
class Findings:
    """What one step found; ``show`` is told of each as it happens."""

    show: Callable[[Finding], None] = lambda finding: None
    all: list[Finding] = field(default_factory=list)

    def same(self, what: str, got: object, expected: object) -> None:
        """It should be exactly that."""
        self._add(Finding(what, str(got), got == expected, str(expected)))

    def true(self, what: str, ok: bool, got: str) -> None:
        """It should hold; ``got`` says what was seen."""
        self._add(Finding(what, got, ok))

    def broken_off(self, why: str) -> None:
        """The step could not be played to its end."""
        self._add(Finding("broken off", why, False))

    @property
    def ok(self) -> bool:
        """Whether something was looked at and all of it was as it should be."""
        return bool(self.all) and all(each.ok for each in self.all)

    def _add(self, finding: Finding) -> None:
        self.all.append(finding)
        self.show(finding)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``needed``: if it fails there is nothing to play the rest on."""

    name: str
    en: str
    zh: str
    expected: str
    play: Callable[["Stage", Findings], None]
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step went; ``ms`` is how long it took."""

    name: str
    expected: str
    got: str
    ok: bool
    ms: int

    def as_json(self) -> dict[str, Any]:
        """As the report has it."""
        return {"name": self.name, "expected": self.expected, "got": self.got, "ok": self.ok, "ms": self.ms}


def play(step: Step, stage: "Stage", findings: Findings) -> Outcome:
    """Play a step to its end or to where it breaks off. Raises only what is no error of ours or of the machine."""
    began_ms = monotonic_ms()
    try:
        step.play(stage, findings)
    except (PermitgateError, OSError) as error:
        findings.broken_off(str(error))
    got = "; ".join(map(str, findings.all))
    return Outcome(step.name, step.expected, got, findings.ok, monotonic_ms() - began_ms)


def unplayed(steps: Sequence[Step]) -> list[Outcome]:
    """Steps that were not reached count as failed."""
    return [Outcome(step.name, step.expected, "not reached", False, 0) for step in steps]


def until(what: str, look: Callable[[], Found | None], within_s: float) -> Found:
    """The first thing found by looking again and again. Raises BrokenOffError naming ``what`` if it does not come."""
    deadline_ms = monotonic_ms() + int(within_s * 1000)
    while not (found := look()):
        if monotonic_ms() > deadline_ms:
            raise BrokenOffError(f"not within {within_s:g} s: {what}")
        sleep(_LOOK_S)
    return found
