"""HQ over HTTPS: the calls of the link's ports, each with a size limit and a deadline.

Trusts the pinned certificate authority only. Follows no redirect, reads no proxy and no netrc from the environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from edge.ports.devices import MonotonicClock
from edge.ports.errors import LinkError, RefusedError
from edge.ports.link import Acknowledged, CheckpointAnswer, EntriesWanted, SizeDiffers
from sync.formats import note, package
from sync.formats.encoding import from_decimal
from sync.formats.errors import FormatError
from sync.link.refusals import LinkRefused

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
"""Longest silence of HQ in the middle of an answer."""

DEADLINE_MS = 20_000
"""Longest time for a whole answer, however steadily it drips."""

_SMALL_BYTES = 16_384
_CHUNK_BYTES = 16_384
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

    def __init__(self, address: HqAddress, clock: MonotonicClock) -> None:
        self._base = checked_url(address.url)
        self._site = address.site
        self._log = sha256(address.origin.encode()).hexdigest()
        self._authorization = {"authorization": f"Bearer {address.token}"}
        self._exchange = Exchange(address.ca_path, clock)

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


class Exchange:
    """One call after the other over a kept connection, every answer bounded in size and time."""

    def __init__(self, ca_path: Path, clock: MonotonicClock) -> None:
        self._clock = clock
        self._session = requests.Session()
        # The environment could name another certificate bundle, a proxy or a password file.
        self._session.trust_env = False
        self._session.verify = str(ca_path)
        self._session.headers.update({"accept-encoding": "identity", "user-agent": "permitgate"})

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

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
            with self._session.request(
                method,
                url,
                data=body,
                headers=dict(headers or {}),
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                content_type = response.headers.get("content-type", "").split(";")[0].strip()
                answer = Answer(response.status_code, content_type, self._body(response, size_max))
        except (requests.RequestException, OSError) as error:
            raise LinkError(f"HQ: {_short(error)}") from None
        if 200 <= answer.status < 300 or (answer.status in allowed and answer.content_type.startswith("text/x.tlog.")):
            return answer
        raise _refusal(answer)

    def _body(self, response: requests.Response, size_max: int) -> bytes:
        until_ms = self._clock() + DEADLINE_MS
        parts: list[bytes] = []
        total = 0
        for chunk in response.iter_content(_CHUNK_BYTES):
            total += len(chunk)
            if total > size_max:
                raise LinkRefused("hq_answer_too_large", f"HQ's answer is longer than {size_max} bytes")
            if self._clock() > until_ms:
                raise LinkError(f"HQ: the answer was not whole after {DEADLINE_MS // 1000} s")
            parts.append(chunk)
        return b"".join(parts)


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
    text = "".join(letter for letter in text[:200] if letter.isprintable())
    if answer.status in _PASSING:
        return LinkError(f"HQ: {code}: {text}")
    return LinkRefused(code, text)


def _short(error: Exception) -> str:
    """What went wrong at the bottom; the wrapping around it repeats the whole URL with its nonce."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return f"{type(error).__name__}: {reason or error}"[:300]
