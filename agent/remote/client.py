"""HTTP to a model server: JSON requests, and streams of server-sent events that a cancel ends at once.

Connections are made to the URL that the user gave, and nowhere else: redirects are not followed.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from agent.errors import EngineError, InputError

KEY_VARIABLE = "UMI_ENGINE_KEY"
"""The environment variable of a key that the server demands."""
_TIMEOUT = httpx2.Timeout(10.0, read=600.0)
_POLL_S = 0.05
_LONGEST_LINE = 1 << 20
"""Bytes of an event, at most."""


class ServerClient:
    """A connection to the server at `url`. Its requests run on an event loop in a thread of its own."""

    def __init__(self, url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Raise InputError where `url` is none. `transport` replaces the network, for recorded exchanges."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"--engine {url!r} is no URL", "give one like http://127.0.0.1:8080/v1")
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path.rstrip("/") or "/v1"
        key = os.environ.get(KEY_VARIABLE, "")
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=_TIMEOUT,
            trust_env=not local,
            transport=transport,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="umi-engine", daemon=True)
        self._thread.start()

    def get(self, path: str) -> Any:
        """Return the JSON at `path` of the server's root; None where there is none."""
        return self._run(self._get(path))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that answers `body`. Raise EngineError for an error of the server."""
        return self._run(self._post(path, body))

    def stream(self, path: str, body: Mapping[str, Any], cancelled: Callable[[], bool]) -> Iterator[Any]:
        """Yield the objects of a stream of events as they come; end early where cancelled.

        Raise EngineError for an error of the server, before or in the stream.
        """
        arrived: queue.Queue[Any] = queue.Queue()
        end = object()

        async def read() -> None:
            try:
                async with self._client.stream("POST", self.base + path, json=dict(body)) as response:
                    if response.status_code != 200:
                        await response.aread()
                        raise _refused(path, response)
                    async for line in response.aiter_lines():
                        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                        if data == "[DONE]":
                            break
                        if data:
                            arrived.put(_parsed(path, data[:_LONGEST_LINE]))
            finally:
                arrived.put(end)

        reading = asyncio.run_coroutine_threadsafe(self._converted(read()), self._loop)
        try:
            while not cancelled():
                try:
                    item = arrived.get(timeout=_POLL_S)
                except queue.Empty:
                    continue
                if item is end:
                    reading.result()
                    return
                yield item
        finally:
            reading.cancel()

    def close(self) -> None:
        """Close the connection. May be called twice."""
        if self._thread.is_alive():
            self._run(self._client.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(self._converted(work), self._loop).result()

    async def _converted(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await `work` with errors of the network as EngineError."""
        try:
            return await work
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise EngineError(
                f"the server at {self.base} does not answer: {reason}", "start it, or leave --engine out"
            ) from None

    async def _get(self, path: str) -> Any:
        response = await self._client.get(self.base + path)
        try:
            return response.json() if response.status_code == 200 else None
        except ValueError:
            return None

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        response = await self._client.post(self.base + path, json=dict(body))
        if response.status_code != 200:
            raise _refused(path, response)
        return _parsed(path, response.text)


def _parsed(path: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        raise EngineError(f"the server wrote at {path} what is not JSON: {text[:80]!r}") from None
    if isinstance(value, dict) and "error" in value:
        raise EngineError(f"the server failed at {path}: {_message(value)}")
    return value


def _refused(path: str, response: httpx2.Response) -> EngineError:
    try:
        reason = _message(response.json())
    except ValueError:
        reason = response.text[:200]
    hint = f"set {KEY_VARIABLE}" if response.status_code == 401 else ""
    return EngineError(f"the server refused {path} with status {response.status_code}: {reason}", hint)


def _message(value: Any) -> str:
    error = value.get("error", value) if isinstance(value, dict) else value
    text = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(text).split())[:200]
