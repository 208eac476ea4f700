"""Which device models a gateway knows: those that ship, and the site's own, one TOML file each in one folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from drivers.modbus.profile import load_profile, parse_profile, shipped_models
from drivers.modbus.register_map import Profile
from edge.config_table import SIZE_BYTES_MAX
from edge.ports.errors import ConfigurationError

_OWN_FILES_MAX = 256
"""Far more models than one site has; bounds what a wrong folder can cost."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The shipped models, and the site's ``own`` by the names of their files. ``taken``: own files that no model gets.

    A file is parsed only when its model is asked for: a half-written draft harms nobody who does not name it.
    """

    own: Mapping[str, Path] = field(default_factory=dict)
    taken: Mapping[str, Path] = field(default_factory=dict)

    def models(self) -> tuple[str, ...]:
        """Every model that can be named, in alphabetical order."""
        return tuple(sorted({*shipped_models(), *self.own}))

    def file(self, model: str) -> str:
        """The file of one of ``models``, as findings name it."""
        return str(self.own[model]) if model in self.own else f"drivers/profiles/{model}.toml"

    def text(self, model: str) -> bytes:
        """What stands in the file of one of ``models``. Raises ConfigurationError if it cannot be read."""
        if model not in self.own:
            return (files("drivers.profiles") / f"{model}.toml").read_bytes()
        return read_profile_file(self.own[model])

    def load(self, model: str) -> Profile:
        """The profile of a model. Raises ConfigurationError with every finding, or if there is none."""
        return self.load_text(model, self.text(model)) if model in self.own else load_profile(model)

    def load_text(self, model: str, text: bytes) -> Profile:
        """The profile of one of ``models`` from what ``text`` gave. Raises as ``load`` does."""
        return _parse(self.own[model], text) if model in self.own else load_profile(model)


def read_catalogue(folder: Path | None) -> Catalogue:
    """The shipped models and those of the folder, whose files are not opened yet. Raises OSError."""
    if folder is None:
        return Catalogue()
    there = [path for path in sorted(folder.iterdir()) if path.suffix == ".toml" and not path.name.startswith(".")]
    found = {path.stem: path for path in there if path.is_file()}
    if len(found) > _OWN_FILES_MAX:
        raise OSError(f"{folder} holds {len(found)} profiles, at most {_OWN_FILES_MAX}")
    shipped = shipped_models()
    own = {model: path for model, path in found.items() if model not in shipped}
    return Catalogue(own, {model: path for model, path in found.items() if model in shipped})


def load_file(path: Path) -> Profile:
    """The profile in that file, whose model is the file's name. Raises ConfigurationError with every finding."""
    return _parse(path, read_profile_file(path))


def _parse(path: Path, text: bytes) -> Profile:
    profile = parse_profile(text, str(path))
    if profile.model != path.stem:
        what = f"must be {path.stem!r}, the file's name without .toml, not {profile.model!r}"
        raise ConfigurationError([f"{path}:1: model: {what}; change one of them"])
    return profile


def read_profile_file(path: Path) -> bytes:
    """The bytes of a profile's file, bounded. Raises ConfigurationError."""
    try:
        with path.open("rb") as stream:
            return stream.read(SIZE_BYTES_MAX + 1)
    except OSError as error:
        what = f"cannot be read: {error.strerror}; name an existing file that this user may read"
        raise ConfigurationError([f"{path}:1: file: {what}"]) from error
