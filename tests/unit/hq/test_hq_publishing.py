"""Rule packs at HQ: one version, one text, for ever; the same again changes nothing."""

from pathlib import Path

import pytest

from sync.formats.authority import Put, parse_operation
from sync.formats.record_tables import Kind
from sync.hq import admin
from sync.hq.authority_log import AuthorityLog
from sync.hq.place import open_place
from sync.hq.publishing import publish, published
from sync.hq.refusals import Refusal

NOW_MS = 1_793_520_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    admin.init(tmp_path / "hq", ("s014", "pg.example.org"), "gw1", [], NOW_MS)
    return tmp_path / "hq"


def rules_operations(folder: Path) -> list[Put]:
    place = open_place(folder)
    store = place.store()
    with store.reading() as transaction:
        found = map(parse_operation, transaction.leaves(place.authority_origin, 0, 1_000))
        puts = [each for each in found if isinstance(each, Put) and each.kind is Kind.RULES]
    store.close()
    return puts


def test_a_version_is_one_operation_and_publishing_it_again_adds_none(folder: Path) -> None:
    assert publish(folder, "gb30871/3", b"text three")
    assert not publish(folder, "gb30871/3", b"text three")
    assert publish(folder, "gb30871/4", b"text four")
    assert publish(folder, "gb3087/1", b"another pack")
    assert [each.id for each in rules_operations(folder)] == ["gb30871/3", "gb30871/4", "gb3087/1"]
    assert published(folder, "gb30871") == [("gb30871/3", b"text three"), ("gb30871/4", b"text four")]


def test_a_version_never_becomes_another_text(folder: Path) -> None:
    publish(folder, "gb30871/3", b"text three")
    with pytest.raises(Refusal, match="published already with another text"):
        publish(folder, "gb30871/3", b"text three, mended")
    place = open_place(folder)
    store = place.store()
    other = Put(Kind.RULES, "gb30871/3", 9, {"sha256": "0" * 64, "text": ""})
    added = AuthorityLog(store, place.authority_origin, place.authority_key()).add([other])
    store.close()
    assert added.new == 0
    assert "another text" in added.refused[0][1]


def test_a_revoked_version_is_over_for_ever(folder: Path) -> None:
    publish(folder, "gb30871/3", b"text three")
    assert admin.revoke(folder, "rules", "gb30871/3", "wrong figure")
    assert published(folder, "gb30871") == []
    with pytest.raises(Refusal, match="revoked, which is for ever"):
        publish(folder, "gb30871/3", b"text three")


def test_a_text_that_does_not_fit_is_refused_with_the_figure_and_nothing_is_signed(folder: Path) -> None:
    with pytest.raises(Refusal, match="70000 bytes, allowed at most 65536"):
        publish(folder, "gb30871/3", b"#" * 70_000)
    assert rules_operations(folder) == []


def test_an_hq_that_was_never_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        publish(tmp_path / "nowhere", "gb30871/3", b"text")
