"""Fields of a permit's record that say what the work is: what its type is judged by at the door. All may be left out.

A gateway that does not know a field freezes the permit: gateways are upgraded before HQ says these.
"""

from collections.abc import Mapping
from typing import Any

from sync.formats.errors import FormatError
from sync.formats.record_fields import Choice, Field, Identifier, ListOf, Table, Whole

HEIGHT_FACTORS = (
    "strong_gust",
    "cold",
    "cold_water",
    "slippery",
    "poor_light",
    "live_parts",
    "unsteady_footing",
    "bad_air",
    "rescue",
)
"""GB 30871-2022 8.1 [V], in its order: gusts of level 5 (8.0 m/s) and above; mean temperature 5 degC or lower; contact
with water of 12 degC or colder; ice, snow, oil or water underfoot; poor light; live parts nearer than the clause
allows; swaying ground or a foothold under 500 mm; toxic gas or oxygen under 19.5 %; a disaster or a rescue."""

BLIND_OPERATIONS = ("insert", "remove")

CONFIRMATIONS = ("briefing", "risk_analysis", "measures")
"""AQ 3064.2-2025 5.4.5 [V]: what is confirmed before work. It holds for this version of the permit alone."""

ACTIVITIES = ("venting", "draining", "painting", "dust_sweeping")
"""GB 30871-2022 5.2.9 [V]: what may not go on near hot work. Solvent cleaning counts as painting."""

_POSITION = Whole(-10_000_000, 10_000_000)

PERMIT_FACTS: Table = {
    "height_cm": Field(
        Whole(0, 100_000), required=False, words="Height of work, whole centimetres, rounded up: 5.004 m is above 5 m."
    ),
    "factors": Field(
        ListOf(Choice(HEIGHT_FACTORS), most=len(HEIGHT_FACTORS)),
        required=False,
        words="Hazard factors of work at height (GB 30871-2022 8.1); an empty list says that there is none.",
    ),
    "blinds": Field(ListOf(Identifier(), most=32), required=False, words="Blinds by their numbers: one a permit."),
    "operations": Field(
        ListOf(Choice(BLIND_OPERATIONS), most=len(BLIND_OPERATIONS)),
        required=False,
        words="What is done with the blind: one a permit (AQ 3064.2-2025 5.4.4, alarm 20).",
    ),
    "pipe": Field(
        Identifier(), required=False, words="The pipe, written in one way: permits that name it alike share it."
    ),
    "east_cm": Field(_POSITION, required=False, words="Place on the site's own grid, whole centimetres, any origin."),
    "north_cm": Field(_POSITION, required=False, words="The same, northward; both or neither."),
    "activities": Field(
        ListOf(Choice(ACTIVITIES), most=len(ACTIVITIES)),
        required=False,
        words="What the work does that hot work must be away from (GB 30871-2022 5.2.9); solvent cleaning is painting.",
    ),
    "confirmed": Field(
        ListOf(Choice(CONFIRMATIONS), most=len(CONFIRMATIONS)),
        required=False,
        words="What HQ confirmed of this version (AQ 3064.2-2025 5.4.5; 70, 80, 90); the guardian does the rest.",
    ),
}


def check_position(record: Mapping[str, Any]) -> None:
    """A position has both its figures. Raises FormatError naming the one that is missing."""
    for given, lacking in (("east_cm", "north_cm"), ("north_cm", "east_cm")):
        if given in record and lacking not in record:
            raise FormatError(f"missing beside {given}: give both or neither", place=f"rec.{lacking}")
