"""Where a technician stands who adds a device: the gateway's configuration as far as it is written, or none yet."""

import os
from dataclasses import dataclass
from pathlib import Path

from drivers.modbus.catalogue import Catalogue
from edge.app.answers import CONFIG_DEFAULT
from edge.app.wording import Language
from edge.config import Bus, Device, glance
from edge.config_values import RUN_DIR


@dataclass(frozen=True, slots=True)
class Workplace:
    """``problems``: what is wrong with ``profiles_dir``. ``run_dir``: where a running gateway would answer.

    ``buses`` and ``devices``: what the configuration gives without a finding.
    """

    language: Language
    catalogue: Catalogue
    run_dir: Path = RUN_DIR
    buses: tuple[Bus, ...] = ()
    devices: tuple[Device, ...] = ()
    problems: tuple[str, ...] = ()


def workplace(config_path: Path) -> Workplace:
    """What the configuration gives; on a machine without one, the shipped models.

    Raises ConfigurationError if a file that was named is not there, or is no TOML.
    """
    if config_path == CONFIG_DEFAULT and not config_path.exists():
        return Workplace(_terminal_language(), Catalogue())
    seen = glance(config_path)
    problems = tuple(each for each in seen.problems if ": gateway.profiles_dir: " in each)
    return Workplace(seen.gateway.language, seen.catalogue, seen.gateway.run_dir, seen.buses, seen.devices, problems)


def _terminal_language() -> Language:
    """Chinese, as by default in the configuration, unless the terminal speaks English."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "en" if spoken.startswith("en") else "zh"
