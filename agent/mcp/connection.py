"""Connections to tool servers: started at the first call, started again after a crash, closed with umi.

All run on one event loop, in a thread of its own; tools, which run on threads, wait for them there.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future, TimeoutError
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mcp import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_REQUEST,
    PARSE_ERROR,
)

from agent.errors import InputError, ToolError
from agent.mcp.definitions import Definition
from agent.mcp.results import text_of
from agent.mcp.servers import ToolServer
from agent.mcp.session import STOPPED, ServerSession, one_line, reason_of
from agent.tools.lib.time_limit import CANCELLED, CallEndedError, check_time

MAX_STARTS = 3
"""Times that a server is started within `STARTS_S` seconds; after that it is left alone for as long."""
STARTS_S = 60.0
CLOSE_S = 3.0
"""Seconds that all servers together have to end when umi does."""
_POLL_S = 0.05

Result = TypeVar("Result")


class Connection:
    """A server, running or not, as it is used in one workspace."""

    def __init__(self, server: ToolServer, workspace: Path) -> None:
        self.server = server
        self._workspace = workspace
        self._lock = threading.Lock()
        self._session: ServerSession | None = None
        self._starts: list[float] = []
        self._last_end = ""

    def listed(self, *, anew: bool = False) -> tuple[Definition, ...]:
        """Return the tools that the server defines. Raise ToolError.

        It is started where it is not running, and `anew` where it is.
        """
        if anew:
            self.stop()
            self._starts.clear()
        return tuple(self._running().tools.values())

    def call(self, approved: Definition, arguments: dict[str, Any]) -> str:
        """Call a tool of the server, started where it is not running, and return what it says.

        Raise ToolError where the server defines the tool otherwise than `approved`, ends, or reports an
        error, and CallEndedError where the time of the running call is up, with the server stopped, or the
        user cancelled it.
        """
        session = self._running()
        result = self._awaited(session.call(approved, arguments), session)
        if result is None:
            name = self.server.name
            how = (
                "defines this tool anew"
                if approved.name in session.tools
                else "does not have this tool any more"
            )
            raise ToolError(f"the server {name} {how}; see `umi tools approve {name}`")
        if result.is_error:
            raise ToolError(text_of(result))
        return text_of(result)

    def stop(self) -> ServerSession | None:
        """Stop the server, without waiting for that; the next call starts it again. Return the session."""
        session, self._session = self._session, None
        if session:
            self._last_end = session.ending.reason
            _loop().call_soon_threadsafe(session.scope.cancel)
        return session

    def _running(self) -> ServerSession:
        """Return the running server, started first where there is none."""
        while not self._lock.acquire(timeout=_POLL_S):
            check_time()
        try:
            if self._session is None or self._session.ending.reason:
                self._session = self._started()
            return self._session
        finally:
            self._lock.release()

    def _started(self) -> ServerSession:
        self.stop()
        now = time.monotonic()
        self._starts = [at for at in self._starts if now - at < STARTS_S]
        if len(self._starts) >= MAX_STARTS:
            raise self._failure(
                f"was started {MAX_STARTS} times in a minute, and {self._last_end or STOPPED}"
            )
        self._starts.append(now)
        try:
            entry = self.server.expanded(self._workspace)
        except InputError as error:
            raise ToolError(str(error)) from None
        session = self._session = _waited(
            asyncio.run_coroutine_threadsafe(ServerSession.begin(entry), _loop())
        )
        try:
            self._awaited(session.wait_until_ready(), session)
        except ToolError:
            self.stop()
            raise
        if session.ending.reason:
            raise self._failure(f"cannot be used: {session.ending.reason}")
        return session

    def _awaited(self, work: Coroutine[Any, Any, Result], session: ServerSession) -> Result:
        """Return what `work` does on the loop. Raise ToolError where the server fails, and CallEndedError."""
        future = asyncio.run_coroutine_threadsafe(work, _loop())
        try:
            return _waited(future)
        except CallEndedError as ended:
            future.cancel()
            if str(ended) != CANCELLED:  # a server that does not answer is of no more use
                self.stop()
            raise
        except MCPError as error:
            if error.code in (CONNECTION_CLOSED, INVALID_REQUEST) or session.ending.reason:
                self.stop()  # over HTTP, a session that the server forgot is an invalid request
            if session.ending.reason:
                raise self._failure(f"failed during the call: {session.ending.reason}") from None
            how = "failed" if error.code == PARSE_ERROR else "refused the call"
            said = one_line(error.message) + session.said_by_http()
            raise self._failure(f"{how}: {said}") from None
        except Exception as error:
            self.stop()
            raise self._failure(f"failed: {session.ending.reason or reason_of(error)}") from None

    def _failure(self, what: str) -> ToolError:
        return ToolError(f"the server {self.server.name} {what}")


_connections: dict[tuple[str, str, Path], Connection] = {}
_guard = threading.Lock()


def connection(server: ToolServer, workspace: Path) -> Connection:
    """Return the connection to a server from a workspace, which the whole process shares."""
    with _guard:
        key = (server.name, server.fingerprint, workspace)
        return _connections.setdefault(key, Connection(server, workspace))


def close_all() -> None:
    """Stop all servers and wait for their end, at most `CLOSE_S` seconds."""
    with _guard:
        running = [session for one in _connections.values() if (session := one.stop())]
    if running:
        ended = asyncio.run_coroutine_threadsafe(_all_ended(running), _loop())
        with suppress(TimeoutError):
            ended.result(CLOSE_S)


async def _all_ended(sessions: list[ServerSession]) -> None:
    await asyncio.wait([session.task for session in sessions if session.task])


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of all connections, which runs from the first use until the process ends."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="umi tool servers", daemon=True).start()
    atexit.register(close_all)
    return loop


def _waited(future: Future[Result]) -> Result:
    """Return the result of `future`. Raise what it raises, and CallEndedError where the call ends first."""
    while True:
        try:
            return future.result(_POLL_S)
        except TimeoutError:
            if future.done():
                raise
            check_time()
