"""The web application: chat completions, models, health and metrics, behind a guard.

A request without the token is refused where there is one. Without a token the server stands on the loopback
interface, where a page in a browser could reach it too: requests under another host name (DNS rebinding) or
from a page of another origin are refused.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agent.errors import UmiError
from agent.events import Event
from serve.answering import Answering
from serve.cutting import CutAtLength
from serve.errors import RequestError, request_error
from serve.fair_queue import QueueFullError
from serve.metrics import CONTENT_TYPE
from serve.replies import Reply
from serve.requests import MODEL, MOST_BYTES, SHOWN, ChatRequest, parse_request

Result = TypeVar("Result")
Handler = Callable[[Request], Awaitable[Response]]

CLIENT_LEFT = 499
"""The status, in metrics only, of a request whose client left before the answer."""
RETRY_AFTER_S = 5
BODY_S = 30.0
"""Seconds in which the body of a request must arrive: its connection is one of few."""
_MODEL_CARD = {"id": MODEL, "object": "model", "created": 0, "owned_by": "umi"}

_log = logging.getLogger(__name__)


class Server:
    """The application's state: what answers, the token, and the host names that it is reached under."""

    def __init__(self, answering: Answering, token: str = "", hosts: tuple[str, ...] = ()) -> None:
        """Without a `token`, only requests to one of `hosts`, in lower case, are answered."""
        self._answering = answering
        self._token = token.encode()
        self._hosts = hosts

    def application(self) -> Starlette:
        """Return the ASGI application. The models are freed when it shuts down."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncGenerator[None]:
            yield
            await asyncio.to_thread(self._answering.close)

        routes = [
            Route("/health", self._health),
            Route("/metrics", self._guarded(self._metrics)),
            Route("/v1/models", self._guarded(self._models)),
            Route("/v1/models/{name}", self._guarded(self._model)),
            Route("/v1/chat/completions", self._guarded(self._complete), methods=["POST"]),
        ]
        errors = {404: _no_route, 405: _no_route}
        return Starlette(routes=routes, lifespan=lifespan, exception_handlers=errors)

    def _guarded(self, handler: Handler) -> Handler:
        """Return `handler` behind the guard, with every error in OpenAI's form."""

        async def handle(request: Request) -> Response:
            counted = request.scope["path"] == "/v1/chat/completions"
            status = 500
            try:
                self._check_access(request)
                response = await handler(request)
                status = response.status_code
                return response
            except RequestError as error:
                status = error.status
                return _error_response(error)
            except ClientDisconnect:
                status = CLIENT_LEFT
                return Response(status_code=CLIENT_LEFT)
            except Exception as error:
                _log.exception("a request failed")
                return _error_response(
                    RequestError(500, f"umi itself failed: {type(error).__name__}: {error}", "umi_failed")
                )
            finally:
                if counted:
                    self._answering.metrics.requests[status] += 1

        return handle

    def _check_access(self, request: Request) -> None:
        if self._token:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            given = token.strip().encode("utf-8", "replace")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._token):
                raise RequestError(401, "the token of this server is missing or wrong", "invalid_api_key")
            return
        origin = request.headers.get("Origin")
        if request.headers.get("Host", "").lower() not in self._hosts:
            raise RequestError(403, "this server answers under the names of this machine only", "wrong_host")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            raise RequestError(403, "pages of other origins are not answered", "wrong_origin")

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _metrics(self, _: Request) -> Response:
        queue = self._answering.queue
        text = self._answering.metrics.render(queue.waiting, busy=queue.is_busy)
        return PlainTextResponse(text, media_type=CONTENT_TYPE)

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_MODEL_CARD]})

    async def _model(self, request: Request) -> Response:
        if (name := request.path_params["name"]) != MODEL:
            message = f"there is no model {name[:SHOWN]!r}; the model is {MODEL}"
            raise RequestError(404, message, "model_not_found")
        return JSONResponse(_MODEL_CARD)

    async def _complete(self, request: Request) -> Response:
        chat = parse_request(await _read(request))
        events = self._answering.events(chat, self._client(request, chat))
        reply = Reply(offered=bool(chat.tools))
        if not chat.stream:
            return JSONResponse(await unless_disconnected(request, _whole(events, reply)))
        first = await unless_disconnected(request, _first(events))
        usage = bool(chat.stream_options and chat.stream_options.include_usage)
        return EventStream(_server_sent(first, events, reply, usage=usage), self._count_left)

    def _count_left(self) -> None:
        self._answering.metrics.requests[CLIENT_LEFT] += 1

    def _client(self, request: Request, chat: ChatRequest) -> str:
        """Return whose request it is: on the loopback interface a connection's, elsewhere a machine's.

        A name in the field `user` tells clients of one machine apart.
        """
        host, port = request.client or ("", 0)
        return f"{host}\n{chat.user or ''}" if self._token else f"{host}\n{chat.user or port}"


