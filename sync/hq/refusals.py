"""Refusals of HQ: named, safe to show, never a traceback."""

from enum import Enum


class RefusalCode(Enum):
    """Why HQ said no. Stable words; the HTTP status that goes with each is in ``sync.hq.web``."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    LATE = "late"
    TOO_MANY = "too_many_requests"
    UNKNOWN = "unknown"
    UNKNOWN_ORIGIN = "unknown_origin"
    UNAUTHENTICATED = "unauthenticated"
    SIGNATURE = "signature_refused"
    ORIGIN_FROZEN = "origin_frozen"
    ENTRY_MALFORMED = "entry_malformed"
    FORK = "fork"
    WRONG_ROOT = "wrong_root"
    PROOF = "proof_refused"
    BACKLOG = "backlog_full"
    OPERATION = "operation_refused"
    CODE = "code_refused"
    BADGE = "badge_refused"
    SETTING = "setting_refused"
    UNAVAILABLE = "unavailable"


class Refusal(Exception):
    """HQ will not do it. ``code`` is stable, the text names place, what is wrong and what would be right."""

    def __init__(self, code: RefusalCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
