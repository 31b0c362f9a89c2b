"""An agent for asyncio: its turns run on a thread of their own, one after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from inspect import isawaitable
from pathlib import Path
from typing import TypeVar

from agent import setup
from agent.attachments import Attachment
from agent.bundle import Bundle
from agent.consent import Approve, Decision, Request
from agent.events import Event, Finished
from agent.loop import Agent, Conversation
from agent.tools import Tool
from umi.opening import open_agent

Item = TypeVar("Item")
AsyncApprove = Callable[[Request], Decision | Awaitable[Decision | None] | None]
"""Answers a question about a call, at once or when it is awaited; see `Agent.run`."""

_POLL_S = 0.05
"""Seconds between two looks at whether a turn was cancelled while a question about a call is open."""


class AsyncAgent:
    """An `Agent` whose turns are awaited. They run in the order in which they were asked for."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._executor = ThreadPoolExecutor(1, "umi-agent")

    def begin(self) -> Conversation:
        """Return a new conversation with this agent's tools and standing instruction."""
        return self.agent.begin()

    async def run(
        self,
        conversation: Conversation,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        approve: AsyncApprove | None = None,
    ) -> AsyncGenerator[Event]:
        """Answer `text` as `Agent.run` does, yielding events as they come.

        Closing the iterator, or cancelling the task that awaits it, stops the models and waits until they
        have stopped; the conversation is then unchanged. `approve` may be a coroutine function, which runs
        on the event loop; any other is called on the thread of the turn.
        """
        stop = threading.Event()
        events = self.agent.run(
            conversation,
            text,
            attachments=attachments,
            approve=_blocking(approve, asyncio.get_running_loop(), stop) if approve else None,
            cancelled=stop.is_set,
        )
        async with aclosing(iterate_in_thread(events, self._executor, stop)) as arriving:
            async for event in arriving:
                yield event

    async def ask(
        self,
        conversation: Conversation,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        approve: AsyncApprove | None = None,
    ) -> Finished:
        """Answer `text` as `run` does; return the last event."""
        async with aclosing(self.run(conversation, text, attachments=attachments, approve=approve)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event
        raise AssertionError("a turn ends with Finished")

    async def close(self) -> None:
        """Free the models, after the turn that runs has ended. May be called twice."""
        await asyncio.to_thread(self._executor.shutdown)
        self.agent.close()


@asynccontextmanager
async def open_async_agent(
    models: str | Path | Bundle | None = None,
    *,
    workspace: str | Path = ".",
    tools: Sequence[str | Tool] | None = None,
    max_steps: int = setup.DEFAULT_MAX_STEPS,
    allow_protected: Sequence[str] = (),
    server: str = "",
) -> AsyncIterator[AsyncAgent]:
    """Load models as `open_agent` does, on a thread; the agent is closed when the `async with` block ends."""
    agent = await asyncio.to_thread(
        open_agent,
        models,
        workspace=workspace,
        tools=tools,
        max_steps=max_steps,
        allow_protected=allow_protected,
        server=server,
    )
    opened = AsyncAgent(agent)
    try:
        yield opened
    finally:
        await opened.close()


async def iterate_in_thread(
    items: Iterable[Item], executor: Executor, stop: threading.Event
) -> AsyncGenerator[Item]:
    """Yield `items`, which are made on a thread of `executor`, as they come.

    `stop` is set when this generator ends, and it ends when the thread has done with `items`, which should
    look at `stop`.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[tuple[Item] | None] = asyncio.Queue()

    def work() -> None:
        try:
            for item in items:
                loop.call_soon_threadsafe(arrived.put_nowait, (item,))
        finally:
            loop.call_soon_threadsafe(arrived.put_nowait, None)

    job = executor.submit(work)
    try:
        while (found := await arrived.get()) is not None:
            yield found[0]
        await asyncio.wrap_future(job)
    finally:
        stop.set()
        if not job.cancel():
            with suppress(Exception):
                await asyncio.shield(asyncio.wrap_future(job))


def _blocking(approve: AsyncApprove, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> Approve:
    """Return `approve` as a function for the thread of a turn; None is its answer once `stop` is set."""

    async def answered(decision: Awaitable[Decision | None]) -> Decision | None:
        return await decision

    def ask(request: Request) -> Decision | None:
        decision = approve(request)
        if not isawaitable(decision):
            return decision
        future = asyncio.run_coroutine_threadsafe(answered(decision), loop)
        while not stop.is_set():
            with suppress(TimeoutError):
                return future.result(_POLL_S)
        future.cancel()
        return None

    return ask
