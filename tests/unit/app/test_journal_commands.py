"""``permitgate journal …`` on a journal with real decisions: what holds is said, what does not is named."""

import json
import shutil
import sqlite3
from base64 import b64decode, b64encode
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from gateways import Gateway, build_gateway, enrol, write_config
from storages import LOG, MIRROR, cosigned, entries, entry, open_journal

from edge.__main__ import main


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """One gateway for all tests that only read."""
    return build_gateway(tmp_path_factory.mktemp("gateway"))


def run(gateway: Gateway, *arguments: str) -> Result:
    group, command, *rest = arguments
    return CliRunner().invoke(main, [group, command, "--config", str(gateway.config), *rest])


def answer(gateway: Gateway, *arguments: str) -> tuple[int, Any]:
    result = run(gateway, *arguments, "--json")
    return result.exit_code, json.loads(result.stdout)


def tampered_copy(gateway: Gateway, folder: Path, *statements: tuple[str, tuple[object, ...]]) -> Path:
    """A copy of the journal in which somebody with a database tool did this."""
    path = folder / "copy.db"
    shutil.copy(gateway.data / "journal.db", path)
    with closing(sqlite3.connect(path)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement, values in statements:
            connection.execute(statement, values)
        connection.commit()
    return path


def stored(gateway: Gateway, column: str, table: str, seq: int) -> bytes:
    with closing(sqlite3.connect(gateway.data / "journal.db")) as connection:
        found: bytes = connection.execute(f"SELECT {column} FROM {table} WHERE seq = ?", (seq,)).fetchone()[0]
    return found


# ---- verify


def test_a_journal_as_written_verifies_with_its_signatures(kept: Gateway) -> None:
    code, found = answer(kept, "journal", "verify")
    assert code == 0
    assert found["ok"]
    assert found["signatures_judged"]
    assert (found["size"], found["acked"], found["finding"]) == (kept.size, kept.size, None)


@pytest.mark.parametrize("name", ["granted", "tripped", "link"])
def test_one_flipped_byte_names_its_entry(kept: Gateway, tmp_path: Path, name: str) -> None:
    seq = kept.entries[name]
    leaf = bytearray(stored(kept, "leaf", "entry", seq))
    leaf[len(leaf) // 2] ^= 1
    path = tampered_copy(kept, tmp_path, ("UPDATE entry SET leaf = ? WHERE seq = ?", (bytes(leaf), seq)))
    code, found = answer(kept, "journal", "verify", "--journal", str(path))
    assert code == 1
    assert found["finding"]["seq"] == seq
    assert f"entry {seq}" in run(kept, "journal", "verify", "--journal", str(path)).output


def test_a_flipped_byte_on_disk_is_found_not_a_traceback(kept: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    shutil.copy(kept.data / "journal.db", path)
    data = bytearray(path.read_bytes())
    place = data.index(b'"typ":"permit.tripped"') + 9
    data[place] ^= 1
    path.write_bytes(data)
    code, found = answer(kept, "journal", "verify", "--journal", str(path))
    assert (code, found["finding"]["seq"]) == (1, kept.entries["tripped"])


def test_a_bare_copy_without_configuration_is_judged_and_says_that_signatures_were_not(
    kept: Gateway, tmp_path: Path
) -> None:
    path = tampered_copy(kept, tmp_path)
    result = CliRunner().invoke(
        main, ["journal", "verify", "--config", str(tmp_path / "none.toml"), "--journal", str(path)]
    )
    assert result.exit_code == 0
    assert "signatures NOT judged" in result.output


def test_a_copy_whose_cosignature_was_forged_is_refused_by_this_gateways_keys(kept: Gateway, tmp_path: Path) -> None:
    with closing(sqlite3.connect(kept.data / "journal.db")) as connection:
        note = connection.execute("SELECT note FROM cosigned").fetchone()[0]
    text, _, lines = note.partition("\n\n")
    forged = text + "\n\n" + lines.replace("A", "B", 3)
    path = tampered_copy(kept, tmp_path, ("UPDATE cosigned SET note = ?", (forged,)))
    assert answer(kept, "journal", "verify", "--journal", str(path))[0] == 1


@pytest.mark.parametrize("content", [b"", b"not a database at all", None])
def test_what_is_no_journal_is_said_in_words(kept: Gateway, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    for command in ("verify", "replay"):
        result = run(kept, "journal", command, "--journal", str(path))
        assert result.exit_code in (1, 3)
        assert str(path) in result.output
        assert isinstance(result.exception, SystemExit)


# ---- replay


def test_every_decision_comes_out_the_same(kept: Gateway) -> None:
    code, found = answer(kept, "journal", "replay")
    assert code == 0
    assert (found["decided"], found["same"], found["different"], found["erased"]) == (4, 4, 0, 0)


def test_a_question_that_was_altered_is_a_difference(kept: Gateway, tmp_path: Path) -> None:
    seq = kept.entries["granted"]
    evidence = stored(kept, "data", "evidence", seq).replace(b'"steps":30', b'"steps":31')
    path = tampered_copy(kept, tmp_path, ("UPDATE evidence SET data = ? WHERE seq = ?", (evidence, seq)))
    code, found = answer(kept, "journal", "replay", "--journal", str(path))
    assert code == 1
    assert (found["first"]["seq"], found["first"]["what"]) == (seq, "question")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"decision":"denied"', b'"decision":"granted"', "decision"),
        (b'"reason":"worker_not_on_permit"', b'"reason":"permit_unknown"', "reason"),
        (b'["worker_not_on_permit","P1",null]', b"", "failing"),
        (b'"worker":"w9"', b'"worker":"w8"', "worker"),
    ],
)
def test_an_answer_that_its_question_does_not_give_is_named(
    kept: Gateway, tmp_path: Path, old: bytes, new: bytes, what: str
) -> None:
    seq = kept.entries["stranger"]
    leaf = stored(kept, "leaf", "entry", seq)
    assert old in leaf
    changed = leaf.replace(old, new)
    path = tampered_copy(kept, tmp_path, ("UPDATE entry SET leaf = ? WHERE seq = ?", (changed, seq)))
    code, found = answer(kept, "journal", "replay", "--journal", str(path))
    assert code == 1
    assert (found["first"]["seq"], found["first"]["what"]) == (seq, what)
    assert found["same"] == 3


def test_a_question_of_no_known_form_is_a_difference_even_under_its_own_digest(kept: Gateway, tmp_path: Path) -> None:
    seq = kept.entries["forged"]
    for number, evidence in enumerate(
        (b"{}", b"\xff", stored(kept, "data", "evidence", seq).replace(b'"refusal":"signature_bad"', b'"refusal":null'))
    ):
        old = sha256(stored(kept, "data", "evidence", seq)).hexdigest().encode()
        leaf = stored(kept, "leaf", "entry", seq).replace(old, sha256(evidence).hexdigest().encode())
        folder = tmp_path / str(number)
        folder.mkdir()
        path = tampered_copy(
            kept,
            folder,
            ("UPDATE evidence SET data = ? WHERE seq = ?", (evidence, seq)),
            ("UPDATE entry SET leaf = ? WHERE seq = ?", (leaf, seq)),
        )
        code, found = answer(kept, "journal", "replay", "--journal", str(path))
        assert (code, found["first"]["seq"]) == (1, seq)


def test_an_erased_question_is_counted_and_is_no_difference(kept: Gateway, tmp_path: Path) -> None:
    seq = kept.entries["granted"]
    path = tampered_copy(kept, tmp_path, ("UPDATE evidence SET data = NULL WHERE seq = ?", (seq,)))
    code, found = answer(kept, "journal", "replay", "--journal", str(path))
    assert (code, found["same"], found["erased"]) == (0, 3, 1)


# ---- search


def test_search_finds_by_kind_permit_and_time(kept: Gateway) -> None:
    def numbers(*options: str) -> list[int]:
        return [each["seq"] for each in answer(kept, "journal", "search", *options)[1]["entries"]]

    assert numbers("--kind", "permit.tripped") == [kept.entries["tripped"]]
    assert kept.entries["forged"] not in numbers("--permit", "P1")
    assert numbers("--permit", "P1", "--kind", "permit.closed") == [kept.entries["closed"]]
    assert numbers("--from", "2026-05-28 20:44:36", "--kind", "access.decided") == [
        kept.entries["stranger"],
        kept.entries["forged"],
    ]
    assert numbers("--to", "2026-05-28 20:44:30") == [0, 1, 2]


def test_search_is_bounded_and_says_where_to_go_on(kept: Gateway) -> None:
    _, found = answer(kept, "journal", "search", "--limit", "5")
    assert ([each["seq"] for each in found["entries"]], found["next"]) == ([0, 1, 2, 3, 4], 5)
    _, found = answer(kept, "journal", "search", "--start", "5", "--limit", "100")
    assert ([each["seq"] for each in found["entries"]], found["next"]) == (list(range(5, kept.size)), None)


def test_an_unknown_kind_is_answered_with_the_nearest_known_one(kept: Gateway) -> None:
    assert "permit.tripped" in run(kept, "journal", "search", "--kind", "permit.triped").output


def test_a_terminal_is_never_handed_control_characters(kept: Gateway) -> None:
    for arguments in (("search",), ("why", str(kept.entries["link"]))):
        output = run(kept, "journal", *arguments).output
        assert "\x1b" not in output
        assert "\\x1b" in output


# ---- why


def test_a_grant_is_told_with_all_that_it_rested_on_in_both_languages(kept: Gateway) -> None:
    seq = kept.entries["granted"]
    code, found = answer(kept, "journal", "why", str(seq))
    assert code == 0
    assert found["replay"] == {"same": True, "difference": None}
    assert [each["kind"] for each in found["following"]] == ["access.released", "access.not_taken"]
    english, chinese = "\n".join(found["words"]["en"]), "\n".join(found["words"]["zh"])
    for text in ("GRANTED", "worker w1", "permit P1", "3.0 %LEL", "<= 10.0 %LEL", "GB 30871-2022 5.3.2", "gb30871/2"):
        assert text in english
    for text in ("准许", "人员 w1", "作业票 P1", "3.0 %LEL", "GB 30871-2022 5.3.2", "一级动火"):
        assert text in chinese
    assert json.loads(found["leaf"])["seq"] == seq
    assert sha256(b"\x00" + found["leaf"].encode()).hexdigest() == found["leaf_hash"]


def test_a_refusal_is_told_with_every_reason(kept: Gateway) -> None:
    _, found = answer(kept, "journal", "why", str(kept.entries["stranger"]))
    english = "\n".join(found["words"]["en"])
    assert "DENIED: worker_not_on_permit, You are not on this permit" in english
    _, found = answer(kept, "journal", "why", str(kept.entries["forged"]))
    assert "signature_bad" in "\n".join(found["words"]["en"])
    assert "工牌签名无效" in "\n".join(found["words"]["zh"])


def test_other_entries_are_told_in_words(kept: Gateway) -> None:
    _, found = answer(kept, "journal", "why", str(kept.entries["tripped"]))
    english = "\n".join(found["words"]["en"])
    assert "10.1 %LEL, allowed <= 10.0 %LEL" in english
    assert "gas_over_limit" in english
    for seq in range(kept.size):
        assert run(kept, "journal", "why", str(seq)).exit_code == 0


def test_an_erased_decision_is_told_from_the_entry_alone_and_a_damaged_one_in_words(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path)
    seq = gateway.entries["granted"]
    leaf = stored(gateway, "leaf", "entry", seq)
    erase = ("UPDATE evidence SET data = NULL WHERE seq = ?", (seq,))
    shutil.copy(tampered_copy(gateway, tmp_path, erase), gateway.data / "journal.db")
    _, found = answer(gateway, "journal", "why", str(seq))
    english = "\n".join(found["words"]["en"])
    assert "its question was erased" in english
    assert "GRANTED" in english
    assert "3.0 %LEL" in english
    assert found["replay"] is None
    changed = leaf.replace(b'"decision":"granted"', b'"decision":"grbnted"')
    damage = ("UPDATE entry SET leaf = ? WHERE seq = ?", (changed, seq))
    shutil.copy(tampered_copy(gateway, tmp_path, damage), gateway.data / "journal.db")
    result = run(gateway, "journal", "why", str(seq))
    assert result.exit_code == 3
    assert f"entry {seq} is damaged" in result.output


def test_an_entry_that_is_not_there_is_refused_in_words(kept: Gateway) -> None:
    result = run(kept, "journal", "why", "999")
    assert result.exit_code == 3
    assert "999" in result.output


def test_the_gateways_language_comes_first(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path, language="zh")
    assert run(gateway, "journal", "why", "0").output.startswith("第 0 条")


# ---- export


def c2sp_root(folder: Path, size: int) -> bytes:
    """RFC 6962 root from the entry bundles alone, by nothing of ours."""
    entries: list[bytes] = []
    for index in range(-(-size // 256)):
        width = min(256, size - 256 * index)
        name = f"tile/entries/{index:03}" + ("" if width == 256 else f".p/{width}")
        data, at = (folder / name).read_bytes(), 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 2], "big")
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
    level = [sha256(b"\x00" + entry).digest() for entry in entries]
    hashes = b"".join(level[256 * (size // 256) :] or level[-256:])
    name = f"tile/0/{(size - 1) // 256:03}" + ("" if size % 256 == 0 else f".p/{size % 256}")
    assert (folder / name).read_bytes() == hashes

    def root(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        split = 1 << ((len(leaves) - 1).bit_length() - 1)
        return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()

    return root(level)


def c2sp_signatures(note: str, vkeys: str) -> list[str]:
    """Names of the keys whose signatures hold, by the text of C2SP signed-note and tlog-cosignature."""
    text, lines = note.split("\n\n")
    text += "\n"
    good = []
    for vkey in vkeys.splitlines():
        name, key_id, material = vkey.split("+", 2)
        kind, public = b64decode(material)[0], b64decode(material)[1:]
        assert sha256(f"{name}\n".encode() + bytes([kind]) + public).digest()[:4].hex() == key_id
        for line in lines.splitlines():
            dash, signer, encoded = line.split(" ")
            signature = b64decode(encoded)
            if dash != "\u2014" or signer != name or signature[:4].hex() != key_id:
                continue
            message, signature = text.encode(), signature[4:]
            if kind == 4:
                at_s = int.from_bytes(signature[:8], "big")
                message, signature = f"cosignature/v1\ntime {at_s}\n{text}".encode(), signature[8:]
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
            good.append(name)
    return good


def test_tiles_verify_by_the_text_of_the_standards_alone(kept: Gateway, tmp_path: Path) -> None:
    code, found = answer(kept, "journal", "export", "--tiles", str(tmp_path / "tiles"))
    assert code == 0
    assert (found["size"], found["cosigned"], found["beyond"]) == (kept.size, True, 0)
    note = (tmp_path / "tiles" / "checkpoint").read_text(encoding="utf-8")
    origin, size, root = note.split("\n")[:3]
    assert (origin, size) == (LOG.name, str(kept.size))
    assert root == b64encode(c2sp_root(tmp_path / "tiles", kept.size)).decode()
    vkeys = (tmp_path / "tiles" / "vkeys").read_text(encoding="utf-8")
    assert c2sp_signatures(note, vkeys) == [LOG.name, MIRROR.name]


def test_an_export_stands_under_the_newest_cosigned_checkpoint_and_counts_what_is_beyond(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path, cosigned_to="stranger")
    _, found = answer(gateway, "journal", "export", "--tiles", str(tmp_path / "tiles"))
    assert found["size"] == gateway.entries["stranger"] + 1
    assert found["beyond"] == gateway.size - found["size"]


def test_before_hq_cosigned_anything_the_signed_checkpoint_is_exported_and_that_is_said(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path, cosigned_to=None)
    result = run(gateway, "journal", "export", "--tiles", str(tmp_path / "tiles"))
    assert result.exit_code == 0
    assert "NOT COSIGNED" in result.output


def test_an_export_is_brought_up_to_date_and_never_written_over_another_log(kept: Gateway, tmp_path: Path) -> None:
    folder = tmp_path / "tiles"
    assert run(kept, "journal", "export", "--tiles", str(folder)).exit_code == 0
    assert run(kept, "journal", "export", "--tiles", str(folder)).exit_code == 0
    other = (folder / "checkpoint").read_text(encoding="utf-8").replace("/gw/gw1/1", "/gw/gw2/1")
    (folder / "checkpoint").write_text(other, encoding="utf-8")
    result = run(kept, "journal", "export", "--tiles", str(folder))
    assert result.exit_code == 3
    assert "gw2" in result.output


def test_an_export_is_never_written_over_another_past_of_the_same_log(kept: Gateway, tmp_path: Path) -> None:
    folder = tmp_path / "tiles"
    assert run(kept, "journal", "export", "--tiles", str(folder)).exit_code == 0
    whole = (folder / "checkpoint").read_text(encoding="utf-8").split("\n")
    for size, said in ((whole[1], "FORK"), ("9999", "holds 9999 entries")):
        text = "\n".join([whole[0], size, b64encode(bytes(32)).decode(), *whole[3:]])
        (folder / "checkpoint").write_text(text, encoding="utf-8")
        result = run(kept, "journal", "export", "--tiles", str(folder))
        assert result.exit_code == 3
        assert said in result.output
        assert (folder / "checkpoint").read_text(encoding="utf-8") == text


def test_a_damaged_copy_is_refused_whether_or_not_there_is_a_gateway_here(kept: Gateway, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_bytes(b"x" + (kept.data / "journal.db").read_bytes()[1:])
    for config in (kept.config, tmp_path / "absent.toml"):
        result = CliRunner().invoke(
            main, ["journal", "verify", "--config", str(config), "--journal", str(tmp_path / "copy.db")]
        )
        assert result.exit_code == 1
        assert "damaged" in result.output


def long_gateway(folder: Path) -> Gateway:
    """A journal of three bundles, of which HQ holds all."""
    gateway = Gateway(folder, write_config(folder), folder / "data", size=701)
    enrol(gateway.data)
    writer = open_journal(gateway.data)
    writer.append([*entries(0, 700), entry(700, "log.pruned", body={"to": 300})], b"{}")
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
    writer.close()
    return gateway


def test_full_tiles_and_the_level_above_them_are_written_as_the_standard_says(tmp_path: Path) -> None:
    gateway, folder = long_gateway(tmp_path), tmp_path / "tiles"
    assert run(gateway, "journal", "export", "--tiles", str(folder)).exit_code == 0
    root = (folder / "checkpoint").read_text(encoding="utf-8").split("\n")[2]
    assert root == b64encode(c2sp_root(folder, gateway.size)).decode()
    files = sorted(str(path.relative_to(folder / "tile")) for path in (folder / "tile").rglob("*") if path.is_file())
    assert files == [
        "0/000",
        "0/001",
        "0/002.p/189",
        "1/000.p/2",
        "entries/000",
        "entries/001",
        "entries/002.p/189",
    ]
    nodes = [(folder / "tile/0/000").read_bytes()[at : at + 32] for at in range(0, 256 * 32, 32)]
    while len(nodes) > 1:
        nodes = [sha256(b"\x01" + nodes[at] + nodes[at + 1]).digest() for at in range(0, len(nodes), 2)]
    assert (folder / "tile/1/000.p/2").read_bytes()[:32] == nodes[0]


def test_a_pruned_journal_exports_its_hashes_and_says_which_entries_are_gone(tmp_path: Path) -> None:
    gateway, folder = long_gateway(tmp_path), tmp_path / "tiles"
    writer = open_journal(gateway.data)
    while writer.prune(300):
        pass
    writer.close()
    code, found = answer(gateway, "journal", "export", "--tiles", str(folder))
    assert (code, found["pruned_to"]) == (0, 300)
    assert not (folder / "tile/entries/001").exists()
    assert (folder / "tile/0/000").exists()


def test_tiles_of_a_tampered_journal_are_not_passed_off_as_good(tmp_path: Path) -> None:
    gateway = long_gateway(tmp_path)
    leaf = stored(gateway, "leaf", "entry", 5).replace(b'"step":5', b'"step":6')
    path = tampered_copy(gateway, tmp_path, ("UPDATE entry SET leaf = ? WHERE seq = 5", (leaf,)))
    shutil.copy(path, gateway.data / "journal.db")
    result = run(gateway, "journal", "export", "--tiles", str(tmp_path / "tiles"))
    assert result.exit_code == 3
    assert "tile/entries/000" in result.output
