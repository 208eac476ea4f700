"""HQ over HTTPS: the calls of the link's ports, each with a size limit and a deadline.

Trusts the pinned certificate authority only. Follows no redirect, reads no proxy and no netrc from the environment.
"""

import io
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError

from edge.ports.devices import MonotonicClock
from edge.ports.errors import LinkError, RefusedError
from edge.ports.link import Acknowledged, CheckpointAnswer, EntriesWanted, SizeDiffers
from sync.formats import note, package
from sync.formats.encoding import from_decimal
from sync.formats.errors import FormatError
from sync.link.refusals import LinkRefused

CONNECT_TIMEOUT_S = 5.0
SILENCE_S = 10.0
"""Longest silence of HQ in the middle of a call."""

DEADLINE_MS = 20_000
"""Longest time for sending a request, and again for its whole answer, head and body, however steadily it drips."""

_SMALL_BYTES = 16_384
_CHUNK_BYTES = 16_384
_HEADERS = {"accept-encoding": "identity", "user-agent": "permitgate"}
# Answers that say "not now" rather than "no".
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504, 507))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, content type and the whole body of one answer."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, repr=False)
class HqAddress:
    """Where HQ is and how it knows us. ``token`` is never shown."""

    url: str
    site: str
    origin: str
    ca_path: Path
    token: str


class HttpsHq:
    """All of HQ's calls that the link needs. For one thread; keeps one connection open."""

    def __init__(self, address: HqAddress, clock: MonotonicClock, on_progress: Callable[[], None]) -> None:
        """``on_progress`` is called in the middle and at the end of each call, so about once a deadline at least."""
        self._base = checked_url(address.url)
        self._site = address.site
        self._log = sha256(address.origin.encode()).hexdigest()
        self._authorization = {"authorization": f"Bearer {address.token}"}
        self._exchange = Exchange(address.ca_path, clock, on_progress)

    def close(self) -> None:
        """Close the connection."""
        self._exchange.close()

    def push_entries(self, package_bytes: bytes) -> int:
        """See ``UplinkTransport``."""
        url = f"{self._base}/v1/tlog/{self._log}/entries"
        answer = self._exchange.call("POST", url, package_bytes, headers=self._authorization)
        value = _object(answer)
        next_index = value.get("next")
        if not isinstance(next_index, int) or isinstance(next_index, bool) or next_index < 0:
            raise LinkRefused("hq_answer", "the answer to a package names no next index")
        return next_index

    def push_checkpoint(self, old_size: int, signed: str) -> CheckpointAnswer:
        """See ``UplinkTransport``; the request of c2sp.org/tlog-witness, its proof left out: HQ holds the entries."""
        body = f"old {old_size}\n\n{signed}".encode()
        answer = self._exchange.call("POST", f"{self._base}/v1/tlog/add-checkpoint", body, allowed=(409, 202))
        try:
            return _checkpoint_answer(answer)
        except FormatError as error:
            raise LinkRefused("hq_answer", str(error)) from None

    def authority_head(self) -> str:
        """See ``DownlinkTransport``."""
        url = f"{self._base}/v1/authority/{self._site}/checkpoint"
        return _text(self._exchange.call("GET", url, size_max=note.MAX_NOTE_BYTES))

    def authority_entries(self, start: int) -> bytes:
        """See ``DownlinkTransport``."""
        url = f"{self._base}/v1/authority/{self._site}/entries?start={start}"
        headers = self._authorization
        return self._exchange.call("GET", url, headers=headers, size_max=package.MAX_PACKAGE_BYTES).body

    def time(self, nonce: str) -> str:
        """See ``TimeTransport``."""
        return _text(self._exchange.call("GET", f"{self._base}/v1/time?nonce={nonce}"))


class _Patience:
    """How long a part of a call may still take, by the caller's clock."""

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        self._until_ms = 0

    def begin(self) -> None:
        """A part begins: sending, or the answer."""
        self._until_ms = self._clock() + DEADLINE_MS

    def left_s(self) -> float:
        """How long to wait for the next bytes. Raises TimeoutError when the part has taken its time."""
        left_ms = self._until_ms - self._clock()
        if left_ms <= 0:
            raise TimeoutError("not whole in time")
        return min(SILENCE_S, left_ms / 1000)


class _Arriving(io.RawIOBase):
    """Bytes of an answer as they come; waiting for them ends with the patience, so a steady drip is no answer."""

    def __init__(self, raw: Any, connection: Any, patience: _Patience) -> None:
        self._raw = raw
        self._connection = connection
        self._patience = patience

    def readable(self) -> bool:
        """See ``io.RawIOBase.readable``."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """See ``io.RawIOBase.readinto``. Raises TimeoutError."""
        self._connection.settimeout(self._patience.left_s())
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        """Let go of the connection too, if it was closed meanwhile."""
        self._raw.close()
        super().close()


class _BoundedSocket:
    """A connected socket that sends and receives within the patience. Everything else is the socket's own."""

    def __init__(self, connection: Any, patience: _Patience, on_progress: Callable[[], None]) -> None:
        self._connection = connection
        self._patience = patience
        self._on_progress = on_progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def sendall(self, data: bytes) -> None:
        """In pieces, each of which waits no longer than the whole may. Raises TimeoutError."""
        for start in range(0, len(data), _CHUNK_BYTES):
            self._connection.settimeout(self._patience.left_s())
            self._connection.sendall(data[start : start + _CHUNK_BYTES])

    def makefile(self, mode: str) -> io.BufferedReader:
        """What the standard library's parser reads an answer from; asked for when the request is sent."""
        self._on_progress()
        self._patience.begin()
        return io.BufferedReader(_Arriving(self._connection.makefile(mode, 0), self._connection, self._patience))


