"""Requests to `umi serve`, byte for byte: each gets one answer of HTTP in time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from fakes import plan
from hostile_requests import HARMLESS, REFUSED, SLOW, post
from openai_server import Served, chat, served, user

from attacks.result import Result
from serve import app, connections

ANSWER_S = 20.0
"""Seconds in which a request must be answered."""
SLOW_S = 0.5
"""Seconds in which a head and a body must arrive here."""
LONGEST_ERROR = 600
"""Bytes of an error, at most."""


SHARES = tuple(at / 10 for at in range(11))
"""The shares of their requests after which clients leave."""
KINDS = len(REFUSED) + len(HARMLESS) + len(SLOW) + len(SHARES)


class _Tracebacks(logging.Handler):
    """Notes the errors that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note what a record tells."""
        self.found.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


def attack(folder: Path, count: int) -> Result:
    """Send `count` hostile requests to a server whose models are scripted."""
    return asyncio.run(_attack(folder, count))


async def _attack(folder: Path, count: int) -> Result:
    result = Result("requests to umi serve")
    kinds = ("no answer in time", "wrong answers", "errors in the log", "connections left", "threads left")
    result.allow_none(*kinds)
    tracebacks = _Tracebacks()
    logging.getLogger().addHandler(tracebacks)
    limits = (mock.patch.object(app, "BODY_S", SLOW_S), mock.patch.object(connections, "HEAD_S", SLOW_S))
    script = [plan("Fine.", "summarizer"), "Yes."] * (2 * count + 10)
    try:
        with limits[0], limits[1]:
            async with served(script, folder) as server:
                assert (await server.post(chat(user("hi")))).status_code == 200
                threads = threading.active_count()
                for name, tried in _cases(count):
                    result.count += 1
                    await tried(server, name, result)
                    for found in tracebacks.found:
                        result.fail("errors in the log", f"{name}: {found[:300]}")
                    tracebacks.found.clear()
                if (await server.post(chat(user("hi")))).status_code != 200:
                    result.fail("wrong answers", "a harmless request after all of them")
                if threading.active_count() > threads or server.answering.queue.is_busy:
                    result.fail("threads left", f"{threading.active_count()} of {threads}")
    finally:
        logging.getLogger().removeHandler(tracebacks)
    return result


Try = Callable[[Served, str, Result], Any]


def _cases(count: int) -> Iterator[tuple[str, Try]]:
    """Yield `count` cases, in an order that mixes all kinds."""
    cases: list[tuple[str, Try]] = [
        *((name, _asks(made, range(400, 500))) for name, made in REFUSED.items()),
        *((name, _asks(made, (200, *range(400, 500)))) for name, made in HARMLESS.items()),
        *((f"slow: {name}", _waits(sent)) for name, sent in SLOW.items()),
        *((f"leaving after {share:g} of a request", _leaves(share)) for share in SHARES),
    ]
    Random(14).shuffle(cases)
    yield from itertools.islice(itertools.cycle(cases), count)


def _asks(made: Callable[[], bytes], statuses: Sequence[int]) -> Try:
    async def ask(server: Served, name: str, result: Result) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        sending = asyncio.create_task(_send(writer, made(), server))
        try:
            async with asyncio.timeout(ANSWER_S):
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.read(LONGEST_ERROR + 1)
        except (TimeoutError, asyncio.IncompleteReadError):
            result.fail("no answer in time", name)
            return
        except ConnectionResetError:  # what was sent after the answer was not read
            head, body = b"HTTP/1.1 400", b""
        finally:
            sending.cancel()
            writer.close()
        status = int(head[9:12])
        result.also["refused"] += status >= 400
        if status not in statuses or (status >= 400 and len(body) > LONGEST_ERROR):
            result.fail("wrong answers", f"{name}: {status} {body[:200]!r}")

    return ask


async def _send(writer: asyncio.StreamWriter, request: bytes, server: Served) -> None:
    writer.write(request.replace(b"PORT", str(server.port).encode(), 2))
    await writer.drain()


def _waits(sent: bytes) -> Try:
    async def wait(server: Served, name: str, result: Result) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await _send(writer, sent, server)
        try:
            async with asyncio.timeout(ANSWER_S):
                await reader.read()
        except TimeoutError:
            result.fail("connections left", name)
        finally:
            writer.close()

    return wait


def _leaves(share: float) -> Try:
    """Return a case in which 20 clients leave at once, after a share of their requests."""
    request = post(chat(user("hi"), stream=True))

    async def leave(server: Served, name: str, result: Result) -> None:
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        for _, writer in opened:
            await _send(writer, request[: int(len(request) * share)], server)
        for _, writer in opened:
            writer.transport.abort()
        try:
            async with asyncio.timeout(ANSWER_S):
                while server.answering.queue.is_busy or server.answering.queue.waiting:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            result.fail("connections left", name)

    return leave
