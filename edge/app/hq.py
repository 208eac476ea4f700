"""HQ as a process: the web application with its store and clock, served over TLS by uvicorn."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.host import system_clock
from sync.hq import admin
from sync.hq.place import Place, open_place
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.web import Service, application

_CONCURRENT_MAX = 128
_KEEP_ALIVE_S = 75
HEAD_S = 20
"""How long a caller may take to send the head of a request."""


_LEVELS = {
    RefusalCode.FORK.value: logging.ERROR,
    RefusalCode.WRONG_ROOT.value: logging.ERROR,
    RefusalCode.ORIGIN_FROZEN.value: logging.ERROR,
    RefusalCode.UNKNOWN_ORIGIN.value: logging.WARNING,
    RefusalCode.SIGNATURE.value: logging.WARNING,
    RefusalCode.UNAUTHENTICATED.value: logging.WARNING,
    RefusalCode.CODE.value: logging.WARNING,
}
"""What an operator should be told of: a log with two histories first of all."""


def init(folder: Path, names: tuple[str, str], gateway: str, hosts: Sequence[str]) -> admin.InitReport:
    """Make an HQ for (site, organisation) and an enrolment code; see ``sync.hq.admin.init``."""
    return admin.init(folder, names, gateway, hosts, system_clock.utc_ms())


def issue_badge(folder: Path, worker: str, permit: str, uid: bytes) -> bytes:
    """A badge token valid now; see ``sync.hq.admin.issue_badge``."""
    return admin.issue_badge(folder, worker, permit, uid, system_clock.utc_ms())


def serve(folder: Path, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``port`` 0 takes a free one; ``on_ready`` is told the URL once it listens.

    Raises Refusal when there is no HQ in the folder or the port cannot be had.
    """
    place = open_place(folder)
    store = place.store()
    log = structlog.get_logger("hq")
    try:
        service = Service(
            place,
            store,
            system_clock.utc_ms,
            lambda code, text: log.log(_LEVELS.get(code, logging.INFO), "refused", code=code, text=text),
        )
        config = uvicorn.Config(
            application(service),
            http=PromptProtocol,
            ssl_certfile=str(place.certificates.server_certificate_path),
            ssl_keyfile=str(place.certificates.server_key_path),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            limit_concurrency=_CONCURRENT_MAX,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        _load_certificate(config, place)
        with contextlib.closing(_listen(host, port)) as listener:
            _Server(config, lambda: on_ready(_url(host, listener))).run(sockets=[listener])
    finally:
        store.close()


class PromptProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, but whoever connects must say what he wants: else a few idle connections, or
    requests that never end, would shut out every gateway."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._expect()
        elif self._late is not None:
            self._late.cancel()
            self._late = None

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _expect(self) -> None:
        """A request's head is due; the time runs from its first byte, not from the last."""
        if self._late is None:
            # Not close(): over TLS that waits half a minute for the other end to agree.
            self._late = self.loop.call_later(HEAD_S, self.transport.abort)


def _load_certificate(config: uvicorn.Config, place: Place) -> None:
    try:
        config.load()
    except ssl.SSLError:
        names = f"{place.certificates.server_certificate_path} and {place.certificates.server_key_path.name}"
        text = f"{names}: not a certificate and its key; remove both and run 'hq init' again"
        raise Refusal(RefusalCode.SETTING, text) from None


class _Server(uvicorn.Server):
    """Says when it listens, and takes SIGTERM for a wish to end, not for an error."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the serving and nothing else."""
        wanted = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError, TypeError, UnicodeError) as error:
        listener.close()
        why = f"{host}:{port}: cannot listen: {error}; choose another address or port of this machine"
        raise Refusal(RefusalCode.SETTING, why) from None
    return listener


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
