"""Connections to tool servers: started at the first call, started again after a crash, closed with umi.

All run on one event loop, in a thread of its own; tools, which run on threads, wait for them there.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future, TimeoutError
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import anyio
from mcp import Client, MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_REQUEST,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
)
from pydantic import ValidationError

from agent.errors import InputError, ToolError, UmiError
from agent.mcp.definitions import MAX_TOOLS, Definition
from agent.mcp.results import text_of
from agent.mcp.servers import ServerEntry, ToolServer
from agent.mcp.transport import Ending, child_process, http_server
from agent.paths import data_folder, make_private_folder
from agent.tools.lib.output import shorten, strip_control
from agent.tools.lib.time_limit import CANCELLED, CallEnded, check_time

MAX_STARTS = 3
"""Times that a server is started within `STARTS_S` seconds; after that it is left alone for as long."""
STARTS_S = 60.0
CLOSE_S = 3.0
"""Seconds that all servers together have to end when umi does."""
STOPPED = "it was stopped"
_POLL_S = 0.05
_ENDING_S = 1.0
"""Seconds in which the reason is waited for why a connection was closed."""
_REASON = 300

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class Connection:
    """A server, running or not, as it is used in one workspace."""

    def __init__(self, server: ToolServer, workspace: Path) -> None:
        self.server = server
        self._workspace = workspace
        self._lock = threading.Lock()
        self._run: _Run | None = None
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
        error. Where the time of the running call is up, the server is stopped, and CallEnded raised; where
        the user cancelled it, the server goes on.
        """
        run = self._running()
        name, defined = self.server.name, run.tools.get(approved.name)
        if defined != approved:
            how = "defines this tool anew" if defined else "does not have this tool any more"
            raise ToolError(f"the server {name} {how}; see `umi tools approve {name}`")
        result = self._awaited(run.call(approved.name, arguments), run)
        if result.is_error:
            raise ToolError(text_of(result))
        return text_of(result)

    def stop(self) -> _Run | None:
        """Stop the server, without waiting for that; the next call starts it again. Return the run."""
        run, self._run = self._run, None
        if run:
            self._last_end = run.ending.reason
            _loop().call_soon_threadsafe(run.scope.cancel)
        return run

    def _running(self) -> _Run:
        """Return the running server, started first where there is none."""
        while not self._lock.acquire(timeout=_POLL_S):
            check_time()
        try:
            if self._run is None or self._run.ending.reason:
                self._run = self._started()
            return self._run
        finally:
            self._lock.release()

    def _started(self) -> _Run:
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
        run = self._run = _waited(asyncio.run_coroutine_threadsafe(_Run.begin(entry), _loop()))
        try:
            self._awaited(run.wait_until_ready(), run)
        except ToolError:
            self.stop()
            raise
        if run.ending.reason:
            raise self._failure(f"cannot be used: {run.ending.reason}")
        return run

    def _awaited(self, work: Coroutine[Any, Any, Result], run: _Run) -> Result:
        """Return what `work` does on the loop. Raise ToolError where the server fails, and CallEnded."""
        future = asyncio.run_coroutine_threadsafe(work, _loop())
        try:
            return _waited(future)
        except CallEnded as ended:
            future.cancel()
            if str(ended) != CANCELLED:  # a server that does not answer is of no more use
                self.stop()
            raise
        except MCPError as error:
            if error.code in (CONNECTION_CLOSED, INVALID_REQUEST) or run.ending.reason:
                self.stop()  # over HTTP, a session that the server forgot is an invalid request
            if run.ending.reason:
                raise self._failure(f"failed during the call: {run.ending.reason}") from None
            raise self._failure(f"refused the call: {_one_line(error.message)}") from None
        except Exception as error:
            self.stop()
            raise self._failure(f"failed: {run.ending.reason or _reason(error)}") from None

    def _failure(self, what: str) -> ToolError:
        return ToolError(f"the server {self.server.name} {what}")


