"""Tiles, bundles, packages and the permit's chain.

The tile counts for 70,000 leaves and the path of index 1,234,067 are the examples of c2sp.org/tlog-tiles.
"""

from hashlib import sha256

import pytest

from sync.formats import canonical, merkle, package, tiles
from sync.formats.errors import FormatError
from sync.formats.permit_chain import chain_link, chain_start
from sync.formats.tiles import Tile

ORIGIN = "pg.example.org/gw/s014-2/1"


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(1, 999, 17), "tile/1/999.p/17"),
        (Tile(2, 1000, 255), "tile/2/x001/000.p/255"),
        (Tile(None, 273, 112), "tile/entries/273.p/112"),
        (Tile(63, 1), "tile/63/001"),
    ],
)
def test_paths_are_those_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/1", "tile/00/001", "tile/64/001", "tile/0/x000/001", "tile/0/001/002", "tile/0/x001"),
        *("tile/0/001.p/0", "tile/0/001.p/256", "tile/0/001.p/01", "tile/x/001", "/tile/0/001", "tile/0/001/"),
        *("tile/0/001\n", "tile/0/٠٠١", "tile/0/" + "x999/" * 7 + "999", "tile/0/" + "x001/" * 40 + "001", ""),
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(FormatError):
        tiles.parse_path(path)


def test_a_log_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    found = [tile for tile in tiles.tiles_of(70_000) if tile.level is not None]
    assert [(level, sum(tile.level == level for tile in found)) for level in range(4)] == [
        (0, 274),
        (1, 2),
        (2, 1),
        (3, 0),
    ]
    assert [tile.width for tile in found if tile.width != 256] == [112, 17, 1]
    assert [tile.path for tile in tiles.tiles_of(256) if tile.level == 1] == ["tile/1/000.p/1"]
    assert list(tiles.tiles_of(0)) == []


def test_only_new_tiles_are_named_after_growth() -> None:
    grown = list(tiles.tiles_of(600, since=520))
    assert [tile.path for tile in grown] == ["tile/entries/002.p/88", "tile/0/002.p/88"]
    assert set(tiles.tiles_of(70_000, since=600)) | set(tiles.tiles_of(600)) >= set(tiles.tiles_of(70_000))
    assert list(tiles.tiles_of(600, since=600)) == []


def test_tiles_hold_the_hashes_that_rebuild_the_root() -> None:
    leaves = [merkle.leaf_hash(bytes([n % 251, n % 7])) for n in range(700)]
    frontier, rows = merkle.EMPTY.extend(leaves)
    nodes = {(level, index): node for level, index, node in rows}
    served: dict[tuple[int, int], bytes] = {}
    for tile in tiles.tiles_of(700):
        if tile.level is not None:
            data = tiles.tile_bytes(tile, lambda level, index: nodes[level, index])
            for place, node in enumerate(tiles.split_tile(tile, data)):
                served[tile.level * 8, tile.start + place] = node
    assert [served[0, index] for index in range(700)] == leaves
    assert [served[8, 0], served[8, 1]] == [nodes[8, 0], nodes[8, 1]]
    with pytest.raises(FormatError):
        tiles.split_tile(Tile(0, 0, 2), b"\0" * 63)
    with pytest.raises(FormatError):
        tiles.tile_bytes(Tile(None, 0), lambda level, index: b"")
    assert frontier.size == 700