class EventStream(Response):
    """A stream of server-sent events, whose source is closed when the client leaves."""

    def __init__(self, source: AsyncGenerator[bytes], left: Callable[[], None]) -> None:
        """`left` is called where the client left before the end."""
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._source = source
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async def pump() -> None:
            async with aclosing(self._source) as source:
                async for piece in source:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await _race(asyncio.ensure_future(pump()), receive)
        except (ClientDisconnect, OSError):
            self._left()


async def unless_disconnected(request: Request, work: Awaitable[Result]) -> Result:
    """Await `work`; cancel it and raise ClientDisconnect where the client leaves before."""
    return await _race(asyncio.ensure_future(work), request.receive)


async def _race(work: asyncio.Future[Result], receive: Receive) -> Result:
    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    leaving = asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        for task in (work, leaving):
            task.cancel()
        with suppress(BaseException):
            await asyncio.wait((work, leaving))


async def _read(request: Request) -> bytes:
    """Return the body. Raise RequestError where it is too large, or does not arrive in time."""
    too_large = RequestError(413, f"a request has at most {MOST_BYTES} bytes", "request_too_large")
    if int(request.headers.get("Content-Length") or 0) > MOST_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    raise too_large
    except TimeoutError:
        what = f"the body did not arrive in {BODY_S:g} seconds"
        raise RequestError(408, what, "request_timeout") from None
    return bytes(body)


async def _whole(events: AsyncGenerator[Event | CutAtLength], reply: Reply) -> dict[str, object]:
    with _request_errors():
        async with aclosing(events):
            async for event in events:
                for _ in reply.deltas(event):
                    pass
    return reply.whole()


async def _first(events: AsyncGenerator[Event | CutAtLength]) -> Event | CutAtLength:
    """Return the first event, which comes when all that can be refused was checked."""
    with _request_errors():
        return await anext(events)


async def _server_sent(
    first: Event | CutAtLength, events: AsyncGenerator[Event | CutAtLength], reply: Reply, *, usage: bool
) -> AsyncGenerator[bytes]:
    """Yield the reply as server-sent events; an error is the last one."""
    try:
        async with aclosing(events):
            yield _data(reply.chunk({"role": "assistant", "content": ""}))
            for delta in reply.deltas(first):
                yield _data(reply.chunk(delta))
            with _request_errors():
                async for event in events:
                    for delta in reply.deltas(event):
                        yield _data(reply.chunk(delta))
        yield _data(reply.last_chunk())
        if usage:
            yield _data(reply.usage_chunk())
        yield b"data: [DONE]\n\n"
    except RequestError as error:
        yield _data(error.to_json())


@contextmanager
def _request_errors() -> Iterator[None]:
    """Turn errors of umi and of the queue into RequestError."""
    try:
        yield
    except UmiError as error:
        raise request_error(error) from None
    except QueueFullError:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise RequestError(429, "too many requests wait", "queue_full", headers=headers) from None


async def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    what = (
        f"there is nothing at {request.method} {request.scope['path'][:SHOWN]};"
        " umi has POST /v1/chat/completions and GET /v1/models"
    )
    return _error_response(RequestError(status, what, "not_found"))


def _error_response(error: RequestError) -> Response:
    return JSONResponse(error.to_json(), error.status, error.headers)


def _data(value: object) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
