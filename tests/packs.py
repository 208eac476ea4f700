"""Versions of the shipped pack as HQ would publish them: texts, and operations of its log."""

from importlib import resources

from storages import put

from sync.formats.rule_text import rules_record

SHIPPED = (resources.files("edge.rules") / "gb30871.toml").read_text(encoding="utf-8")
_LIMIT = 'limit = "0.5"'


def version(number: int, since: str, limit: str = "0.5", *changes: tuple[str, str]) -> str:
    """The text of the shipped pack as version ``number`` from that day on, with that limit of methane in %vol."""
    text = SHIPPED.replace("version = 2\n", f"version = {number}\n", 1)
    text = text.replace('from = "2022-10-01"\n', f'from = "{since}"\n', 1).replace(_LIMIT, f'limit = "{limit}"')
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def operation(text: str, name: str, rev: int = 1) -> bytes:
    """HQ's log says: this text is that version."""
    return put("rules", name, rev, **rules_record(text.encode()))
