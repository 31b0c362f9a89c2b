"""`import umi`: docs/python.md runs as it stands and names everything public; agents for asyncio."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes import calculation, call, plan
from lock import ROOT
from openai_server import HeldEngine

import umi
from agent.loop import Agent
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", BLOCKS, ids=range(len(BLOCKS)))
def test_a_program_of_the_page_prints_what_it_says(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "docs/python.md", "exec"), {"__name__": "__main__"})
    expected = re.findall(r"^# > (.*)$", program, re.MULTILINE)
    assert expected
    assert printed.getvalue().splitlines() == expected


def test_the_first_program_has_ten_lines() -> None:
    lines = [line for line in BLOCKS[0].splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 10


@pytest.mark.parametrize("module", [umi, umi.events, umi.errors], ids=lambda module: module.__name__)
def test_every_public_name_is_in_a_program_of_the_page(module: Any) -> None:
    used: set[str] = {"errors", "events"} if module is umi else set()
    for node in (node for program in BLOCKS for node in ast.walk(ast.parse(program))):
        if isinstance(node, ast.ImportFrom) and node.module == module.__name__:
            used |= {name.name for name in node.names}
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == module.__name__:
            used.add(node.attr)
    assert set(module.__all__) == used
    assert all(hasattr(module, name) for name in module.__all__)


def asynchronous(script: list[str], folder: Path) -> tuple[umi.AsyncAgent, HeldEngine]:
    """An agent for asyncio whose models follow `script`, and its engine."""
    engine = HeldEngine(script)
    context = ToolContext(Workspace(folder), folder / "notes.jsonl")
    return umi.AsyncAgent(Agent(engine, Toolbox(builtin_tools(), context))), engine


async def test_a_cancelled_turn_stops_the_models_and_leaves_the_conversation(tmp_path: Path) -> None:
    agent, engine = asynchronous(calculation(), tmp_path)
    conversation = agent.begin()
    engine.held.set()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(agent.ask(conversation, "17.5% of 240?"), 0.1)
    assert engine.stopped.is_set()
    assert conversation.transcript.turns == ()
    engine.held.clear()
    engine.seen.clear()
    assert (await agent.ask(conversation, "17.5% of 240?")).answer == "It is 42."
    async for _ in agent.run(conversation, "again?"):
        break
    await agent.close()
    assert engine.closed


async def test_turns_run_in_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    answers = [f"Answer {index}." for index in range(3)]
    script = [text for answer in answers for text in (plan("I know.", "summarizer"), answer)]
    agent, _ = asynchronous(script, tmp_path)
    asked = (agent.ask(agent.begin(), f"question {index}") for index in range(3))
    assert [finished.answer for finished in await asyncio.gather(*asked)] == answers
    await agent.close()


async def test_an_open_question_ends_with_its_turn(tmp_path: Path) -> None:
    script = [plan("I will write.", "caller"), call("write_file", path="a.txt", content="x")]
    agent, _ = asynchronous(script, tmp_path)
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def never(request: umi.Request) -> umi.Deny:
        asked.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            given_up.set()
            raise
        raise AssertionError("nothing answers")

    turn = asyncio.create_task(agent.ask(agent.begin(), "write x to a.txt", approve=never))
    await asyncio.wait_for(asked.wait(), 10)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await asyncio.wait_for(given_up.wait(), 10)
    await agent.close()
    assert not (tmp_path / "a.txt").exists()


async def test_what_a_question_raises_and_who_answers_on_the_thread(tmp_path: Path) -> None:
    script = [plan("I will write.", "caller"), call("write_file", path="a.txt", content="x")]
    agent, _ = asynchronous([*script, plan("It was refused.", "give up")], tmp_path)
    with pytest.raises(umi.errors.InputError, match="empty"):
        await agent.ask(agent.begin(), " ")
    threads: list[str] = []

    def refuse(request: umi.Request) -> umi.Deny:
        threads.append(threading.current_thread().name)
        return umi.Deny("no")

    finished = await agent.ask(agent.begin(), "write x to a.txt", approve=refuse)
    assert (finished.reason, finished.answer) == ("failed", "It was refused.")
    assert threads[0].startswith("umi-agent")
    await agent.close()


def test_an_agent_is_given_tools_of_the_config_folder_by_name(
    umi_home: Path, tmp_path: Path, tiny_bundle: umi.Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    folder = umi_home / "tools"
    folder.mkdir(parents=True)
    function = 'def count_words(text: str) -> int:\n    """Count."""\n    return 2\n'
    (folder / "own.py").write_text(f'import umi\n\n@umi.tool(may="read")\n{function}')
    (folder / "broken.py").write_text("1 / 0\n")
    tools = ["calculate", "count_words"]
    with umi.open_agent(tiny_bundle, workspace=tmp_path, tools=tools) as agent:
        assert [tool.name for tool in agent.toolbox.tools] == tools
        assert agent.toolbox.run(umi.Call("count_words", {"text": "a b"})) == "2"
    assert "broken.py" in caplog.text
    assert {"count_words", "write_file"} <= {tool.name for tool in umi.available_tools()}
    with pytest.raises(umi.errors.InputError, match="there is no tool 'count_word'"):
        umi.open_agent(tiny_bundle, workspace=tmp_path, tools=["count_word"])
