"""`umi serve` in this process: a server with a scripted agent on a free port, and requests to it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from agent.consent import Approve
from agent.engine import Choice, Delta, Generated, ScriptedEngine
from agent.events import Reading
from agent.loop import Agent
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox
from agent.transcript import Role, Transcript
from serve.answering import Answering
from serve.app import Server
from serve.command import own_hosts
from serve.connections import TimelyProtocol
from serve.fair_queue import FairQueue
from serve.metrics import Metrics


@dataclass
class HeldEngine(ScriptedEngine):
    """A scripted engine that waits before each planner's turn while `held` is set; it obeys a cancel."""

    held: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)
    """Set when a planner waits."""
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when one was cancelled."""
    released: threading.Event = field(default_factory=threading.Event)

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Iterator[Reading | Delta | Generated]:
        """Generate the next text, after a wait."""
        if role == "planner" and self.held.is_set():
            yield Reading(role, 0, 1)
            self.began.set()
            while self.held.is_set() and not cancelled():
                self.released.wait(0.01)
            if cancelled():
                self.stopped.set()
        yield from super().generate(role, transcript, cancelled=cancelled, instead_of=instead_of, brief=brief)


@dataclass
class Served:
    """A running server: where it is, its engine, and what it counts."""

    port: int
    engine: HeldEngine
    answering: Answering
    http: httpx2.AsyncClient

    @property
    def url(self) -> str:
        """The address that clients are given."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """Return what is at `path`."""
        return await self.http.get(path, headers=headers)

    async def post(self, body: Any, **headers: str) -> httpx2.Response:
        """Ask for a completion with `body`, JSON or bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post("/v1/chat/completions", content=content, headers=headers)


@asynccontextmanager
async def served(
    script: Sequence[str],
    folder: Path,
    *,
    token: str = "",
    most_waiting: int = 64,
    approve: Approve | None = None,
    context_length: int = 4096,
) -> AsyncIterator[Served]:
    """Serve an agent over all built-in tools whose models follow `script`."""
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    engine = HeldEngine(script, context_length=context_length)
    context = ToolContext(Workspace(workspace), folder / "notes.jsonl")
    agent = Agent(engine, Toolbox(builtin_tools(), context))
    answering = Answering(agent, approve, FairQueue(most_waiting), Metrics())
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    application = Server(answering, token, own_hosts(f"127.0.0.1:{port}", port)).application()
    config = uvicorn.Config(application, http=TimelyProtocol, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve([listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=False, timeout=20) as http:
            yield Served(port, engine, answering, http)
    finally:
        engine.held.clear()
        server.should_exit = True
        await running
        listening.close()


def user(text: str) -> dict[str, str]:
    """A message of the user."""
    return {"role": "user", "content": text}


def chat(*messages: Any, **fields: Any) -> dict[str, Any]:
    """The body of a request."""
    return {"model": "umi", "messages": list(messages), **fields}


def weather_tool(name: str = "get_weather") -> dict[str, Any]:
    """A tool of a client."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    function = {"name": name, "description": "The weather in a city.", "parameters": parameters}
    return {"type": "function", "function": function}
