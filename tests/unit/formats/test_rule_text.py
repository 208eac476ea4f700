"""A rule pack as one entry of HQ's log: the text comes out as it went in, or not at all, and never too much."""

import base64
import zlib
from hashlib import sha256
from importlib import resources
from typing import Any

import pytest

from sync.formats.authority import Put, Revoke, Unknown, encode_operation, parse_operation, read_written
from sync.formats.canonical import MAX_ENTRY_BYTES
from sync.formats.errors import FormatError
from sync.formats.record_tables import Kind
from sync.formats.rule_text import PACKED_MAX, TEXT_BYTES_MAX, RulesId, rules_record, split_id, text_of

TEXT = b"# a pack\n" * 40


def packed(held: bytes, **changes: Any) -> dict[str, Any]:
    record = {"sha256": sha256(held).hexdigest(), "text": base64.b64encode(zlib.compress(held, 9)).decode()}
    return {**record, **changes}


def noise(length: int) -> bytes:
    """Bytes that cannot be packed."""
    blocks = (sha256(str(number).encode()).digest() for number in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def test_every_pack_that_ships_fits_into_one_entry_and_comes_out_as_it_was() -> None:
    sizes = {}
    for file in resources.files("edge.rules").iterdir():
        if file.name.endswith(".toml"):
            text = file.read_bytes()
            record = rules_record(text)
            assert text_of(record) == text
            name = f"{file.name.removesuffix('.toml')}/1"
            sizes[file.name] = len(encode_operation(Put(Kind.RULES, name, 1, record)))
    assert "gb30871.toml" in sizes
    assert max(sizes.values()) < MAX_ENTRY_BYTES * 3 // 4, sizes


def test_the_largest_that_is_allowed_still_fits_into_an_entry() -> None:
    record = {"sha256": "a" * 64, "text": "A" * PACKED_MAX}
    longest = RulesId().checked(f"{'p' * 48}/999999", "id", written=True)
    operation = Put(Kind.RULES, longest, 2**53 - 1, record)
    assert parse_operation(encode_operation(operation)) == operation


@pytest.mark.parametrize(
    ("text", "figure"),
    [(b"#" * (TEXT_BYTES_MAX + 1), f"{TEXT_BYTES_MAX + 1} bytes"), (noise(13_000), "characters when packed")],
)
def test_a_text_that_does_not_fit_is_refused_with_the_figure(text: bytes, figure: str) -> None:
    with pytest.raises(FormatError, match=figure):
        rules_record(text)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (packed(b"#" * (TEXT_BYTES_MAX + 1)), "more than 65536 bytes when unpacked"),
        (packed(b"\0" * 10_000_000), "more than 65536 bytes when unpacked"),
        (packed(TEXT, sha256="0" * 64), "its SHA-256 is"),
        (packed(TEXT, text="not base64!"), "cannot be unpacked"),
        (packed(TEXT, text="Ł" * 8), "cannot be unpacked"),
        (packed(TEXT, text=base64.b64encode(TEXT).decode()), "cannot be unpacked"),
        (packed(TEXT, text=base64.b64encode(zlib.compress(TEXT)[:-3]).decode()), "not one whole zlib stream"),
        (packed(TEXT, text=base64.b64encode(zlib.compress(TEXT) + b"x").decode()), "not one whole zlib stream"),
        ({"sha256": "0" * 64}, "cannot be unpacked"),
        ({"text": 7}, "cannot be unpacked"),
    ],
)
def test_whatever_else_a_record_holds_is_a_named_refusal(record: dict[str, Any], said: str) -> None:
    with pytest.raises(FormatError, match=said):
        text_of(record)


@pytest.mark.parametrize("identity", ["gb30871", "gb30871/0", "gb30871/03", "GB/1", "/1", "gb30871/1/2", "a/1000000"])
def test_an_id_that_names_no_version_is_no_id(identity: str) -> None:
    with pytest.raises(FormatError):
        split_id(identity)
    with pytest.raises(FormatError):
        encode_operation(Put(Kind.RULES, identity, 1, rules_record(TEXT)))


def test_a_pack_is_not_imported_but_published_and_may_be_revoked() -> None:
    line = b'{"op":"put","k":"rules","id":"gb30871/3","rev":1,"rec":{}}'
    with pytest.raises(FormatError, match="permitgate hq publish FILE"):
        read_written(line)
    revoked = read_written(b'{"op":"revoke","k":"rules","id":"gb30871/3","why":"wrong figure"}')
    assert revoked == Revoke(Kind.RULES, "gb30871/3", "wrong figure")
    with pytest.raises(FormatError, match="PACK/VERSION"):
        read_written(b'{"op":"revoke","k":"rules","id":"gb30871","why":"wrong figure"}')


def test_a_record_of_another_form_is_a_freeze_as_with_any_other_kind() -> None:
    good = encode_operation(Put(Kind.RULES, "gb30871/3", 1, rules_record(TEXT)))
    assert isinstance(parse_operation(good), Put)
    for old, new in ((b'"sha256":"', b'"sha256":"x'), (b"gb30871/3", b"gb30871.3"), (b'"text"', b'"toml"')):
        assert isinstance(parse_operation(good.replace(old, new)), Unknown)