class _Adapter(HTTPAdapter):
    """requests' adapter over bounded sockets. Its ``send`` makes one call: no redirect, cookie, proxy or retry."""

    def __init__(self, patience: _Patience, on_progress: Callable[[], None]) -> None:
        class Connection(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                self.sock = _BoundedSocket(self.sock, patience, on_progress)

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        self._pool = Pool
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See ``HTTPAdapter``."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool}


class Exchange:
    """One call after the other over a kept connection, every call bounded in size and time.

    Nothing of an answer is heeded but status, content type and body.
    """

    def __init__(self, ca_path: Path, clock: MonotonicClock, on_progress: Callable[[], None] = lambda: None) -> None:
        self._ca_path = ca_path
        self._on_progress = on_progress
        self._patience = _Patience(clock)
        self._adapter = _Adapter(self._patience, on_progress)
        self._kept = False

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._kept = False
        self._adapter.close()

    def call(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        size_max: int = _SMALL_BYTES,
        allowed: tuple[int, ...] = (),
    ) -> Answer:
        """The answer, if its status is 2xx or ``allowed``. Raises LinkError or LinkRefused."""
        try:
            answer = self._exchanged(method, url, body, headers or {}, size_max=size_max)
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            self.close()
            raise LinkError(_why(error)) from None
        except LinkRefused:
            self.close()
            raise
        self._on_progress()
        if 200 <= answer.status < 300 or (answer.status in allowed and answer.content_type.startswith("text/x.tlog.")):
            return answer
        raise _refusal(answer)

    def _exchanged(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, size_max: int
    ) -> Answer:
        """Every call may be made twice; so one on a kept connection that HQ has closed meanwhile is."""
        request = requests.Request(method, url, headers={**_HEADERS, **headers}, data=body).prepare()
        try:
            return self._once(request, size_max)
        except requests.ConnectionError as error:
            if not self._kept or _timed_out(error):
                raise
            self.close()
            return self._once(request, size_max)

    def _once(self, request: requests.PreparedRequest, size_max: int) -> Answer:
        self._patience.begin()
        timeout = (CONNECT_TIMEOUT_S, SILENCE_S)
        with self._adapter.send(request, stream=True, timeout=timeout, verify=str(self._ca_path)) as response:
            found = bytearray()
            while piece := response.raw.read(_CHUNK_BYTES, decode_content=False):
                found += piece
                if len(found) > size_max:
                    raise LinkRefused("hq_answer_too_large", f"HQ's answer is longer than {size_max} bytes")
        self._kept = True
        content_type = str(response.headers.get("content-type", "")).split(";")[0].strip()
        return Answer(response.status_code, content_type, bytes(found))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it was made of, outermost first: requests and urllib3 wrap one in another."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__]


def _timed_out(error: BaseException) -> bool:
    return any(isinstance(cause, TimeoutError | ReadTimeoutError) for cause in _causes(error))


def _why(error: Exception) -> str:
    """In words: what HQ, or the way to it, did."""
    if _timed_out(error):
        return f"HQ: silent for {SILENCE_S:.0f} s, or not whole after {DEADLINE_MS // 1000} s"
    innermost = [*_causes(error)][-1]
    match innermost:
        case ssl.SSLCertVerificationError():
            return f"HQ: its certificate is not believed: {_printable(innermost.verify_message, 200)}"
        case socket.gaierror():
            return f"HQ: its name is not known here: {innermost.strerror}"
        case RemoteDisconnected():
            return "HQ: closed the connection without an answer"
        case OSError(strerror=str(said)):
            return f"HQ: {_printable(said, 200)}"
        case _:
            return f"HQ: {type(innermost).__name__}: {_printable(str(innermost), 200)}"


def checked_url(url: str) -> str:
    """``url`` without a slash at its end, if it is ``https://host[:port]``. Raises RefusedError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedError(f"{url[:80]!r}: not a URL; write https://host:port") from None
    plain = not (parts.query or parts.fragment or parts.username or parts.path.strip("/"))
    if parts.scheme != "https" or not parts.hostname or not plain or port == 0:
        raise RefusedError(f"{url[:80]!r}: not HQ's address; write https://host:port")
    return url.rstrip("/")


def _checkpoint_answer(answer: Answer) -> CheckpointAnswer:
    lines = _text(answer).split("\n")
    if answer.status == 409:
        return SizeDiffers(from_decimal(lines[0], "HQ's size"))
    if answer.status == 202:
        if len(lines) < 3:
            raise FormatError("not three lines", "HQ's mirror-info")
        return EntriesWanted(from_decimal(lines[1], "HQ's next entry"))
    return Acknowledged("\n".join(lines))


def _text(answer: Answer) -> str:
    try:
        return answer.body.decode("utf-8")
    except UnicodeDecodeError:
        raise LinkRefused("hq_answer", "HQ's answer is not UTF-8") from None


def _object(answer: Answer) -> dict[str, Any]:
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise LinkRefused("hq_answer", f"HQ answered {answer.status} without a JSON object")
    return value


def _refusal(answer: Answer) -> LinkError | LinkRefused:
    """HQ's own words, kept short and printable: they go into logs."""
    try:
        value = orjson.loads(answer.body)
        code, text = str(value["error"]), str(value["text"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        code, text = f"http_{answer.status}", f"HQ answered {answer.status}"
    code = "".join(letter for letter in code[:40] if letter.isalnum() or letter == "_")
    text = _printable(text, 200)
    if answer.status in _PASSING:
        return LinkError(f"HQ: {code}: {text}")
    return LinkRefused(code, text)


def _printable(text: str, longest: int) -> str:
    return "".join(letter for letter in text[:longest] if letter.isprintable())
