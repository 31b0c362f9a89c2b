"""`umi --web`: who gets in, and a question, an approval and a resize over the WebSocket."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tui.cli.main import main
from tui.web.server import LOOPBACK, WebServer, running

TOKEN = "a-token-for-tests"
HERE = Path(__file__).parent


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[WebServer]:
    """Serve the scripted chat while the block runs."""
    listening = socket.create_server((LOOPBACK, 0))
    command = [sys.executable, str(HERE / "web_chat.py"), str(folder)]
    server = WebServer(command, listening.getsockname()[1], TOKEN)
    async with running(server, listening):
        yield server


class Page:
    """What a browser's page does: sends keys, and keeps what is drawn."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.drawn = ""

    async def type(self, text: str) -> None:
        await self._socket.send_json(["stdin", text])

    async def press_again_and_again(self, key: str) -> None:
        """Press a key until cancelled: no answer counts that is given too soon after its question."""
        while True:
            await self.type(key)
            await asyncio.sleep(0.3)

    async def resize(self, width: int, height: int) -> None:
        await self._socket.send_json(["resize", {"width": width, "height": height}])

    async def until(self, condition: Callable[[str], bool]) -> str:
        """Wait until what is drawn from here on, without escape sequences, meets a condition."""
        shown = ""
        async with asyncio.timeout(20):
            async for message in self._socket:
                if message.type == aiohttp.WSMsgType.BINARY:
                    self.drawn += message.data.decode("utf-8", "replace")
                    shown = re.sub(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]", "", self.drawn)
                    if condition(shown):
                        self.drawn = ""
                        return shown
        raise AssertionError(f"the page was closed: {shown[-500:]}")


async def test_a_question_an_approval_and_a_resize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{HERE.parent}{os.pathsep}{HERE}")
    monkeypatch.setenv("TERM", "xterm-256color")
    async with (
        served(tmp_path) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.address}ws?width=80&height=24") as connection,
    ):
        page = Page(connection)
        await page.until(lambda shown: "ready" in shown)
        await page.type("hello\r")
        await page.until(lambda shown: "Hello, browser." in shown)
        await page.type("write it\r")
        await page.until(lambda shown: "may write" in shown and "a.txt" in shown)
        async with asyncio.TaskGroup() as tasks:
            pressing = tasks.create_task(page.press_again_and_again("\x07"))  # Ctrl+G
            await page.until(lambda shown: "It is written." in shown)
            pressing.cancel()
        assert (tmp_path / "workspace" / "a.txt").read_text() == "x"
        await page.resize(120, 30)
        # At 80 columns the folder and the context leave the input's border no such line.
        await page.until(lambda shown: "─" * 60 in shown)


async def test_nobody_without_the_token_or_from_another_page_gets_in(tmp_path: Path) -> None:
    async with served(tmp_path) as server, aiohttp.ClientSession() as session:
        root = server.public_url
        port = root.rsplit(":", 1)[1]

        async def status(address: str, **headers: str) -> int:
            async with session.get(address, headers=headers) as answer:
                return answer.status

        for path in ("/", "/ws", "/static/js/textual.js", f"/{TOKEN}x/", "/%00/", f"//{TOKEN}/"):
            assert await status(f"{root}{path}") == 403, path
        assert await status(server.address) == 200
        assert await status(f"{server.address}static/js/textual.js") == 200
        assert await status(server.address, Host=f"localhost:{port}") == 200
        assert await status(server.address, Host=f"evil.example:{port}") == 403
        assert await status(server.address, Origin="https://evil.example") == 403
        assert await status(server.address, Origin="null") == 403
        assert await status(server.address, Origin=root) == 200
        for address, headers in (
            (f"{root}/ws", {}),
            (f"{server.address}ws", {"Origin": "https://evil.example"}),
            (f"{server.address}ws", {"Host": "evil.example"}),
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await session.ws_connect(address, headers=headers)

        async with session.get(server.address) as answer:
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert f'"{server.address.replace("http:", "ws:")}ws"' in page
        addresses = set(re.findall(r"(?:https?|ws):/?/?[^\"')\s]+", page))
        assert all(
            address.removeprefix("ws").removeprefix("http").startswith(f"://{LOOPBACK}")
            for address in addresses
        )
        assert policy.startswith("default-src 'none'")


def test_the_server_listens_on_loopback_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--web", "--port", port]) == 2
    assert f"port {port} cannot be had: Address already in use" in capsys.readouterr().err
    assert main(["--port", "8000"]) == 2
    assert "--port applies only with --web" in capsys.readouterr().err
