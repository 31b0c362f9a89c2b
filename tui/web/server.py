"""`umi --web`: a server on the loopback interface that runs one app process for each page that is opened.

Every address begins with a token of 256 random bits; a request without it is refused, whatever it asks for.
So is one under another host name than this machine's (DNS rebinding), and one that another page makes (its
Origin). The page loads nothing from elsewhere: textual-serve's own asks Google for a font.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from agent.errors import InputError
from tui.cli.terminal.progress import say

LOOPBACK = "127.0.0.1"
_SHUTDOWN_S = 2.0
"""Seconds that open pages have to end."""
_SIZE = {"width": 80, "height": 24}
"""Of the terminal where a page does not give its own."""
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


class WebServer(Server):
    """Serves the app that `command` runs, under `token`, on a port that is open already."""

    def __init__(self, command: Sequence[str], port: int, token: str) -> None:
        super().__init__(
            f"exec {shlex.join(command)}", LOOPBACK, port, title="umi", templates_path=Path(__file__).parent
        )
        self._token = token
        self._hosts = (f"{LOOPBACK}:{port}", f"localhost:{port}")

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"{self.public_url}/{self._token}/"

    async def make_app(self) -> web.Application:
        """Return the application: textual-serve's behind the guard."""
        app = web.Application(middlewares=[self._guard])
        app.add_subapp(f"/{self._token}/", await self._make_app())
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: textual-serve's greeting has an address without the token."""

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run the app for a page until either ends."""
        connection = web.WebSocketResponse(heartbeat=15)
        await connection.prepare(request)

        async def close() -> None:
            await connection.close()

        app = _AppProcess(
            self.command,
            write_bytes=connection.send_bytes,
            write_str=connection.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        width, height = (to_int(request.query.get(name, ""), size) for name, size in _SIZE.items())
        try:
            await app.start(width, height)
            await self._process_messages(connection, app)
        except (KeyError, IndexError, TypeError, ValueError, AssertionError, AttributeError) as error:
            _log.info("a page sent an invalid message: %s", type(error).__name__)
        finally:
            await app.stop()
        return connection

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse what does not come from the page that was served with the token."""
        token = request.path.split("/")[1].encode("utf-8", "replace")
        origin = request.headers.get("Origin")
        allowed = (
            hmac.compare_digest(token, self._token.encode())
            and request.headers.get("Host") in self._hosts
            and (origin is None or origin.removeprefix("http://") in self._hosts)
        )
        if not allowed:
            raise web.HTTPForbidden(text="umi: open the address that umi --web printed\n")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(self._headers())
        return response

    def _headers(self) -> dict[str, str]:
        sources = " ".join(f"ws://{host}" for host in self._hosts)
        policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'"
        return {
            "Content-Security-Policy": f"{policy}; img-src 'self' data:; connect-src {sources}",
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }


class _AppProcess(AppService):
    """The process of one page, which is gone when `stop` returns."""

    async def stop(self) -> None:
        """Let the app quit; kill it where it does not."""
        if (process := self._process) is None:
            return
        self._process = None
        quitting = asyncio.gather(super().stop(), process.wait())
        try:
            await asyncio.wait_for(quitting, _SHUTDOWN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def serve(arguments: Sequence[str], port: int) -> int:
    """Serve `umi` with these arguments until Ctrl-C; return the exit code. Port 0 takes a free one.

    Raise InputError where the port cannot be had.
    """
    try:
        listening = socket.create_server((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"port {port} cannot be had: {reason}", "give another --port, or none") from None
    command = [sys.executable, "-P", "-m", "tui", *arguments]
    server = WebServer(command, listening.getsockname()[1], secrets.token_urlsafe(32))
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(server, listening))
    return 0


async def _run(server: WebServer, listening: socket.socket) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running(server, listening):
        print(server.address, flush=True)
        say("open this address in a browser of this machine; who has it can use umi. Ctrl-C ends it")
        await stopped.wait()


@asynccontextmanager
async def running(server: WebServer, listening: socket.socket) -> AsyncIterator[None]:
    """Run a server on an open socket while the block runs."""
    runner = web.AppRunner(await server.make_app(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()
