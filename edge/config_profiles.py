"""The device models that a configuration names, shipped or the site's own: read once, with the file that is wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from drivers.modbus.catalogue import Catalogue, read_catalogue
from drivers.modbus.register_map import Profile
from edge.config_table import Table
from edge.ports.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class NamedProfiles:
    """``loaded``: of the catalogue, what devices name and is good; ``problems``: what is said of what is not.

    ``own``: the SHA-256, in hexadecimal, of each loaded file that is the site's own.
    """

    catalogue: Catalogue
    loaded: dict[str, Profile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)


def open_catalogue(table: Table, folder: Path | None) -> Catalogue:
    """The models of ``profiles_dir`` and those that ship. An own one may not take the place of a shipped one."""
    try:
        catalogue = read_catalogue(folder)
    except OSError as error:
        table.refuse("profiles_dir", f"{error.strerror or error}; make the folder, or take this key out")
        return Catalogue()
    for model, path in catalogue.taken.items():
        what = f"{path} has the name of a profile that ships, {catalogue.file(model)}"
        table.refuse("profiles_dir", f"{what}; give the file and its model another name")
    return catalogue


def read_named(catalogue: Catalogue, named: Iterable[tuple[Table, str]]) -> NamedProfiles:
    """The profile of each device's table and model. What no catalogue knows is left to whoever checks references."""
    found, known = NamedProfiles(catalogue), catalogue.models()
    broken: set[str] = set()
    for table, model in named:
        if not table.good("profile") or model not in known:
            continue
        if model not in found.loaded and model not in broken:
            _read(model, found, broken)
        if model in broken:
            table.refuse("profile", f"{catalogue.file(model)} cannot be used; mend what is said of that file")
    return found


def _read(model: str, found: NamedProfiles, broken: set[str]) -> None:
    try:
        text = found.catalogue.text(model)
        found.loaded[model] = found.catalogue.load_text(model, text)
    except ConfigurationError as error:
        broken.add(model)
        found.problems.extend(error.problems)
        return
    if model in found.catalogue.own:
        found.own[model] = sha256(text).hexdigest()
