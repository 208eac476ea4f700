"""Rule packs: limits of standards as data, one TOML file a version, shipped with the package.

A file is named ``PACK.toml`` or ``PACK.VERSION.toml``. How one is written: ``gb30871.toml``; what none may loosen:
``floors.toml``.
"""

from collections.abc import Iterable
from functools import cache
from importlib import resources

from edge.core.rules import RulePack, RulePackError
from edge.rules.floors import FLOORS_FILE
from edge.rules.pack_file import read_pack

__all__ = ["admit", "at_hand", "load", "names", "same", "versions"]


def names() -> tuple[str, ...]:
    """The ids of the shipped packs."""
    return tuple(sorted({file.partition(".")[0] for file in _files()}))


@cache
def versions(name: str) -> tuple[RulePack, ...]:
    """The shipped versions of the pack of that id, the oldest first. Raises RulePackError if there is none.

    ConfigurationError: one of its files cannot be used.
    """
    if name not in names():
        raise RulePackError(f"rule pack {name!r} is not known; one of: {', '.join(names())}")
    held: tuple[RulePack, ...] = ()
    for file in _files():
        if file.partition(".")[0] == name:
            held = admit(held, resources.files(__name__).joinpath(file).read_bytes(), file)
    return held


def load(name: str) -> RulePack:
    """The newest shipped version of the pack of that id. Raises as ``versions`` does."""
    return versions(name)[-1]


def at_hand(packs: Iterable[str]) -> tuple[RulePack, ...]:
    """Every shipped version of the packs of these ids, in their order. Raises as ``versions`` does."""
    return tuple(version for name in packs for version in versions(name))


def admit(held: tuple[RulePack, ...], data: bytes, file: str) -> tuple[RulePack, ...]:
    """The versions at hand with the one in ``data``, the oldest first; ``file`` is its name, for findings.

    Raises ConfigurationError with every finding: the file alone, or its dates against those at hand. What was held
    stays as it was. A version without ``until`` ends where the next one begins.
    """
    pack, place = read_pack(data, file)
    same = [each for each in held if each.pack == pack.pack]
    for each in same:
        if each.version == pack.version:
            place.refuse("version", f"{pack.name} is at hand already; give each version its own number")
            continue
        older, newer = (each, pack) if each.version < pack.version else (pack, each)
        if newer.since <= older.since:
            what = f"version {newer.version} begins {newer.since}, not after version {older.version} ({older.since})"
            place.refuse("from", f"{what}; a later version begins later")
        elif older.until is not None and older.until > newer.since:
            what = (
                f"version {older.version} holds until {older.until}, and version {newer.version} begins {newer.since}"
            )
            place.refuse(
                "from" if newer is pack else "until",
                f"{what}: their dates overlap; end the one before the other begins",
            )
    if place.findings is not None:
        place.findings.raise_if_any()
    return tuple(sorted((*held, pack), key=lambda each: (each.pack, each.since)))


def same(held: Iterable[RulePack], data: bytes, file: str) -> bool:
    """Whether ``data`` says what one of the versions at hand says. Raises ConfigurationError as ``admit`` does."""
    return read_pack(data, file)[0] in held


def _files() -> list[str]:
    shipped = (file.name for file in resources.files(__name__).iterdir())
    return sorted(file for file in shipped if file.endswith(".toml") and file != FLOORS_FILE)
