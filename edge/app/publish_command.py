"""``permitgate hq publish FILE``: a rule pack into HQ's log, judged as strictly as any gateway will judge it."""

from pathlib import Path

import click

from edge import rules
from edge.app.answers import USAGE, answer, write_json
from edge.app.rules_words import counts, counts_text, days
from edge.app.wording import printable
from edge.config_table import SIZE_BYTES_MAX
from edge.core.rules import RulePack
from edge.ports.errors import ConfigurationError
from edge.rules.pack_file import read_pack
from sync.hq import publishing


def publish(folder: Path, path: Path, json_to: str | None) -> None:
    """Exit 0: in the log, perhaps already; 1: HQ holds that version with another text; 2: findings, none signed."""
    with path.open("rb") as stream:
        text = stream.read(SIZE_BYTES_MAX + 1)
    try:
        pack = _checked(folder, text, path)
    except ConfigurationError as error:
        write_json({"ok": False, "problems": error.problems}, json_to)
        for problem in error.problems if json_to != "-" else ():
            click.echo(problem, err=True)
        raise SystemExit(USAGE) from None
    new = publishing.publish(folder, pack.name, text)
    marks = counts(rule.mark for rule in pack.rules)
    result = {"ok": True, "name": pack.name, "new": new, "from": str(pack.since), "marks": marks}

    def say() -> None:
        done = "published / 已发布" if new else "was published already / 此前已发布"
        click.echo(printable(f"{pack.name}: {done}"))
        click.echo(printable(f"  {pack.title_zh} / {pack.title_en}, {days(pack.since, pack.until)}"))
        click.echo(f"  规则 / rules {len(pack.rules)}: {counts_text(marks)}")

    answer(result, json_to, say)


def _checked(folder: Path, text: bytes, path: Path) -> RulePack:
    """The pack, judged alone, then beside the versions that ship and those that HQ has published.

    Raises ConfigurationError. The same version again is left to HQ's log: the same text is welcome there.
    """
    pack, _ = read_pack(text, str(path))
    held = rules.versions(pack.pack) if pack.pack in rules.names() else ()
    others = dict(publishing.published(folder, pack.pack))
    if pack in held or pack.name in others:
        return pack
    for identity, other in others.items():
        held = _beside(held, identity, other)
    rules.admit(held, text, str(path))
    return pack


def _beside(held: tuple[RulePack, ...], identity: str, text: bytes) -> tuple[RulePack, ...]:
    """One that a later program refuses is judged against no more: no gateway of that program believes it."""
    try:
        return rules.admit(held, text, identity)
    except ConfigurationError:
        return held
