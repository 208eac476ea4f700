"""``permitgate devices try``: raw registers of an unknown device, every decoding, and what the display says to them."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import click

from drivers.modbus.client import BusSettings, Connection
from drivers.modbus.decodings import Decoding, Fit, fitting
from drivers.modbus.draft import UNIT_OF, DraftFacts, draft_text, usual_range
from drivers.modbus.profile import parse_profile, shipped_models
from drivers.modbus.raw_read import RawQuestion, RawRegisters, read_raw
from drivers.modbus.register_map import Kind, Quantity, WordOrder
from edge.app.answers import answer, program
from edge.app.devices_options import TryOptions, WireChoice, display_problem
from edge.app.devices_place import workplace
from edge.app.devices_wire import chosen_wire, opened
from edge.app.earlier_look import read_earlier
from edge.app.try_words import TEXT, fit_json, fit_lines, registers_json, table_lines
from edge.app.wording import LANGUAGES, Language, printable
from edge.ports.errors import RefusedError, StoreError

_MODEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LATE_MS = 500
"""How late an unknown device may still answer: as in the shipped profiles [D]."""

_LOOKS_MAX = 8


class Trial:
    """The looks at one device: its registers now, the figures shown so far, and what fitted each of them."""

    def __init__(self, connection: Connection, options: TryOptions) -> None:
        self._connection = connection
        self._question = RawQuestion(options.unit, options.function, options.start, options.count, _LATE_MS)
        self._among: frozenset[Decoding] | None = None
        self.displays: tuple[str, ...] = ()
        self.fits: tuple[Fit, ...] = ()
        self.registers = RawRegisters()
        if options.earlier is not None:
            earlier = read_earlier(options.earlier, options.unit, options.function)
            self.displays, self._among = earlier.displays, earlier.decodings

    def read(self) -> None:
        """Read every register once. Raises BusDownError if the bus is not there."""
        self.registers = read_raw(self._connection, self._question)

    def look(self, display: str) -> bool:
        """Keep what fits this figure too. False: nothing does, and what fitted before is kept."""
        fits = fitting(self.registers.words, Decimal(display), self._among)
        if not fits and self.fits:
            return False
        self.fits = fits
        self._among = frozenset(each for fit in fits for each in fit.all())
        self.displays = (*self.displays, display)
        return bool(fits)


def try_device(config_path: Path, choice: WireChoice, options: TryOptions, json_to: str | None) -> None:
    """Exit 0: registers were read, and what the display shows fits; 1: not; 2: usage; 3: the wire cannot be had."""
    _check_options(options)
    place = workplace(config_path)
    settings = chosen_wire(choice, place)
    tell = _Teller(place.language, json_to != "-")
    question = (options.unit, options.function, options.start, options.count)
    with opened(settings) as connection:
        trial = Trial(connection, options)
        trial.read()
        if options.display is not None:
            trial.look(options.display)
        tell.lines(table_lines(question, trial.registers, trial.fits, place.language))
        if options.display is not None and json_to != "-" and sys.stdin is not None and sys.stdin.isatty():
            _look_again(trial, options, tell)
    draft = _written(trial, options, settings)
    ok = bool(trial.registers.words) and (options.display is None or bool(trial.fits))
    closing = {language: _closing(trial, options, draft, language) for language in LANGUAGES}
    result = {
        "ok": ok,
        "unit": options.unit,
        "function": options.function,
        "in_block": trial.registers.in_block,
        "registers": registers_json(question, trial.registers),
        "displays": list(trial.displays),
        "fits": [fit_json(fit) for fit in trial.fits],
        "draft": None if draft is None else str(draft),
        "lines": closing,
    }
    answer(result, json_to, lambda: tell.lines(closing[place.language]), ok=ok)


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says lines on the terminal as they come, unless standard output is for machines."""

    language: Language
    aloud: bool

    def lines(self, lines: Sequence[str]) -> None:
        for line in lines if self.aloud else ():
            click.echo(printable(line))

    def say(self, key: str, **fields: object) -> None:
        self.lines([TEXT[self.language][key].format(**fields)])


def _check_options(options: TryOptions) -> None:
    """Everything that can be refused before the wire is disturbed."""
    if options.start + options.count > 0x10000:
        raise click.UsageError(f"--start {options.start} --count {options.count}: the last offset is 65535")
    if options.display is None and (options.write is not None or options.earlier is not None):
        raise click.UsageError("--write and --fits need --display: what the instrument shows now")
    if options.write is not None and options.display is not None:
        _check_draft(options, options.write, options.display)


