"""A siren: a standing output. Without power it is in the state it lapses to, so that a dead gateway is heard."""

from typing import Any, Literal

from drivers.lock.pin_factory import output_device


class Siren:
    """One siren; energised is the opposite of ``lapse``, so a floating pin is the lapsed state. Starts quiet."""

    def __init__(self, area: str, pin: int, lapse: Literal["sounding", "quiet"], factory: Any) -> None:
        self.area = area
        self._lapse_sounds = lapse == "sounding"
        self._wanted = False
        self._output: Any = output_device(pin, self._lapse_sounds, factory)

    def want(self, sounding: bool) -> None:
        """What the daemon asked for last."""
        self._wanted = sounding

    def drive(self, lapsed: bool) -> None:
        """Bring the output to what is wanted, or to the lapsed state."""
        sounding = self._lapse_sounds if lapsed else self._wanted
        energised = sounding != self._lapse_sounds
        if bool(self._output.value) != energised:
            self._output.value = energised

    def close(self) -> None:
        """Give up the pin: it floats. May be called twice."""
        self._output.close()
