"""The one error of the formats: bytes that are not what they must be."""


class FormatError(ValueError):
    """Bytes or values refused by a format of ours.

    `place` names where (a member, a line, a JSON path); the message names what was found and what is allowed.
    Never worth a retry with the same bytes.
    """

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message

    def within(self, outer: str) -> "FormatError":
        """The same refusal seen from outside: `outer` is put before the place."""
        return FormatError(self.message, f"{outer}: {self.place}" if self.place else outer)