@pytest.mark.parametrize(("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_tiles_that_no_log_has_are_refused(level: int, index: int, width: int) -> None:
    with pytest.raises(FormatError):
        Tile(level, index, width)


def test_bundles_put_a_16_bit_length_before_each_entry() -> None:
    assert tiles.encode_bundle([b"", b"a", b"bc"]) == b"\0\0\0\x01a\0\x02bc"
    assert tiles.decode_bundle(b"\0\0\0\x01a\0\x02bc") == (b"", b"a", b"bc")
    for data in (b"\0", b"\0\x01", b"\0\x02a", b"\0\0" * 257):
        with pytest.raises(FormatError):
            tiles.decode_bundle(data)
    for entries in ([b"x" * 65_536], [b""] * 257):
        with pytest.raises(FormatError):
            tiles.encode_bundle(entries)


def test_a_package_is_a_header_line_and_a_bundle() -> None:
    data = package.encode(ORIGIN, 182733, [b"{}", b"{1}"])
    header = b'{"end":182735,"n":2,"org":"pg.example.org/gw/s014-2/1","start":182733,"v":1}\n'
    assert data == header + b"\0\x02{}\0\x03{1}"
    assert package.decode(data) == package.Package(ORIGIN, 182733, 182735, (b"{}", b"{1}"))


def header(**changes: object) -> bytes:
    fields: dict[str, object] = {"end": 2, "n": 2, "org": ORIGIN, "start": 0, "v": 1} | changes
    return canonical.encode({key: value for key, value in fields.items() if value is not None}) + b"\n"  # type: ignore[misc]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}\n\0\x01a",
        header() + b"\0\x01a",
        header() + b"\0\x01a\0\x01b\0\x01c",
        header() + b"\0\x01a\0\x02b",
        header(end=3) + b"\0\x01a\0\x01b",
        header(v=2) + b"\0\x01a\0\x01b",
        header(extra=1) + b"\0\x01a\0\x01b",
        header(org=None) + b"\0\x01a\0\x01b",
        header(org="a b") + b"\0\x01a\0\x01b",
        header(start=-1, end=1) + b"\0\x01a\0\x01b",
        header(n=True, end=1) + b"\0\x01a",
        header(n=0, end=0),
        header(n=257, end=257) + b"\0\x01a" * 257,
        header() + b"\0\0\0\x01b",
        header().replace(b",", b", ") + b"\0\x01a\0\x01b",
        b" " * 600 + header() + b"\0\x01a\0\x01b",
        header() + b"\0\x01a\0\x01b" + b"x" * package.MAX_PACKAGE_BYTES,
    ],
)
def test_packages_outside_the_form_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        package.decode(data)


@pytest.mark.parametrize(
    ("start", "entries"), [(0, []), (0, [b"x"] * 257), (-1, [b"x"]), (2**53, [b"x"]), (0, [b""]), (0, [b"x" * 16_385])]
)
def test_packages_over_a_limit_are_not_made(start: int, entries: list[bytes]) -> None:
    with pytest.raises(FormatError):
        package.encode(ORIGIN, start, entries)


def test_as_many_entries_as_fit_are_taken() -> None:
    large = [b"x" * 16_384] * 40
    count = package.fitting(large)
    assert 0 < count < 40
    assert len(package.encode(ORIGIN, 0, large[:count])) <= package.MAX_PACKAGE_BYTES
    with pytest.raises(FormatError):
        package.encode(ORIGIN, 0, large[: count + 1])
    assert package.fitting([b"x"] * 1000) == 256
    assert package.fitting([b"x"] * 3) == 3
    assert package.fitting([]) == 0


def test_the_chain_is_the_hash_of_its_domain_names_and_links() -> None:
    start = sha256(b"permitgate-permit-chain/1\npg.example.org/gw/s014-2/1\nPTW-1\n").digest()
    leaf = merkle.leaf_hash(b"entry")
    assert chain_start(ORIGIN, "PTW-1") == start
    assert chain_link(start, leaf) == sha256(b"permitgate-permit-link/1\n" + start + leaf).digest()


@pytest.mark.parametrize(("origin", "permit"), [("", "p"), ("o", ""), ("o\n", "p"), ("o", "p\nq"), ("o", "\ud800")])
def test_names_that_could_be_read_two_ways_start_no_chain(origin: str, permit: str) -> None:
    with pytest.raises(FormatError):
        chain_start(origin, permit)


def test_a_link_takes_whole_hashes_only() -> None:
    with pytest.raises(FormatError):
        chain_link(b"\0" * 31, b"\0" * 32)
    with pytest.raises(FormatError):
        chain_link(b"\0" * 32, b"\0" * 33)
