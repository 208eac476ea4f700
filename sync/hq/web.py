"""HQ over HTTPS: the calls of ``/v1``. Every answer of refusal is one JSON object with a stable code.

Reading or writing *entries* needs the gateway's link token; checkpoints, hash tiles, time and the certificate are open.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sync.formats import package, tiles, time_note
from sync.formats.errors import FormatError
from sync.hq.authority_log import AuthorityLog, HeadServer
from sync.hq.enrolment import enrol, parse_enrolment, token_hash
from sync.hq.limits import RateLimit, gunzip, read_body
from sync.hq.mirror import Cosigned, EntriesMissing, Mirror, OtherSize, parse_request
from sync.hq.place import Place
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.store import HqStore, Log

_BODY_TIMEOUT_S = 30
_CHECKPOINT_BYTES_MAX = 16_384
_ENROLMENT_BYTES_MAX = 4_096
_IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable"}

# c2sp.org/tlog-witness sets 400, 403, 404, 409 and 422 of add-checkpoint; the others follow RFC 9110.
_STATUS = {
    RefusalCode.MALFORMED: 400,
    RefusalCode.UNAUTHENTICATED: 401,
    RefusalCode.SIGNATURE: 403,
    RefusalCode.ORIGIN_FROZEN: 403,
    RefusalCode.CODE: 403,
    RefusalCode.UNKNOWN: 404,
    RefusalCode.UNKNOWN_ORIGIN: 404,
    RefusalCode.LATE: 408,
    RefusalCode.FORK: 409,
    RefusalCode.TOO_LARGE: 413,
    RefusalCode.ENTRY_MALFORMED: 422,
    RefusalCode.WRONG_ROOT: 422,
    RefusalCode.PROOF: 422,
    RefusalCode.OPERATION: 422,
    RefusalCode.BADGE: 422,
    RefusalCode.SETTING: 500,
    RefusalCode.UNAVAILABLE: 503,
    RefusalCode.TOO_MANY: 429,
    RefusalCode.BACKLOG: 507,
}

_BODY_UNREAD = (RefusalCode.LATE, RefusalCode.TOO_LARGE)

_Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Service:
    """What the calls work on. ``now_ms`` reads HQ's clock: UTC milliseconds."""

    place: Place
    store: HqStore
    now_ms: Callable[[], int]
    on_refused: Callable[[str, str], None]
    """Told the code and the text of each refusal, for the log."""


def application(service: Service) -> Starlette:
    """The ASGI application. Its store is used from the event loop's thread only."""
    calls = _Calls(service)
    routes = [
        ("/v1/tlog/add-checkpoint", calls.add_checkpoint, "POST"),
        ("/v1/tlog/{digest}/entries", calls.add_entries, "POST"),
        ("/v1/tlog/{digest}/checkpoint", calls.mirror_checkpoint, "GET"),
        ("/v1/tlog/{digest}/tile/{rest:path}", calls.mirror_tile, "GET"),
        ("/v1/authority/{site}/checkpoint", calls.authority_head, "GET"),
        ("/v1/authority/{site}/entries", calls.authority_entries, "GET"),
        ("/v1/authority/{site}/tile/{rest:path}", calls.authority_tile, "GET"),
        ("/v1/time", calls.time, "GET"),
        ("/v1/enrol", calls.enrol, "POST"),
        ("/v1/ca", calls.certificate, "GET"),
        ("/healthz", calls.health, "GET"),
    ]
    guard = _Guard(service)
    return Starlette(
        routes=[Route(path, guard.around(handler), methods=[method]) for path, handler, method in routes],
        exception_handlers={HTTPException: _no_such_call},
    )


