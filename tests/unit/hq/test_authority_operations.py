"""Operations of the authority log: strict where HQ writes, stricter still where a gateway cannot read."""

import json
from typing import Any

import pytest

from sync.formats import canonical
from sync.formats.authority import (
    Freeze,
    Put,
    Release,
    Revoke,
    Scope,
    ScopeKind,
    Unknown,
    encode_operation,
    parse_operation,
    read_written,
    schema,
)
from sync.formats.errors import FormatError
from sync.formats.record_fields import end_ms, instant_ms
from sync.formats.record_tables import Kind

PERMIT: dict[str, Any] = {
    "id": "PTW-1",
    "k": "permit",
    "op": "put",
    "rev": 1,
    "v": 1,
    "rec": {
        "type": "02",
        "areas": ["a1"],
        "workers": ["w1"],
        "guardians": ["w9"],
        "start": "2026-11-01T08:00:00+08:00",
        "end": "2026-11-01T16:00:00+08:00",
        "status": 1,
        "gas": "methane",
        "short_id": 7,
    },
}
CERTIFICATE: dict[str, Any] = {
    "id": "c1",
    "k": "cert",
    "op": "put",
    "rev": 1,
    "rec": {"worker": "w1", "trade": "hot_work", "ends": "2027-03-31", "review_due": "2027-01-01", "status": "valid"},
}
ISSUER: dict[str, Any] = {
    "kid": "00112233",
    "alg": -8,
    "key": "aa" * 32,
    "not_before": 0,
    "not_after": 9,
    "site": "s014",
}


def changed(line: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**line, "rec": {**line["rec"], **fields}}


def read(value: dict[str, Any]) -> Any:
    return read_written(json.dumps(value))


def test_a_permit_end_is_kept_as_its_last_valid_second() -> None:
    operation = read(PERMIT)
    assert operation.record["end"] == 1_793_520_000_000
    assert operation.record["start"] == 1_793_520_000_000 - 8 * 3_600_000


def test_a_certificate_day_is_whole_and_in_site_time() -> None:
    record = read(CERTIFICATE).record
    assert record["ends"] + 1_000 == instant_ms("2027-04-01T00:00:00+08:00", "", False)
    assert record["review_due"] == instant_ms("2027-01-01T15:59:59Z", "", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5z", 1_500),
        ("1970-01-01T08:00:00.001+08:00", 1),
        ("2024-02-29T00:00:00-00:30", 1_709_166_600_000),
    ],
)
def test_rfc_3339_gives_exact_milliseconds(text: str, expected: int) -> None:
    assert instant_ms(text, "x", False) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30",
        "2026-13-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60Z",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00.0001Z",
        "2026-01-01T00:00:00+24:00",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "20260101",
        "",
    ],
)
def test_what_is_not_rfc_3339_is_refused_by_name(text: str) -> None:
    with pytest.raises(FormatError, match=r"rec\.end"):
        read(changed(PERMIT, end=text))


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (changed(PERMIT, status=7), "rec.status"),
        (changed(PERMIT, status=True), "rec.status"),
        (changed(PERMIT, areas=[]), "rec.areas"),
        (changed(PERMIT, workers=["w1", "w1"]), "rec.workers"),
        (changed(PERMIT, workers=["w 1"]), r"rec.workers\[0\]"),
        (changed(PERMIT, short_id=0), "rec.short_id"),
        (changed(PERMIT, short_id=70_000), "rec.short_id"),
        (changed(PERMIT, gass="methane"), "rec.gass"),
        (changed(PERMIT, end="2026-11-01T07:59:59+08:00"), "rec.end"),
        (changed(CERTIFICATE, status="ok"), "rec.status"),
        (changed(CERTIFICATE, worker=None), "rec.worker"),
        ({**PERMIT, "op": "extend"}, "op"),
        ({**PERMIT, "k": "badge"}, "k"),
        ({**PERMIT, "k": "cat"}, "k"),
        ({**PERMIT, "v": 2}, "v"),
        ({**PERMIT, "v": True}, "v"),
        ({**PERMIT, "rev": 0}, "put.rev"),
        ({**PERMIT, "extra": 1}, "put.extra"),
        ({**PERMIT, "id": "x" * 65}, "put.id"),
        ({**PERMIT, "rec": []}, "rec"),
        ({"op": "freeze", "fid": "f", "by": "b", "scope": {"k": "door", "id": "d"}}, "scope.k"),
        ({"op": "freeze", "fid": "f", "by": "b"}, "scope"),
        ({"op": "release", "fids": [], "by": "b"}, "release.fids"),
        ({"op": "revoke", "k": "cert", "id": "c"}, "revoke.why"),
    ],
)
def test_a_bad_line_is_refused_naming_its_field(line: dict[str, Any], place: str) -> None:
    with pytest.raises(FormatError, match=place):
        read(line)


