"""A reader that is attacked rests: its entry side answers nobody for a while. The exit side never rests.

Kept for one run only: a restart ends a rest, and nobody outside can bring one about. A grant that was decided before
goes on: it was given to a good badge, and what others tap takes nothing from it.
"""

from dataclasses import replace

from edge.core.bad_badges import BAD_MOST, Attack, is_bad
from edge.core.entries import Json
from edge.core.facts import Facts, Tap
from edge.core.messages import Timer
from edge.core.reasons import Reason
from edge.core.turn import Turn


def refused_in_rest(turn: Turn, tap: Tap) -> bool:
    """Whether the reader of this tap rests: then the badge is not looked at, and the tap is counted, not recorded."""
    rest_due(turn, tap.reader)
    attack = turn.state.attacks.get(tap.reader)
    if attack is None or not attack.rests(turn.now_ms):
        return False
    _keep(turn, tap.reader, replace(attack, refused=attack.refused + 1))
    return True


def note_badge(turn: Turn, tap: Tap, facts: Facts) -> None:
    """A badge was judged at the entry side: if it was one bad badge too many, the reader's rest begins."""
    rest_ms = turn.state.site.policy.reader_rest_ms
    if not rest_ms or not is_bad(facts):
        return
    attack = turn.state.attacks.get(tap.reader, Attack()).after_bad(turn.now_ms, rest_ms)
    _keep(turn, tap.reader, attack)
    if not attack.rests(turn.now_ms):
        return
    body: dict[str, Json] = {
        "reason": Reason.READER_RESTING.value,
        "reader": tap.reader,
        "door": tap.door,
        "area": turn.state.site.doors[tap.door].area,
        "bad_badges": BAD_MOST,
        "lasts_ms": rest_ms,
    }
    turn.author("reader.resting", body, cause=tap.tap_id)
    turn.timer(Timer.REST, tap.reader, rest_ms)


def rest_due(turn: Turn, reader: str) -> None:
    """The rest of a reader is told to be over once its time has run; it begins to count anew."""
    attack = turn.state.attacks.get(reader)
    if attack is None or attack.rests_until_ms is None or attack.rests(turn.now_ms):
        return
    turn.change(attacks={name: each for name, each in turn.state.attacks.items() if name != reader})
    turn.author("reader.rested", {"reader": reader, "refused": attack.refused})


def _keep(turn: Turn, reader: str, attack: Attack) -> None:
    turn.change(attacks={**turn.state.attacks, reader: attack})
