"""The app's screen of tool servers: what is shown before tools are offered, and that only Ctrl+G approves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from app_pilot import app_of, asked, ready, send, texts, until
from fakes import call, plan, scripted
from test_agent_tool_servers import entry, write_list
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from agent.mcp.connection import close_all
from agent.mcp.servers import user_servers
from tui.app.approval import approval_prompt
from tui.app.screens import servers
from tui.app.screens.servers import ServersScreen
from tui.app.transcript.blocks import NoteBlock, ObservationBlock
from tui.app.transcript.markdown_answer import AnswerBlock


@pytest.fixture(autouse=True)
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Answers count soon after a question is drawn; servers do not outlive a test."""
    monkeypatch.setattr(approval_prompt, "ARMING_S", 0.02)
    monkeypatch.setattr(servers, "ARMING_S", 0.02)
    yield
    close_all()


def shown(pilot: Pilot[None], what: str) -> str:
    return str(pilot.app.screen.query_one(what, Static).render())


async def test_tools_of_a_server_are_seen_approved_and_called(tmp_path: Path) -> None:
    script = [
        plan("I will use theirs__echo for it.", "caller"),
        call("theirs__echo", text="hello"),
        plan("That is done.", "summarizer"),
        "It says hello.",
    ]
    opened = scripted(script, tmp_path)
    write_list({"theirs": entry()}, tmp_path / "workspace" / ".mcp.json")
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        assert any(
            "offers tool servers that are not used: theirs" in note for note in texts(pilot, NoteBlock)
        )
        await send(pilot, "/servers")
        await until(pilot, lambda: isinstance(app.screen, ServersScreen))
        table = app.screen.query_one(DataTable)
        assert "offered by this folder" in [str(cell) for cell in table.get_row_at(0)]
        await pilot.press("enter")
        await until(pilot, lambda: "Ctrl+G copies it" in shown(pilot, ".progress"))
        assert "tool_server.py" in shown(pilot, ".text")
        await pilot.press("y", "enter", "w", "h", "y")
        assert not user_servers().servers, "no letter approves"
        await until(pilot, lambda: "Ctrl+G copies it" in shown(pilot, ".progress"))
        await pilot.pause(0.05)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "Ctrl+G offers these tools" in shown(pilot, ".progress"))
        assert "new: echo\n  Say a text again." in shown(pilot, ".text")
        await pilot.pause(0.05)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "10 tools can be offered" in shown(pilot, ".progress"))
        await pilot.press("escape")
        await until(pilot, lambda: "theirs__echo" in app.tools_on)
        await send(pilot, "say hello")
        prompt = await asked(pilot)
        text = "\n".join(str(part.render()) for part in prompt.query(Static).results(Static))
        assert "the server theirs" in text
        await pilot.press("ctrl+g")
        await until(pilot, lambda: bool(texts(pilot, AnswerBlock)))
        assert texts(pilot, ObservationBlock) == ["hello"]
