"""What several test files share: scripted agents, and the commands of `umi train` and `umi export`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.consent.audit import AuditLog
from agent.consent.gate import Check
from agent.consent.policy import Policy
from agent.engine import ScriptedEngine
from agent.loop import Agent
from agent.paths import undo_folder
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox
from agent.tools.undo.store import UndoStore
from agent.transcript import Role
from tui.cli.main import main
from tui.setup import AgentInfo, LoadedAgent


def run_train(argv: Sequence[str]) -> int:
    """Run `umi train` with these arguments and return its exit code."""
    return main(["train", *argv])


def run_export(argv: Sequence[str]) -> int:
    """Run `umi export` with these arguments and return its exit code."""
    return main(["export", *argv])


def call(name: str, /, **arguments: Any) -> str:
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
    check: Check | None = None,
) -> LoadedAgent:
    """An agent over the built-in tools that works in `folder` and whose models follow the script."""
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    engine = ScriptedEngine(script, on_generate=on_generate, context_length=context_length)
    context = ToolContext(Workspace(workspace, undo=UndoStore(undo_folder())), folder / "notes.jsonl")
    toolbox = Toolbox(builtin_tools(), context)
    audit = AuditLog(workspace)
    policy = Policy(workspace, audit)
    agent = Agent(engine, toolbox, max_steps, check=check, policy=policy, audit=audit)
    files = (("planner.gguf", 5_100_000), ("caller.gguf", 5_200_000), ("summarizer.gguf", 5_300_000))
    return LoadedAgent(agent, AgentInfo("umi-mini", files, workspace))


def engine_of(opened: LoadedAgent) -> ScriptedEngine:
    """Return the engine of a scripted agent."""
    engine = opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    return engine
