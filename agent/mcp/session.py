"""A session with a tool server, from its start to its end, on the loop of `agent.mcp.connection`."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError
from mcp.client.subscriptions import SubscriptionLost
from mcp_types import (
    CONNECTION_CLOSED,
    PARSE_ERROR,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agent.errors import ToolError, UmiError
from agent.mcp.definitions import MAX_TOOLS, Definition
from agent.mcp.messages import NOT_THE_PROTOCOL
from agent.mcp.servers import ServerEntry
from agent.mcp.transport import Ending, child_process, http_server
from agent.paths import data_folder, make_private_folder
from agent.tools.lib.output import shorten, strip_control

STOPPED = "it was stopped"
MAX_DEFINITIONS = 1_000_000
"""Characters of all definitions of a server: they are kept, and the user reads them."""
_ENDING_S = 1.0
"""Seconds in which the reason is waited for why a connection was closed."""
_REASON = 300
"""Characters of a reason, at most."""

_log = logging.getLogger(__name__)


class ServerSession:
    """One run of a server, from its start to its end; it is made and used on the loop."""

    @classmethod
    async def begin(cls, entry: ServerEntry) -> ServerSession:
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
        self._is_stale = False

    async def serve(self) -> None:
        """Hold the connection until the server ends or is stopped."""
        try:
            with self.scope:
                transport = await self._transport()
                async with (
                    Client(transport, client_info=_us(), cache=None, message_handler=self._heard) as client,
                    anyio.create_task_group() as tasks,
                ):
                    self.tools = await _all_tools(client)
                    self._client = client
                    self._ready.set()
                    tasks.start_soon(self._listen, client)
                    await self.ending.ended.wait()
                    tasks.cancel_scope.cancel()
            self.ending.set(STOPPED)
        except BaseException as error:
            self.ending.set(reason_of(error) + self.said_by_http())
            _log.warning("a tool server failed: %s", self.ending.reason)
        finally:
            self._client = None
            self._ready.set()

    def said_by_http(self) -> str:
        """Return the HTTP status of the last answer, in parentheses, where that was an error."""
        return f" (HTTP status {self.ending.status})" if self.ending.status else ""

    async def wait_until_ready(self) -> None:
        """Return when the tools are listed, or when that failed (`ending`)."""
        await self._ready.wait()

    async def call(self, approved: Definition, arguments: dict[str, Any]) -> CallToolResult | None:
        """Call a tool; return None where the server defines it otherwise than `approved`.

        Raise MCPError; `ending` tells whether the server ended. A result that cannot be read is an error,
        after which the server goes on. What a server says of its results in `outputSchema` is not checked:
        its patterns could take any time.
        """
        if self._client is None:
            raise MCPError(code=CONNECTION_CLOSED, message="the server ended")
        if self._is_stale:
            self._is_stale = False
            self.tools = await _all_tools(self._client)
        if self.tools.get(approved.name) != approved:
            return None
        params = CallToolRequestParams(name=approved.name, arguments=arguments)
        request = CallToolRequest(params=params)
        try:
            return await self._client.session.send_request(request, CallToolResult)
        except ValueError:  # a structure that is too deep is one too
            raise MCPError(code=PARSE_ERROR, message=NOT_THE_PROTOCOL) from None
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                with anyio.move_on_after(_ENDING_S):
                    await self.ending.ended.wait()
            raise

    async def _heard(self, message: object) -> None:
        """Look at the tools again before the next call where a server says that they changed."""
        if isinstance(message, ToolListChangedNotification):
            self._is_stale = True

    async def _listen(self, client: Client) -> None:
        """Do the same for a server of the protocol of 2026, which has to be asked to say it."""
        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not (tools and tools.list_changed):
            return
        with suppress(MCPError, SubscriptionLost, TimeoutError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._is_stale = True

    async def _transport(self) -> Any:
        entry = self.entry
        if entry.url:
            return http_server(entry.url, entry.headers, entry.time_limit_s, self.ending)
        folder = Path(entry.cwd).expanduser() if entry.cwd else _empty_folder()
        return child_process([entry.command, *entry.args], entry.env, folder, self.ending)


async def _all_tools(client: Client) -> dict[str, Definition]:
    """Return the tools of a server, which lists them in pages, by name."""
    tools: dict[str, Definition] = {}
    taken = 0
    cursor: str | None = None
    while True:
        page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        for tool in page.tools:
            found = Definition(tool.name, tool.description or "", tool.input_schema)
            taken += len(json.dumps(vars(found), ensure_ascii=False))
            tools.setdefault(tool.name, found)
        following = page.next_cursor
        if taken > MAX_DEFINITIONS:
            raise ToolError("it describes its tools in more than a million characters")
        if len(tools) > MAX_TOOLS:
            raise ToolError(f"it has more than {MAX_TOOLS} tools")
        if following is None or following == cursor or not page.tools:
            return tools
        cursor = following


def reason_of(error: BaseException) -> str:
    """Return what failed, in a line; the first of several errors stands for all."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case FileNotFoundError():
            return f"there is no program {error.filename}"
        case OSError():
            return f"{error.filename or 'it'}: {error.strerror or error}"
        case ValidationError():
            return f"{NOT_THE_PROTOCOL} ({error.errors()[0]['msg']})"
        case MCPError():
            return one_line(error.message)
        case UmiError():
            return str(error)
    return one_line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def one_line(text: str) -> str:
    return shorten(strip_control(text), _REASON)


def _empty_folder() -> Path:
    """Return a folder that holds nothing: many programs run or obey what lies where they are started."""
    folder = data_folder() / "tool-servers"
    make_private_folder(folder)
    return folder


def _us() -> Implementation:
    return Implementation(name="umi", version=version("umi-agent"))
