"""The error tree of the ports. The type says whether trying again can help."""


class PermitgateError(Exception):
    """Every error that permitgate raises on purpose. Its text names the place, what is wrong and the remedy."""


class UnusableError(PermitgateError):
    """Final: the same call with the same input fails again."""


class TransientError(PermitgateError):
    """May pass: try again later, bounded."""


class ConfigurationError(UnusableError):
    """What a technician wrote cannot be used. ``problems`` holds every finding as ``file:line: key: …``."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class StoreError(TransientError):
    """A store could not do it now: disk full, locked, slow."""


class DamagedError(UnusableError):
    """Stored data is not what was written. The file is renamed and kept, never deleted."""


class DeviceError(TransientError):
    """A device did not answer as it should."""


class LinkError(TransientError):
    """HQ could not be reached, or did not answer."""


class RefusedError(UnusableError):
    """The far side, or a check of ours, said no."""