def _check_draft(options: TryOptions, path: Path, display: str) -> None:
    """That a draft can be written there, and would parse. Raises UsageError, RefusedError or ConfigurationError."""
    facts = _facts(options, (display,), None)
    if os.path.lexists(path):
        raise RefusedError(f"--write {path}: is there already, and is not overwritten; name a new file")
    if not path.absolute().parent.is_dir():
        raise RefusedError(f"--write {path}: there is no such folder; make it first")
    if facts.model in shipped_models():
        raise RefusedError(f"--write {path}: a model that ships has the name {facts.model}; give another")
    any_decoding = Decoding(options.start, Kind.U16, WordOrder.ABCD, Decimal(1))
    parse_profile(draft_text(any_decoding, (), (), facts).encode(), str(path))


def _facts(options: TryOptions, displays: tuple[str, ...], settings: BusSettings | None) -> DraftFacts:
    """What a draft says. Raises UsageError for what a person must say and did not."""
    assert options.write is not None
    model = options.write.stem
    if options.write.suffix != ".toml" or not _MODEL.fullmatch(model):
        form = "MODEL.toml, MODEL being lower-case letters, digits and _, at most 32, a letter first"
        raise click.UsageError(f"--write {str(options.write)[:120]!a}: give {form}")
    if options.quantity is None:
        raise click.UsageError("--write needs --quantity: the wire does not tell what is measured")
    quantity = Quantity(options.quantity)
    unit = options.measured_in or UNIT_OF.get(quantity)
    if unit is None:
        raise click.UsageError(f"--write needs --measured-in for {quantity.value}: ppm or mg/m3")
    if options.span is None and usual_range(quantity, unit) is None:
        raise click.UsageError(f"--write needs --range LOW HIGH for {quantity.value} in {unit}: there is no usual one")
    serial = settings is not None and settings.kind == "rtu"
    return DraftFacts(
        model=model,
        quantity=quantity,
        unit=unit,
        span=options.span,
        displays=displays,
        unit_number=options.unit,
        function=options.function,
        timeout_ms=0 if settings is None else settings.timeout_ms,
        line=(settings.baud, settings.parity, settings.stop_bits) if serial and settings is not None else None,
    )


def _look_again(trial: Trial, options: TryOptions, tell: _Teller) -> None:
    """Ask a person at the terminal for further figures, until one decoding is left or they have enough."""
    text = TEXT[tell.language]
    for _ in range(_LOOKS_MAX):
        if len(trial.fits) < 2 and len(trial.displays) > 1:
            return
        if not trial.fits:
            return
        tell.lines(fit_lines(trial.displays[-1], trial.fits, options.function, tell.language))
        tell.say("again" if len(trial.fits) > 1 else "once")
        display = _asked(text["ask"])
        if display is None:
            return
        problem = display_problem(display)
        if problem or display in trial.displays:
            tell.lines([problem or text["same"]])
            continue
        trial.read()
        if not trial.look(display):
            tell.say("lost", display=display)


def _asked(question: str) -> str | None:
    """What a person types; None: nothing more."""
    try:
        answered: str = click.prompt(question, default="", show_default=False)
    except click.Abort:
        return None
    return answered.strip() or None


def _written(trial: Trial, options: TryOptions, settings: BusSettings) -> Path | None:
    """The draft's file, if one was asked for and something fits. It parses, or it is not written."""
    if options.write is None or not trial.fits:
        return None
    best, *others = trial.fits
    facts = _facts(options, trial.displays, settings)
    text = draft_text(best.best, [each.best for each in others], best.twins, facts)
    parse_profile(text.encode(), str(options.write))
    try:
        with options.write.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RefusedError(f"--write {options.write}: is there already, and is not overwritten") from None
    except OSError as error:
        raise StoreError(f"--write {options.write}: {error.strerror}: choose a place that can be written") from None
    return options.write


def _closing(trial: Trial, options: TryOptions, draft: Path | None, language: Language) -> list[str]:
    """What comes of the looks."""
    text = TEXT[language]
    if not trial.registers.words:
        key = "refused" if trial.registers.refused else "silent"
        return [text[key].format(other=7 - options.function)]
    if options.display is None:
        return []
    if not trial.fits and options.earlier is not None:
        return [text["lost"].format(display=options.display)]
    shown = trial.displays[-1] if trial.displays else options.display
    lines = fit_lines(shown, trial.fits, options.function, language)
    if len(trial.fits) > 1:
        lines += [text["again"], text["again_how"]]
    elif trial.fits and len(trial.displays) == 1:
        lines.append(text["once"])
    if draft is not None:
        lines.append(text["draft"].format(file=draft))
        lines.append(text["next"].format(program=program(), file=draft, model=draft.stem))
    return lines