class _Guard:
    """Rate limit before, and named refusals after, every call."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._every = RateLimit(per_s=200, burst=400)

    def around(self, handler: _Handler) -> _Handler:
        """The handler, guarded."""

        async def guarded(request: Request) -> Response:
            """The handler, its refusals turned into answers."""
            try:
                self._every.take(caller(request), self._service.now_ms())
                async with asyncio.timeout(_BODY_TIMEOUT_S):
                    return await handler(request)
            except Refusal as refusal:
                return self._refuse(refusal)
            except FormatError as error:
                return self._refuse(Refusal(RefusalCode.MALFORMED, str(error)))
            except TimeoutError:
                return self._refuse(Refusal(RefusalCode.LATE, f"body: not whole after {_BODY_TIMEOUT_S} s"))
            except ClientDisconnect:
                return Response(status_code=400)
            except OSError as error:
                return self._refuse(
                    Refusal(RefusalCode.UNAVAILABLE, f"{error.strerror}; nothing was changed, try again")
                )

        return guarded

    def _refuse(self, refusal: Refusal) -> Response:
        self._service.on_refused(refusal.code.value, refusal.text)
        body = orjson.dumps({"v": 1, "error": refusal.code.value, "text": refusal.text})
        # Who has not sent his whole body is not waited for: his connection ends with the answer.
        headers = {"connection": "close"} if refusal.code in _BODY_UNREAD else None
        return Response(body, _STATUS[refusal.code], headers, "application/json")


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store
        self._place = service.place
        self._mirror_key = service.place.mirror_key()
        self._mirror = Mirror(service.store, self._mirror_key)
        origin = service.place.authority_origin
        self._head = HeadServer(service.store, origin, self._mirror_key)
        self._authority = AuthorityLog(service.store, origin, service.place.authority_key())
        self._certificate = service.place.certificates.certificate_path.read_bytes()
        self._enrolling = RateLimit(per_s=0.2, burst=10)

    async def add_entries(self, request: Request) -> Response:
        """A package of a gateway's entries; answers the index that HQ wants next."""
        origin = self._gateway(request)
        body = await read_body(request.stream(), package.MAX_PACKAGE_BYTES)
        if _is_gzip(request):
            body = gunzip(body, package.MAX_PACKAGE_BYTES)
        sent = package.decode(body)
        if sent.origin != origin:
            raise Refusal(RefusalCode.MALFORMED, f"package: of {sent.origin}, sent to {origin}")
        next_index = self._mirror.add_entries(sent)
        answer = orjson.dumps({"v": 1, "org": origin, "next": next_index})
        return Response(answer, media_type="application/json")

    async def add_checkpoint(self, request: Request) -> Response:
        """c2sp.org/tlog-witness add-checkpoint; 202 with tlog-mirror's three lines while entries are missing."""
        body = await read_body(request.stream(), _CHECKPOINT_BYTES_MAX)
        reply = self._mirror.add_checkpoint(parse_request(body), self._service.now_ms())
        match reply:
            case Cosigned(line):
                return PlainTextResponse(line)
            case OtherSize(size):
                return _plainly(f"{size}\n", 409, "text/x.tlog.size")
            case EntriesMissing(size, next_index):
                return _plainly(f"{size}\n{next_index}\n\n", 202, "text/x.tlog.mirror-info")

    async def mirror_checkpoint(self, request: Request) -> Response:
        """A gateway's newest checkpoint with the mirror's cosignature."""
        cosigned = self._mirror.cosigned_note(self._origin(request), self._service.now_ms())
        if cosigned is None:
            raise Refusal(RefusalCode.UNKNOWN, "no checkpoint was cosigned yet")
        return PlainTextResponse(cosigned)

    async def mirror_tile(self, request: Request) -> Response:
        """A tile of a gateway's log as HQ holds it."""
        return self._tile(request, self._origin(request))

    async def authority_head(self, request: Request) -> Response:
        """The authority log's head: signed, and cosigned within the last minute."""
        self._check_site(request)
        return PlainTextResponse(self._head.head(self._service.now_ms()))

    async def authority_entries(self, request: Request) -> Response:
        """A package of the authority log's entries from ``start`` on; 204 when there are none yet."""
        self._check_site(request)
        self._authenticate(request)
        text = request.query_params.get("start", "0")
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise Refusal(RefusalCode.MALFORMED, "start: must be a whole number, 0 and up")
        with self._store.reading() as transaction:
            leaves = transaction.leaves(self._place.authority_origin, int(text), package.MAX_ENTRIES)
        if not leaves:
            return Response(status_code=204)
        body = package.encode(self._place.authority_origin, int(text), leaves[: package.fitting(leaves)])
        return Response(body, media_type="application/octet-stream")

    async def authority_tile(self, request: Request) -> Response:
        """A tile of the authority log."""
        self._check_site(request)
        return self._tile(request, self._place.authority_origin)

    async def time(self, request: Request) -> Response:
        """HQ's time, signed over the caller's nonce."""
        nonce = request.query_params.get("nonce", "")
        return PlainTextResponse(time_note.sign_time(nonce, self._service.now_ms(), self._mirror_key))

    async def enrol(self, request: Request) -> Response:
        """Take a gateway in by its one-time code."""
        self._enrolling.take(caller(request), self._service.now_ms())
        body = await read_body(request.stream(), _ENROLMENT_BYTES_MAX)
        answer = enrol(self._store, self._place, self._authority, parse_enrolment(body), self._service.now_ms())
        return Response(orjson.dumps(answer), media_type="application/json", headers={"cache-control": "no-store"})

    async def certificate(self, request: Request) -> Response:
        """HQ's certificate authority in PEM; a gateway compares it with the fingerprint in its code."""
        return Response(self._certificate, media_type="application/x-pem-file")

    async def health(self, request: Request) -> Response:
        """ok, when the database can be read."""
        with self._store.reading() as transaction:
            logs = transaction.gateway_logs()
        answer = {"ok": True, "gateways": len(logs), "frozen": sum(log.frozen is not None for log in logs)}
        return Response(orjson.dumps(answer), media_type="application/json")

    def _tile(self, request: Request, origin: str) -> Response:
        tile = tiles.parse_path(f"tile/{request.path_params['rest']}")
        if tile.level is None:
            self._authenticate(request)
        with self._store.reading() as transaction:
            log = transaction.log(origin)
            if log is None or not _has(log, tile):
                raise Refusal(RefusalCode.UNKNOWN, f"{tile.path}: not there yet")
            if tile.level is None:
                body = tiles.encode_bundle(transaction.leaves(origin, tile.start, tile.width))
            else:
                body = tiles.tile_bytes(tile, lambda level, index: transaction.node(origin, level, index))
        return Response(body, media_type="application/octet-stream", headers=_IMMUTABLE)

    def _origin(self, request: Request) -> str:
        digest = request.path_params["digest"]
        with self._store.reading() as transaction:
            origin = transaction.origin_of_digest(digest)
        if origin is None or origin == self._place.authority_origin:
            raise Refusal(RefusalCode.UNKNOWN_ORIGIN, f"{digest[:64]}: no such log here")
        return origin

    def _gateway(self, request: Request) -> str:
        """The log that the path names, if the caller's token is of that very gateway."""
        origin = self._origin(request)
        if self._authenticate(request) != origin:
            raise Refusal(RefusalCode.UNAUTHENTICATED, "link token: of another gateway")
        return origin

    def _authenticate(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._store.reading() as transaction:
            origin = transaction.token_owner(token_hash(token)) if scheme == "Bearer" else None
        if origin is None:
            raise Refusal(RefusalCode.UNAUTHENTICATED, "link token: missing or unknown; enrol the gateway")
        return origin

    def _check_site(self, request: Request) -> None:
        if request.path_params["site"] != self._place.site:
            raise Refusal(RefusalCode.UNKNOWN, f"site {request.path_params['site'][:64]}: not served here")


def caller(request: Request) -> str:
    """Whom a rate limit counts: the caller's address."""
    return request.client.host if request.client is not None else ""


def _plainly(text: str, status: int, content_type: str) -> Response:
    """A content type exactly as C2SP gives it: clients compare it, so it must not get a charset added."""
    return Response(text, status, {"content-type": content_type})


def _is_gzip(request: Request) -> bool:
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return (
        request.headers.get("content-encoding", "").lower() in ("gzip", "x-gzip") or content_type == "application/gzip"
    )


def _has(log: Log, tile: tiles.Tile) -> bool:
    complete = log.size >> (8 * (tile.level or 0))
    return tile.start + tile.width <= complete


async def _no_such_call(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    body = orjson.dumps({"v": 1, "error": "no_such_call", "text": f"{request.method} {request.url.path[:200]}"})
    return Response(body, status, media_type="application/json")