@pytest.mark.parametrize("line", ["", "[]", "{", '{"op":"put","op":"put"}', "[" * 5_000, "x" * 70_000, b"\xff"])
def test_a_line_that_is_no_object_is_refused(line: str | bytes) -> None:
    with pytest.raises(FormatError, match="line"):
        read_written(line)


@pytest.mark.parametrize(
    "operation",
    [
        read(PERMIT),
        read(CERTIFICATE),
        Revoke(Kind.BADGE, "00112233aabbccdd", "lost"),
        Freeze("01JC", Scope(ScopeKind.WORKER, "w1"), "hq", "seen elsewhere"),
        Release(("01JC", "unknown-00"), "hq"),
        Put(
            Kind.ISSUER,
            "k1",
            1,
            {"kid": "00112233", "alg": -8, "key": "aa" * 32, "not_before": 0, "not_after": 9, "site": "s"},
        ),
    ],
)
def test_what_is_written_is_read_again(operation: Any) -> None:
    data = encode_operation(operation)
    assert parse_operation(data) == operation
    assert canonical.encode(canonical.decode(data)) == data


def unreadable(**fields: Any) -> Unknown:
    operation = parse_operation(canonical.encode({"v": 1, **fields}))
    assert isinstance(operation, Unknown)
    return operation


def test_an_unreadable_entry_freezes_the_narrowest_scope_it_names() -> None:
    assert unreadable(op="put", k="permit", id="P", rev=1, rec={}).scope == Scope(ScopeKind.PERMIT, "P")
    assert unreadable(op="new", scope={"k": "area", "id": "a"}).scope == Scope(ScopeKind.AREA, "a")
    assert unreadable(op="put", k="cert", id="c", rev=1, rec={"worker": "w"}).scope == Scope(ScopeKind.WORKER, "w")
    assert unreadable(op="revoke", k="worker", id="w", v=2).scope == Scope(ScopeKind.WORKER, "w")


def test_an_entry_of_no_readable_scope_freezes_the_site() -> None:
    assert unreadable(op="snapshot", size=1).scope is None
    assert unreadable(op="put", k="cert", id="c", rev=1, rec={}).scope is None
    assert unreadable(op="revoke", k="badge", id=3, why="x").scope is None
    assert isinstance(parse_operation(b""), Unknown)
    assert isinstance(parse_operation(b'{"op": "put"}'), Unknown)


def test_a_time_written_as_text_in_the_log_is_not_believed() -> None:
    data = canonical.encode(PERMIT)
    assert isinstance(parse_operation(data), Unknown)


