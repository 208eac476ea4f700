"""The link between gateway and HQ, as a thing that can be cut: a TCP proxy with a thread of its own.

Cut hard: every connection is reset and none is taken. Half open, as behind a dead router: connections stand, new ones
are taken, and nothing passes in either direction.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import Enum
from typing import Any, TypeVar

Result = TypeVar("Result")

_PIECE_BYTES = 65_536
_CALL_S = 5.0


class LinkState(Enum):
    """How the link is."""

    WHOLE = "whole"
    CUT = "cut"
    HALF_OPEN = "half_open"


class LinkCut:
    """Listens on a free port of 127.0.0.1, ``port``, and passes on to ``target_port``. Close it, or use ``with``."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._state = LinkState.WHOLE
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()
        self._passes.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._take, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> "LinkCut":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> LinkState:
        """How the link is now."""
        return self._state

    def cut(self) -> None:
        """Reset every connection; new ones are reset as they come."""
        self._call(self._become(LinkState.CUT))

    def half_open(self) -> None:
        """Connections stand and are taken, and nothing passes any more."""
        self._call(self._become(LinkState.HALF_OPEN))

    def mend(self) -> None:
        """The link is whole again; what was held back while it was half open passes now."""
        self._call(self._become(LinkState.WHOLE))

    def close(self) -> None:
        """Every connection and the port are closed, the thread ends. May be called twice."""
        if self._loop.is_closed():
            return
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_S)

    async def _become(self, state: LinkState) -> None:
        self._state = state
        if state is LinkState.HALF_OPEN:
            self._passes.clear()
        else:
            self._passes.set()
        if state is LinkState.CUT:
            self._reset_all()
            await asyncio.sleep(0)

    def _reset_all(self) -> None:
        for writer in tuple(self._writers):
            _reset(writer)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self._state is LinkState.CUT:
                _reset(writer)
            else:
                await self._passes.wait()
                await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _join(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far, far_out = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers.add(far_out)
        try:
            await asyncio.gather(self._pass_on(near, far_out), self._pass_on(far, near_out))
        finally:
            far_out.transport.abort()
            self._writers.discard(far_out)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One direction until its end, then the end is passed on too."""
        while piece := await source.read(_PIECE_BYTES):
            await self._passes.wait()
            if sink.is_closing():
                return
            sink.write(piece)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()

    async def _shut(self) -> None:
        self._server.close()
        self._reset_all()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """A reset instead of an orderly end: nothing lingers (socket(7), SO_LINGER)."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
