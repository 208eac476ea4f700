"""``permitgate permit pack`` and ``pack verify``: what goes in, what is refused, who signed."""

import json
import random
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import HQ, OPERATIONS, RELEVANT, Gateway, build_gateway
from storages import LOG, MIRROR, STRANGER

from edge.__main__ import main
from edge.storage.blobs import BlobStore
from edge.storage.hour_files import HourFiles
from edge.storage.journal_reader import JournalReader


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """One gateway for all tests that only read."""
    return build_gateway(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(scope="module")
def pack(kept: Gateway) -> Path:
    """The pack of P1."""
    path = kept.folder / "P1.pgpack"
    code, found = build(kept, "P1", "--out", str(path))
    assert code == 0, found
    return path


def build(gateway: Gateway, *arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(main, ["permit", "pack", "--config", str(gateway.config), *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else result.output


def verify(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["pack", "verify", str(path), *options])


def verdict(path: Path, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(verify(path, *options, "--json").stdout)
    return found


def vkeys(folder: Path, *keys: object) -> str:
    path = folder / "vkeys"
    path.write_text("# whom I trust\n\n" + "".join(f"{key}\n" for key in keys), encoding="utf-8")
    return str(path)


def entries_in(path: Path) -> list[int]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("entries/")]
    return sorted(int(name.removeprefix("entries/").removesuffix(".json")) for name in names)


def test_a_pack_holds_the_permits_story_and_what_it_rests_on_and_nothing_else(kept: Gateway, pack: Path) -> None:
    numbers = kept.entries
    own = {3, 4, *range(numbers["granted"], numbers["stranger"] + 1), numbers["tripped"], numbers["closed"]}
    grounds = {2, numbers["sealed_gas1"], numbers["gap_gas1"], numbers["closed"] - 1}
    assert set(entries_in(pack)) == own | grounds
    assert not {numbers["sealed_gas2"], numbers["gap_gas2"]} & set(entries_in(pack)), "a detector of another area"
    assert numbers["forged"] not in entries_in(pack), "a tap that names no permit"
    with zipfile.ZipFile(pack) as archive:
        records = {
            int(name.removeprefix("authority/").removesuffix(".json")): archive.read(name)
            for name in archive.namelist()
            if name.startswith("authority/") and name.endswith(".json")
        }
        files = [archive.read(name) for name in archive.namelist() if name.startswith("blobs/")]
    assert records == {index: OPERATIONS[index] for index in RELEVANT}
    assert files == [b"readings of gas1"]


def test_readings_that_were_put_together_by_the_hour_are_in_the_pack_as_before(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path)
    with closing(JournalReader(gateway.data / "journal.db")) as journal:
        (entry,) = journal.entries(gateway.entries["sealed_gas1"], 1)
    blobs = BlobStore(gateway.data / "blobs")
    last_ms, digest = entry.body["last_ms"], entry.blobs[0].sha256
    assert isinstance(last_ms, int)
    assert HourFiles(blobs).add("gas1", last_ms, [digest]) == [digest]
    blobs.remove(digest)
    path = tmp_path / "P1.pgpack"
    code, found = build(gateway, "P1", "--out", str(path))
    assert code == 0, found
    with zipfile.ZipFile(path) as archive:
        assert archive.read(f"blobs/{digest}") == b"readings of gas1"


def test_a_pack_verifies_with_ones_own_keys_and_says_when_it_only_has_its_own(pack: Path, tmp_path: Path) -> None:
    pinned = verify(pack, "--vkeys", vkeys(tmp_path, LOG.verifier(), MIRROR.cosigner()))
    assert pinned.exit_code == 0
    assert "VERIFIED / 校验通过" in pinned.output
    first = verdict(pack)["lines"][0]
    assert first["en"] == "signers NOT pinned: keys are the pack's own"
    assert verify(pack).exit_code == 0
    assert "OF ONE PIECE" in verify(pack).output
    assert "VERIFIED" not in verify(pack).output
    brackets = verdict(pack)["entries"]
    assert all(each["not_before_ms"] and each["not_after_ms"] for each in brackets)


def test_each_entry_is_told_with_the_bounds_of_its_time(pack: Path) -> None:
    brackets = verdict(pack)["entries"]
    groups = {(each["not_before_ms"], each["not_after_ms"]) for each in brackets}
    told = [line for line in verify(pack).output.splitlines() if ": after 20" in line]
    assert len(told) >= len(groups)
    assert told[0].split(":")[0].strip().startswith(str(brackets[0]["index"]))
    assert f"{brackets[-1]['index']}" in told[-1].split(":")[0]


def test_a_pack_that_is_no_archive_still_says_first_that_nobody_was_pinned(tmp_path: Path) -> None:
    path = tmp_path / "x.pgpack"
    path.write_bytes(b"no archive")
    assert verify(path).exit_code == 1
    assert [line["name"] for line in verdict(path)["lines"]] == ["signers", "archive"]
    pinned = vkeys(tmp_path, LOG.verifier(), MIRROR.cosigner())
    assert [line["name"] for line in verdict(path, "--vkeys", pinned)["lines"]] == ["archive"]


@pytest.mark.parametrize("text", ["\ufeff{0}\n{1}\n", "# mine\r\n{0}\r\n{1}\r\n", "{0}\n\n  {1}"])
def test_a_list_of_keys_may_come_from_any_editor(pack: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "vkeys"
    path.write_bytes(text.format(LOG.verifier(), MIRROR.cosigner()).encode())
    assert verify(pack, "--vkeys", str(path)).exit_code == 0


def test_an_answer_that_cannot_be_written_is_no_refusal(pack: Path, tmp_path: Path) -> None:
    result = verify(pack, "--json", str(tmp_path / "absent" / "answer.json"))
    assert result.exit_code == 3
    assert "there is no such folder" in result.output


@pytest.mark.parametrize(
    "keys", [(STRANGER.verifier(), MIRROR.cosigner()), (LOG.verifier(), STRANGER.cosigner()), (HQ.verifier(),)]
)
def test_a_pack_of_other_signers_than_those_pinned_is_refused(
    pack: Path, tmp_path: Path, keys: tuple[object, ...]
) -> None:
    result = verify(pack, "--vkeys", vkeys(tmp_path, *keys))
    assert result.exit_code == 1
    assert "REFUSED" in result.output


@pytest.mark.parametrize("text", ["", "nonsense\n", "a+b+c\n", "pg.example.org/hq/mirror+00000000+BAAA\n"])
def test_a_list_of_keys_that_cannot_be_read_is_a_usage_error_with_its_line(
    pack: Path, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "vkeys"
    path.write_text(text, encoding="utf-8")
    result = verify(pack, "--vkeys", str(path))
    assert result.exit_code == 2
    assert f"{path}:1:" in result.output


def test_a_flipped_byte_in_any_member_is_refused_and_the_member_named(pack: Path, tmp_path: Path) -> None:
    data = pack.read_bytes()
    with zipfile.ZipFile(pack) as archive:
        places = {each.filename: each.header_offset + 30 + len(each.filename) for each in archive.infolist()}
        sizes = {each.filename: each.file_size for each in archive.infolist()}
    path = tmp_path / "flipped.pgpack"
    for name, start in places.items():
        flipped = bytearray(data)
        flipped[start + sizes[name] // 2] ^= 1
        path.write_bytes(flipped)
        result = verify(path)
        assert result.exit_code == 1, name
        assert name in result.output


def test_a_flipped_bit_anywhere_is_refused_archive_structure_included(pack: Path, tmp_path: Path) -> None:
    data, chance, path = pack.read_bytes(), random.Random(7), tmp_path / "flipped.pgpack"
    with zipfile.ZipFile(pack) as archive:
        directory = archive.start_dir
    places = [chance.randrange(len(data)) for _ in range(20)] + [
        chance.randrange(directory, len(data)) for _ in range(20)
    ]
    for place in [0, len(data) - 1, *places]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        assert verify(path).exit_code == 1, f"byte {place}"


@pytest.mark.parametrize("content", [b"", b"PK", b"not a pack", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_pack_is_refused_not_a_traceback(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pgpack"
    path.write_bytes(content)
    result = verify(path)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "REFUSED" in result.output


def test_a_pack_that_is_not_there_could_not_be_judged(tmp_path: Path) -> None:
    assert verify(tmp_path / "none.pgpack").exit_code == 3


def test_entries_that_hq_has_not_cosigned_are_left_out_and_named(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path, cosigned_to="stranger")
    code, found = build(gateway, "P1", "--out", str(tmp_path / "P1.pgpack"))
    assert code == 0
    assert found["beyond"] == [gateway.entries["tripped"], gateway.entries["closed"]]
    assert verify(tmp_path / "P1.pgpack").exit_code == 0
    assert "permit open" in verify(tmp_path / "P1.pgpack").output


def test_no_pack_comes_of_nothing_cosigned_or_of_an_unknown_permit(kept: Gateway, tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path, cosigned_to=None)
    for where, permit in ((gateway, "P1"), (kept, "P77")):
        code, said = build(where, permit, "--out", str(tmp_path / "P.pgpack"))
        assert code == 3
        assert permit in said
    assert not (tmp_path / "P.pgpack").exists()


def test_a_file_that_is_gone_is_withheld_and_said(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path)
    for path in (gateway.data / "blobs").iterdir():
        path.unlink()
    code, found = build(gateway, "P1", "--out", str(tmp_path / "P1.pgpack"))
    assert (code, found["blobs"]) == (0, 0)
    assert "withheld" in verify(tmp_path / "P1.pgpack").output


def test_no_pack_is_written_that_would_be_refused(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path)
    (gateway.data / "trust" / "root.json").write_bytes(
        (gateway.data / "trust" / "root.json").read_bytes().replace(b'"version":1', b'"version":2')
    )
    code, said = build(gateway, "P1", "--out", str(tmp_path / "P1.pgpack"))
    assert code == 3
    assert "root" in said
    assert not (tmp_path / "P1.pgpack").exists()


def test_a_permit_id_that_is_no_file_name_needs_a_file(kept: Gateway) -> None:
    result = CliRunner().invoke(main, ["permit", "pack", "--config", str(kept.config), "../../P1"])
    assert result.exit_code == 2
    assert "--out" in result.output
