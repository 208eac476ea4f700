"""Housekeeping: what is done once a day. Nothing that a door, an alarm or a permit waits for.

APScheduler plans by the wall clock: after a step back it is silent until the old time returns, after a step forward it
catches up (apscheduler issues 351, 752, 1066). So it holds daily jobs only, and is built anew when the clock steps.
"""

import contextlib
import logging
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from threading import Lock
from typing import Any

import orjson
import structlog
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from edge.ports.errors import UnusableError

_log = structlog.get_logger("housekeeping")

CHECK_LIMIT_S = 3_600.0
"""A check that takes longer is ended: at the 522,000 entries a second that were measured, no journal is that long."""

_KILL_WAIT_S = 5.0


def _nothing() -> None:
    """For a job that ends by itself soon enough."""


@dataclass(frozen=True, slots=True)
class DailyJob:
    """A job and its time of day in UTC. ``stop`` makes a run that is going on end soon; called from another thread."""

    name: str
    run: Callable[[], None]
    hour: int
    minute: int
    stop: Callable[[], None] = _nothing


def daily(job: DailyJob) -> Any:
    """The trigger of a daily job. UTC has no summer time, so none is skipped or run twice."""
    return CronTrigger(hour=job.hour, minute=job.minute, timezone=UTC)


class Housekeeping:
    """Daily jobs, one after the other in a thread of their own. A job that raises is logged and runs again next day.

    ``start``, ``rebuild`` and ``stop`` are called by one thread; ``rebuild`` does not wait for a job that runs.
    """

    def __init__(self, jobs: Sequence[DailyJob], trigger: Callable[[DailyJob], Any] = daily) -> None:
        self._jobs = tuple(jobs)
        self._trigger = trigger
        # max_instances counts within one scheduler; a run of the one before counts too.
        self._running = {job.name: Lock() for job in self._jobs}
        self._scheduler: BackgroundScheduler | None = None
        self._ending = False
        # It logs each error with a traceback; ours come through the listener, one line each.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)

    def start(self) -> None:
        """Begin to plan. Called once, or after ``stop``."""
        assert self._scheduler is None
        self._ending = False
        self._scheduler = scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": {"type": "threadpool", "max_workers": 1}},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        scheduler.add_listener(_tell, EVENT_JOB_ERROR)
        for job in self._jobs:
            scheduler.add_job(self._once, self._trigger(job), args=(job,), id=job.name)
        scheduler.start()

    def rebuild(self) -> None:
        """Plan anew: the clock has stepped."""
        self._shut_down(wait=False)
        self.start()

    def stop(self) -> None:
        """End what runs and plan no more. May be called twice, or without ``start``."""
        self._ending = True
        for job in self._jobs:
            job.stop()
        self._shut_down(wait=True)

    def _shut_down(self, *, wait: bool) -> None:
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=wait)

    def _once(self, job: DailyJob) -> None:
        running = self._running[job.name]
        if not running.acquire(blocking=False):
            _log.warning("job_still_running", job=job.name)
            return
        try:
            if not self._ending:
                job.run()
        finally:
            running.release()


def _tell(event: Any) -> None:
    _log.error("job_failed", job=event.job_id, error=repr(event.exception))


@dataclass(frozen=True, slots=True)
class Integrity:
    """What a re-hash of the journal found.

    ``size`` entries are as they were written, ``signed`` of them under our signature, ``cosigned`` under HQ's.
    ``finding`` says what is not, None: nothing; ``entry`` is where, None: no single entry can be named.
    """

    size: int
    signed: int
    cosigned: int
    entry: int | None
    finding: str | None


class IntegrityCheck:
    """Runs the re-hash in a child, never in the daemon: there it would hold up taps.

    ``found`` is called in the thread that calls ``run``. ``stop`` may be called by any thread, and is final.
    """

    def __init__(self, argv: Sequence[str], found: Callable[[Integrity], None], limit_s: float = CHECK_LIMIT_S) -> None:
        self._argv = list(argv)
        self._found = found
        self._limit_s = limit_s
        self._lock = Lock()
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Check once. Raises UnusableError when no answer could be had; a check that was stopped says nothing."""
        with self._lock:
            if self._stopped:
                return
            try:
                process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            except OSError as error:
                raise UnusableError(f"journal not checked: {error}") from None
            self._process = process
        try:
            output, _ = process.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            raise UnusableError(f"journal not checked: no answer within {self._limit_s:g} s") from None
        finally:
            self._end(process)
        if not self._stopped:
            self._found(_read(output, process.returncode))

    def stop(self) -> None:
        """End a check that runs; none begins any more."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        with self._lock:
            self._process = None
        if process.poll() is None:
            process.kill()
            process.wait(_KILL_WAIT_S)
        if process.stdout is not None:
            process.stdout.close()


def _read(output: bytes, returned: int) -> Integrity:
    try:
        said = orjson.loads(output)
        return Integrity(said["size"], said["signed"], said["cosigned"], said["entry"], said["finding"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UnusableError(f"journal not checked: the check ended with {returned} and no answer") from None
