"""``hq publish``: nothing is signed before the file was judged as strictly as any gateway will judge it."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge.__main__ import main
from sync.hq import admin
from sync.hq.publishing import published

NOW_MS = 1_793_520_000_000
SHIPPED = (resources.files("edge.rules") / "gb30871.toml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    admin.init(tmp_path / "hq", ("s014", "pg.example.org"), "gw1", [], NOW_MS)
    return tmp_path / "hq"


def version(number: int, since: str, **changes: str) -> str:
    text = SHIPPED.replace("version = 2\n", f"version = {number}\n").replace('from = "2022-10-01"', f'from = "{since}"')
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def run(folder: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["hq", *map(str, arguments), "--dir", str(folder)])


def publish(folder: Path, text: str) -> tuple[int, Any]:
    path = folder.parent / "gb30871.3.toml"
    path.write_text(text, encoding="utf-8")
    done = run(folder, "publish", path, "--json")
    return done.exit_code, json.loads(done.stdout)


def test_a_good_version_is_published_once_whatever_how_often_it_is_said(folder: Path) -> None:
    text = version(3, "2026-12-01")
    assert publish(folder, text)[1]["new"]
    code, again = publish(folder, text)
    assert (code, again["ok"], again["new"], again["name"]) == (0, True, False, "gb30871/3")
    assert published(folder, "gb30871") == [("gb30871/3", text.encode())]


def test_every_finding_is_named_and_nothing_is_signed(folder: Path) -> None:
    lax = version(3, "2026-12-01").replace('limit = "0.5"', 'limit = "0.6"').replace('mark = "V"', 'mark = "W"', 1)
    code, told = publish(folder, lax)
    assert code == 2
    assert len(told["problems"]) > 1
    assert all(each.startswith(f"{folder.parent / 'gb30871.3.toml'}:") for each in told["problems"])
    assert any("laxer than the floor combustible" in each for each in told["problems"])
    assert published(folder, "gb30871") == []


@pytest.mark.parametrize(
    ("number", "since", "said"),
    [
        (2, "2026-12-01", "is at hand already"),
        (3, "2022-10-01", "a later version begins later"),
        (5, "2026-11-01", "a later version begins later"),
    ],
)
def test_a_version_must_fit_beside_those_that_ship_and_those_published_before(
    folder: Path, number: int, since: str, said: str
) -> None:
    assert publish(folder, version(4, "2026-12-01"))[0] == 0
    code, told = publish(folder, version(number, since))
    assert code == 2
    assert said in told["problems"][0]


def test_another_text_under_a_published_version_is_refused(folder: Path) -> None:
    publish(folder, version(3, "2026-12-01"))
    path = folder.parent / "gb30871.3.toml"
    path.write_text(version(3, "2026-12-02"), encoding="utf-8")
    done = run(folder, "publish", path)
    assert done.exit_code == 1
    assert "published already with another text" in done.stderr


def test_what_ships_may_be_published_for_gateways_of_an_older_program(folder: Path) -> None:
    assert publish(folder, SHIPPED)[1]["new"]


def test_import_of_a_pack_points_to_publish(folder: Path) -> None:
    line = {"v": 1, "op": "put", "k": "rules", "id": "gb30871/3", "rev": 1, "rec": {"sha256": "0" * 64, "text": ""}}
    path = folder.parent / "in.jsonl"
    path.write_text(json.dumps(line), encoding="utf-8")
    done = run(folder, "import", path)
    assert done.exit_code == 1
    assert "permitgate hq publish FILE" in done.stdout


def test_a_version_is_revoked_by_its_name(folder: Path) -> None:
    publish(folder, version(3, "2026-12-01"))
    done = run(folder, "revoke", "rules", "gb30871/3", "--reason", "wrong figure", "--json")
    assert json.loads(done.stdout) == {"ok": True, "new": True, "known": True}
    code = run(folder, "revoke", "rules", "gb30871", "--reason", "typo").exit_code
    assert code == 1