class _Run:
    """One run of a server, from its start to its end; it is made and used on the loop."""

    @classmethod
    async def begin(cls, entry: ServerEntry) -> _Run:
        """Start a server."""
        run = cls(entry)
        run.task = asyncio.create_task(run.serve())
        return run

    def __init__(self, entry: ServerEntry) -> None:
        self.entry = entry
        self.ending = Ending()
        self.scope = anyio.CancelScope()
        self.tools: dict[str, Definition] = {}
        self.task: asyncio.Task[None] | None = None
        self._ready = anyio.Event()
        self._client: Client | None = None

    async def serve(self) -> None:
        """Hold the connection until the server ends or is stopped."""
        try:
            with self.scope:
                transport = await self._transport()
                async with Client(transport, client_info=_us(), cache=None) as client:
                    self.tools = await _all_tools(client)
                    self._client = client
                    self._ready.set()
                    await self.ending.ended.wait()
            self.ending.set(STOPPED)
        except BaseException as error:
            self.ending.set(_reason(error))
            _log.warning("a tool server failed: %s", self.ending.reason)
        finally:
            self._client = None
            self._ready.set()

    async def wait_until_ready(self) -> None:
        """Return when the tools are listed, or when that failed (`ending`)."""
        await self._ready.wait()

    async def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call a tool. Raise MCPError; `ending` tells whether the server ended.

        What a server says of its results in `outputSchema` is not checked: its patterns could take any time.
        """
        if self._client is None:
            raise MCPError(code=CONNECTION_CLOSED, message="the server ended")
        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
        try:
            return await self._client.session.send_request(request, CallToolResult)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                with anyio.move_on_after(_ENDING_S):
                    await self.ending.ended.wait()
            raise

    async def _transport(self) -> Any:
        entry = self.entry
        if entry.url:
            return http_server(entry.url, entry.headers, entry.time_limit_s, self.ending)
        folder = Path(entry.cwd).expanduser() if entry.cwd else _empty_folder()
        return child_process([entry.command, *entry.args], entry.env, folder, self.ending)


async def _all_tools(client: Client) -> dict[str, Definition]:
    """Return the tools of a server, which lists them in pages, by name."""
    tools: dict[str, Definition] = {}
    cursor: str | None = None
    while True:
        page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        for tool in page.tools:
            tools.setdefault(tool.name, Definition(tool.name, tool.description or "", tool.input_schema))
        following = page.next_cursor
        if len(tools) > MAX_TOOLS:
            raise ToolError(f"it has more than {MAX_TOOLS} tools")
        if following is None or following == cursor or not page.tools:
            return tools
        cursor = following


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
        running = [found for one in _connections.values() if (found := one.stop())]
    if running:
        ended = asyncio.run_coroutine_threadsafe(_all_ended(running), _loop())
        with suppress(TimeoutError):
            ended.result(CLOSE_S)


async def _all_ended(runs: list[_Run]) -> None:
    await asyncio.wait([run.task for run in runs if run.task])


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of all connections, which runs from the first use until the process ends."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="umi tool servers", daemon=True).start()
    atexit.register(close_all)
    return loop


def _waited(future: Future[Result]) -> Result:
    """Return the result of `future`. Raise what it raises, and CallEnded where the call ends first."""
    while True:
        try:
            return future.result(_POLL_S)
        except TimeoutError:
            if future.done():
                raise
            check_time()


def _empty_folder() -> Path:
    """Return a folder that holds nothing: many programs run or obey what lies where they are started."""
    folder = data_folder() / "tool-servers"
    make_private_folder(folder)
    return folder


def _us() -> Implementation:
    return Implementation(name="umi", version=version("umi-agent"))


def _reason(error: BaseException) -> str:
    """Return what failed, in a line; the first of several errors stands for all."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case FileNotFoundError():
            return f"there is no program {error.filename}"
        case OSError():
            return f"{error.filename or 'it'}: {error.strerror or error}"
        case ValidationError():
            return f"it answers in a form that is not the protocol's ({error.errors()[0]['msg']})"
        case MCPError():
            return _one_line(error.message)
        case UmiError():
            return str(error)
    return _one_line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _one_line(text: str) -> str:
    return shorten(strip_control(text), _REASON)
