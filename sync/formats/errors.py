"""The one error of the formats: bytes that are not what they must be."""


class FormatError(ValueError):
    """Bytes or values refused by a format of ours.

    `place` names where (a member, a line, a JSON path); the message names what was found and what is allowed.
    Never worth a retry with the same bytes. Both may quote what came from outside, therefore characters that a
    terminal would obey or cannot show are escaped.
    """

    def __init__(self, message: str, place: str = "") -> None:
        self.message = _shown(message)
        self.place = _shown(place)
        super().__init__(f"{self.place}: {self.message}" if place else self.message)

    def within(self, outer: str) -> "FormatError":
        """The same refusal seen from outside: `outer` is put before the place."""
        return FormatError(self.message, f"{outer}: {self.place}" if self.place else outer)


def _shown(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