def test_two_unreadable_entries_have_two_freeze_ids() -> None:
    first, second = unreadable(op="x", id="1"), unreadable(op="x", id="2")
    assert first.freeze_id != second.freeze_id


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("height_cm", [0, 1_800, 100_000], [-1, 18.0, "18", 100_001, True]),
        ("blinds", [[], ["B-1"], ["B-1", "B-2"]], ["B-1", [1], ["B 1"], ["B-1", "B-1"]]),
        ("operations", [[], ["insert"], ["insert", "remove"]], ["insert", ["swap"], ["insert", "insert"]]),
        ("pipe", ["L-100"], ["", "L 100", 7, ["L-100"]]),
        ("confirmed", [[], ["measures"], ["briefing", "risk_analysis"]], ["briefing", ["harness"], ["measures"] * 2]),
        ("activities", [[], ["venting"], ["painting", "draining"]], ["venting", ["resting"], ["venting", "venting"]]),
        ("factors", [[], ["cold", "bad_air"]], ["cold", ["windy"], ["cold", "cold"]]),
    ],
)
def test_what_a_permit_says_of_its_work_is_checked_where_hq_writes_it(
    field: str, good: list[Any], bad: list[Any]
) -> None:
    (described,) = [each for each in schema()["oneOf"] if each["properties"].get("k") == {"const": "permit"}]
    assert field in described["properties"]["rec"]["properties"]
    for value in good:
        operation = read(changed(PERMIT, **{field: value}))
        assert operation.record[field] == value
        assert parse_operation(encode_operation(operation)) == operation
    for value in bad:
        with pytest.raises(FormatError) as caught:
            read(changed(PERMIT, **{field: value}))
        assert caught.value.place.startswith(f"rec.{field}")


def test_a_position_has_both_its_figures() -> None:
    for east_cm, north_cm in ((0, 0), (-10_000_000, 10_000_000)):
        operation = read(changed(PERMIT, east_cm=east_cm, north_cm=north_cm))
        assert parse_operation(encode_operation(operation)) == operation
    for one, lacking in (("east_cm", "north_cm"), ("north_cm", "east_cm")):
        with pytest.raises(FormatError, match="give both or neither") as caught:
            read(changed(PERMIT, **{one: 5}))
        assert caught.value.place == f"rec.{lacking}"
        with pytest.raises(FormatError, match="whole number"):
            read(changed(PERMIT, **{one: 10_000_001, lacking: 0}))


def test_the_schema_names_every_kind_and_operation() -> None:
    described = schema()["oneOf"]
    assert {item["properties"]["k"]["const"] for item in described if "rec" in item["properties"]} == {
        kind.value for kind in Kind if kind not in (Kind.BADGE, Kind.RULES)
    }
    assert {item["properties"]["op"]["const"] for item in described} == {"put", "revoke", "freeze", "release"}
    assert all(item["additionalProperties"] is False for item in described)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-27T00:00:00.123456Z", 123),
        ("2026-11-27T00:00:00.9999999999Z", 999),
        ("2026-11-27T00:00:00.5Z", 500),
        ("2026-11-27T08:00:00.000001+08:00", 0),
    ],
)
def test_parts_of_a_second_may_have_any_number_of_digits(text: str, wanted: int) -> None:
    assert instant_ms(text, "", False) == instant_ms("2026-11-27T00:00:00Z", "", False) + wanted


@pytest.mark.parametrize("text", ["1970-01-01", "0001-01-01", "９９９９-01-01", "2026-11-27T0０:00:00Z"])
def test_an_instant_that_the_log_cannot_hold_is_refused(text: str) -> None:
    for day_end in (False, True):
        if (text, day_end) != ("1970-01-01", True):
            with pytest.raises(FormatError):
                instant_ms(text, "", day_end)


def test_the_end_is_the_second_after_the_last_valid_one_whatever_its_milliseconds() -> None:
    last = instant_ms("2026-11-27T23:59:59+08:00", "", False)
    midnight = instant_ms("2026-11-28T00:00:00+08:00", "", False)
    assert [end_ms(last + part) for part in (0, 1, 999)] == [midnight] * 3
    assert end_ms(instant_ms("2026-11-27", "", True)) == midnight


def test_an_operation_that_no_gateway_could_read_has_no_bytes() -> None:
    for bad in (
        Put(Kind.WORKER, "w" * 65, 1, {"name": "Li"}),
        Put(Kind.WORKER, "w1", 1, {"name": "Li", "colour": "red"}),
        Freeze("f1", Scope(ScopeKind.SITE, "s014"), "hq", "x" * 257),
        Release((), "hq"),
    ):
        with pytest.raises(FormatError):
            encode_operation(bad)
    assert encode_operation(Put(Kind.GATEWAY, "o" * 105, 1, {"origin": "o" * 105, "vkey": "v"}))
