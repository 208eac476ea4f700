"""What an inspector is shown for ten permits of ten types; the two notes in edge/RULES.md must be as printed.

``PYTHONPATH=tests python tests/system/app/test_rules_notes.py`` prints them anew into that page.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from inspected import TYPES, explained, inspected_site, without_what_moves
from plants import Plant, Template, make_template

pytestmark = pytest.mark.system

PAGE = Path(__file__).resolve().parents[3] / "edge" / "RULES.md"
NOTES = (("02", "zh"), ("70", "en"))

ASKED = {
    "01": ("gas-1.gas", "o2-1.oxygen", "wind-1.wind_speed"),
    "02": ("gas-1.gas", "o2-1.oxygen", "wind-1.wind_speed"),
    "03": ("gas-1.gas", "o2-1.oxygen", "wind-1.wind_speed"),
    "10": ("gas-1.gas",),
    "21": ("wind-1.wind_speed",),
    "30": ("gas-1.gas", "o2-1.oxygen", "h2s-1.gas"),
    "40": (),
    "50": (),
    "61": ("wind-1.wind_speed",),
    "70": ("gas-1.gas", "o2-1.oxygen", "h2s-1.gas"),
}
"""The channels that must stand in the note of each type, and no others."""

CHANNELS = {channel for channels in ASKED.values() for channel in channels}


def block(code: str, language: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- explain {code} {language} -->\n```\n)(.*?)(```\n)", re.DOTALL)


@pytest.fixture(scope="module")
def site(fresh: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with inspected_site(fresh, tmp_path_factory.mktemp("inspected") / "plant") as made:
        yield made


@pytest.mark.parametrize(("code", "language"), NOTES)
def test_the_note_in_the_page_is_what_is_printed(site: Plant, code: str, language: str) -> None:
    written = block(code, language).search(PAGE.read_text(encoding="utf-8"))
    assert written is not None
    printed = explained(site, code, language)
    assert without_what_moves(written[2]) == without_what_moves(printed)


@pytest.mark.parametrize("code", TYPES)
def test_every_note_names_each_instrument_that_decides_its_clause_its_reading_and_what_people_keep(
    site: Plant, code: str
) -> None:
    for language, passes, people in (("zh", "合格", "由人保证"), ("en", "passes", "kept by people")):
        note = explained(site, code, language)
        assert {channel for channel in CHANNELS if channel in note} == set(ASKED[code])
        assert note.count(f": {passes}\n" if language == "en" else f"：{passes}\n") >= len(ASKED[code])
        assert people in note
        assert "GB 30871-2022" in note
        assert "None" not in note
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in note)
        # Sources are quoted as the pack gives them, in either language.
        assert (chinese > 100) if language == "zh" else (chinese < 20)


def main() -> None:
    """Print both notes into the page."""
    folder = Path(tempfile.mkdtemp())
    text = PAGE.read_text(encoding="utf-8")
    with inspected_site(make_template(folder / "template"), folder / "plant") as made:
        for code, language in NOTES:
            printed = explained(made, code, language)
            text = block(code, language).sub(lambda found, said=printed: found[1] + said + found[3], text)  # type: ignore[misc]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
