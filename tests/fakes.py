"""What several test files share: agents that say what they are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.engine import ScriptedEngine
from agent.loop import Agent
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox
from agent.transcript import Role
from tui.setup import Info, Opened


def call(name: str, **arguments: Any) -> str:
    """What a caller writes to call a tool."""
    return json.dumps({"name": name, "arguments": arguments}, separators=(",", ":"))


def plan(thought: str, next_: str) -> str:
    """What a planner writes."""
    return f"{thought}\nNext: {next_}"


def calculation(answer: str = "It is 42.") -> list[str]:
    """The four generations of a question that takes one calculation."""
    return [
        plan("I need to calculate this.", "caller"),
        call("calculate", expression="17.5/100*240"),
        plan("I know the result.", "summarizer"),
        answer,
    ]


def scripted(
    script: Sequence[str],
    folder: Path,
    *,
    max_steps: int = 8,
    on_generate: Callable[[Role], None] | None = None,
    context_length: int = 4096,
) -> Opened:
    """An agent over the built-in tools that works in `folder` and whose models follow the script."""
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    engine = ScriptedEngine(script, on_generate=on_generate, context_length=context_length)
    toolbox = Toolbox(builtin_tools(), ToolContext(Workspace(workspace), folder / "notes.jsonl"))
    files = (("planner.gguf", 5_100_000), ("caller.gguf", 5_200_000), ("summarizer.gguf", 5_300_000))
    return Opened(Agent(engine, toolbox, max_steps), Info("umi-mini", files, workspace))
