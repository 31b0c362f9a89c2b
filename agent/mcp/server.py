"""umi as a tool server: its file, note, date and unit tools for other programs, over standard streams.

Every call passes the same gate as in the app. A call that needs approval is put to the user through the
client (elicitation); where that cannot ask, the call is refused, unless a rule of the user's allows it.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from agent.consent.audit import AuditLog
from agent.consent.gate import Gate
from agent.consent.policy import Policy
from agent.consent.request import Allow, Decision, Deny, Request
from agent.errors import ToolError
from agent.tools.toolbox import Toolbox
from agent.transcript import Call, Transcript

SERVED = (
    *("list_files", "find_files", "search_text", "read_file", "file_info", "write_file"),
    *("add_note", "search_notes", "current_time", "add_days", "days_between", "convert_units"),
)
"""The tools that are offered where no others are named."""
BY_CLIENT = "the user, asked through the client"
_QUESTION = "allow"
_MAX_PENDING = 100
_ANSWER = {
    "type": "object",
    "properties": {"allow": {"type": "boolean", "title": "Allow this call", "default": False}},
    "required": ["allow"],
}
_Context = ServerRequestContext[Any, Any]


class _UnansweredError(Exception):
    """The question about a call goes out with the result of this request; its answer comes with another."""

    def __init__(self, request: Request) -> None:
        self.request = request


@dataclass
class ToolServing:
    """The tools of `toolbox` for one client.

    `describe` returns the question about a call in words; with `yes`, every call is allowed that is not
    refused anyway.
    """

    toolbox: Toolbox
    policy: Policy
    audit: AuditLog
    describe: Callable[[Request], str]
    yes: bool = False
    _pending: OrderedDict[str, Allow] = field(default_factory=OrderedDict)
    """What an answer to a question would allow, by the token that the client sends back with it."""

    @cached_property
    def server(self) -> Server[Any]:
        """The server of these tools, for any transport."""
        return Server(
            "umi",
            version=version("umi-agent"),
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def serve(self) -> None:
        """Serve standard input until it ends."""
        async with stdio_server() as (incoming, outgoing):
            await self.server.run(incoming, outgoing, self.server.create_initialization_options())

    async def _list_tools(self, _: _Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(
                    name=tool.name,
                    description=tool.spec.description,
                    input_schema=dict(tool.spec.parameters),
                    annotations=ToolAnnotations(read_only_hint=tool.may == "read", open_world_hint=False),
                )
                for tool in self.toolbox.tools
            ]
        )

    async def _call_tool(
        self, context: _Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        call = Call(params.name, params.arguments or {})
        cancelled = threading.Event()
        try:
            said = await anyio.to_thread.run_sync(
                self._called, call, context, params, cancelled, abandon_on_cancel=True
            )
        except _UnansweredError as unanswered:
            return self._question(unanswered.request)
        except ToolError as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        finally:
            cancelled.set()
        return CallToolResult(content=[TextContent(text=said)])

    def _called(
        self, call: Call, context: _Context, params: CallToolRequestParams, cancelled: threading.Event
    ) -> str:
        """Pass a call through the gate and run it. Raise ToolError and _UnansweredError."""

        def approve(request: Request) -> Decision | None:
            if self.yes:
                return request.allow("--yes")
            if not context.session.check_client_capability(
                ClientCapabilities(elicitation=ElicitationCapability())
            ):
                return None
            if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
                return self._answered(request, params)
            return _decision(request, anyio.from_thread.run(self._asked, context, request))

        gate = Gate(self.toolbox, approve, policy=self.policy, audit=self.audit)
        # Another program wrote the call, so that it counts as made of text from outside.
        passed = gate.passed(call, "another program calls this", Transcript(()), untrusted=True)
        return self.toolbox.run(passed, cancelled.is_set)

    async def _asked(self, context: _Context, request: Request) -> ElicitResult:
        return await context.session.elicit_form(self.describe(request), _ANSWER, context.request_id)

    def _answered(self, request: Request, params: CallToolRequestParams) -> Decision:
        """Return the answer that came with this request. Raise _UnansweredError where none came.

        An answer counts for the call and the change that were shown, and once.
        """
        shown = self._pending.pop(params.request_state or "", None)
        answer = (params.input_responses or {}).get(_QUESTION)
        if shown is None or shown.call != request.call or not isinstance(answer, ElicitResult):
            raise _UnansweredError(request)
        decision = _decision(request, answer)
        return shown if isinstance(decision, Allow) else decision

    def _question(self, request: Request) -> InputRequiredResult:
        token = secrets.token_urlsafe(16)
        self._pending[token] = request.allow(BY_CLIENT)
        while len(self._pending) > _MAX_PENDING:
            self._pending.popitem(last=False)
        question = ElicitRequestFormParams(message=self.describe(request), requested_schema=_ANSWER)
        return InputRequiredResult(
            input_requests={_QUESTION: ElicitRequest(params=question)}, request_state=token
        )


def _decision(request: Request, answer: ElicitResult) -> Decision:
    if answer.action == "accept" and (answer.content or {}).get("allow") is True:
        return request.allow(BY_CLIENT)
    return Deny()
