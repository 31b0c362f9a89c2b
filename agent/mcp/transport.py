"""The two ways to a tool server, the pipes of a child process and HTTP, with limits of what is taken in."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from agent.mcp.messages import read_message
from agent.mcp.servers import is_loopback

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""A message of a server, at most; a result that models read has 4,000 characters."""
MAX_UNASKED_BYTES = 16 * 1024 * 1024
MAX_UNASKED_MESSAGES = 2000
"""What a server may send without being asked anything meanwhile."""
STOP_S = 0.5
"""Seconds that a child process has to end by itself, and again after SIGTERM."""
_STDERR_TAIL = 2000
_CHUNK = 65536

Streams = tuple[Any, Any]
"""The messages of a server, and those for it; see `mcp.client.Transport`."""
_Incoming = MemoryObjectSendStream[SessionMessage | Exception]


@dataclass
class Ending:
    """Why a server cannot be spoken to any more, once that is so.

    `status` is the HTTP status of its last answer where that was an error, else 0.
    """

    reason: str = ""
    status: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)

    def set(self, reason: str) -> None:
        """Keep the first reason, and wake those that wait."""
        self.reason = self.reason or reason
        self.ended.set()


@asynccontextmanager
async def child_process(
    command: Sequence[str], env: Mapping[str, str], folder: Path, ending: Ending
) -> AsyncIterator[Streams]:
    """Start a program in an environment of few variables and yield the streams of its messages.

    It is the leader of a process group, which is killed when the block ends. Raise OSError where it cannot be
    started.
    """
    process = await anyio.open_process(
        list(command),
        env=get_default_environment() | dict(env),
        cwd=folder,
        start_new_session=True,
    )
    incoming, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    child = _Child(process, ending)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(child.read, incoming)
        tasks.start_soon(child.write, outgoing)
        tasks.start_soon(child.read_errors)
        try:
            yield read_stream, write_stream
        finally:
            child.is_stopping = True
            with anyio.CancelScope(shield=True):
                await _stop(process)
            tasks.cancel_scope.cancel()
            for stream in (incoming, read_stream, write_stream, outgoing):
                stream.close()


@dataclass
class _Child:
    """A running child, how much it sent since it was last asked, and the end of what it wrote to stderr."""

    process: Process
    ending: Ending
    unasked_bytes: int = 0
    unasked_messages: int = 0
    said: bytes = b""
    is_stopping: bool = False

    async def read(self, incoming: _Incoming) -> None:
        """Pass its messages on, until it ends or sends too much."""
        assert self.process.stdout
        line = bytearray()
        async with incoming:
            with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
                while not self.ending.reason:
                    chunk = await self.process.stdout.receive(_CHUNK)
                    self.unasked_bytes += len(chunk)
                    *lines, rest = chunk.split(b"\n")
                    for part in lines:
                        await self._pass_on(bytes(line + part), incoming)
                        line.clear()
                    line += rest
                    self._check(line)
            if self.ending.reason or self.is_stopping:
                return
            with anyio.move_on_after(STOP_S):
                await self.process.wait()
            code = self.process.returncode
            self.ending.set(
                f"it ended{'' if code is None else f' with exit code {code}'}{self._last_words()}"
            )

    async def write(self, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Send it the messages for it."""
        assert self.process.stdin
        try:
            async with outgoing:
                async for message in outgoing:
                    self.unasked_bytes = self.unasked_messages = 0
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await self.process.stdin.send(f"{text}\n".encode())
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            self.ending.set("it does not read what it is asked")

    async def read_errors(self) -> None:
        """Keep the end of what it writes to stderr: a terminal that is drawn on is no place for it."""
        assert self.process.stderr
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            while True:
                self.said = (self.said + await self.process.stderr.receive(_CHUNK))[-_STDERR_TAIL:]

    async def _pass_on(self, line: bytes, incoming: _Incoming) -> None:
        if len(line) > MAX_MESSAGE_BYTES or not line.strip():
            return
        self.unasked_messages += 1
        if message := read_message(line):
            await incoming.send(SessionMessage(message))

    def _check(self, line: bytearray) -> None:
        if len(line) > MAX_MESSAGE_BYTES:
            self.ending.set(f"it sent a message of more than {MAX_MESSAGE_BYTES // 1024**2} MB")
        if self.unasked_bytes > MAX_UNASKED_BYTES or self.unasked_messages > MAX_UNASKED_MESSAGES:
            self.ending.set("it sent a flood of messages")

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.said.decode("utf-8", "replace").splitlines() if line.strip()]
        return f", after saying: {lines[-1][:200]}" if lines else ""


async def _stop(process: Process) -> None:
    """Close the pipe to a child; where it does not end, terminate its group; at last, kill what is left."""
    assert process.stdin
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
        with anyio.move_on_after(STOP_S):
            await process.wait()
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what it started and left behind
    for stream in (process.stdout, process.stderr):
        if isinstance(stream, ByteReceiveStream):
            with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await stream.aclose()
    # anyio leaves the transport of the pipes open until they end, which a process elsewhere can delay.
    if transport := getattr(getattr(process, "_process", None), "_transport", None):
        transport.close()


@asynccontextmanager
async def http_server(
    url: str, headers: Mapping[str, str], time_limit_s: float, ending: Ending
) -> AsyncIterator[Streams]:
    """Yield the streams of the messages of a server at an address."""
    client = httpx2.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(time_limit_s, connect=min(10.0, time_limit_s)),
        transport=_Bounded(httpx2.AsyncHTTPTransport(trust_env=not is_loopback(url)), ending),
        trust_env=False,
    )
    async with (
        client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES) as streams,
    ):
        yield streams


class _Bounded(httpx2.AsyncBaseTransport):
    """Ends a response that is longer than a message may be, and one that is compressed."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, ending: Ending) -> None:
        self._transport = transport
        self._ending = ending

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._transport.handle_async_request(request)
        if request.method == "POST":
            self._ending.status = response.status_code if response.status_code >= 400 else 0
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError(f"the response is compressed ({encoding[:20]})")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, self._ending)
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, ending: Ending) -> None:
        self._stream = stream
        self._ending = ending

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._stream:
            taken += len(chunk)
            if taken > MAX_UNASKED_BYTES:
                self._ending.set(f"it sent a response of more than {MAX_UNASKED_BYTES // 1024**2} MB")
                raise httpx2.StreamError("the response is too long")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
