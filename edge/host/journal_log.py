"""Logging for journald: one line per event, key=value, on standard error. No personal data goes in."""

import logging
import sys

import structlog

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
)
"""Where it was raised, without the variables: they hold names, badges and keys."""


def configure(simulated: bool, verbose: bool = False) -> None:
    """Set up structlog for this process. In simulation every line says so."""

    def mark(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**event, "simulated": True} if simulated else event

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            mark,
            structlog.processors.add_log_level,
            _TRACEBACKS,
            structlog.processors.LogfmtRenderer(key_order=["level", "event"], bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
