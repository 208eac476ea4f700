"""The one refusal of the link: named, so that it can be journalled once and searched for."""

from edge.ports.errors import RefusedError


class LinkRefused(RefusedError):
    """HQ said no, or what it said is not believed. ``what`` is a stable word; nothing was changed."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what = what
        self.why = why
