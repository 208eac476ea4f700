"""Rule packs shipped as package data, one TOML file each."""

import tomllib
from importlib import resources

from edge.core.rules import RulePack, RulePackError, parse_pack


def names() -> tuple[str, ...]:
    """The ids of the shipped packs."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load(name: str) -> RulePack:
    """The shipped pack of that id. Raises RulePackError if there is none or it is damaged."""
    if name not in names():
        raise RulePackError(f"rule pack {name!r} is not known; one of: {', '.join(names())}")
    text = resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    try:
        return parse_pack(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RulePackError(f"{name}.toml: {error}") from None
