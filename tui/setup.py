"""From what the person asked for (models, workspace, tools, steps) to an agent that both front ends run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError

if TYPE_CHECKING:
    from agent.bundle import Bundle
    from agent.llama.engine import LlamaEngine
    from agent.loop import Agent

STEPS = 8
"""Steps that call tools in one turn, unless the person says otherwise."""


@dataclass(frozen=True)
class Options:
    """What the person asked for; None stands for the usual choice."""

    models: str | None = None
    workspace: Path | None = None
    tools: tuple[str, ...] | None = None
    max_steps: int = STEPS


@dataclass(frozen=True)
class Info:
    """What runs: the bundle's name, its model files with their sizes in bytes, and the workspace."""

    bundle: str
    files: tuple[tuple[str, int], ...]
    workspace: Path


@dataclass(frozen=True)
class Opened:
    """An agent ready to run, and what it is made of."""

    agent: Agent
    info: Info

    def close(self) -> None:
        """Free the models. May be called twice."""
        self.agent.engine.close()


def tool_names(text: str | None) -> tuple[str, ...] | None:
    """The names in `a,b`; None where the option was not given. Raises InputError where it names none."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError("--tools names no tool", "give names as in --tools calculate,read_file")
    return names


def open_engine(bundle: Bundle) -> LlamaEngine:
    """The engine that runs a bundle on llama.cpp, as the user set it."""
    from agent.llama.engine import LlamaEngine
    from agent.settings import engine_settings

    return LlamaEngine(bundle, engine_settings())


def open_agent(options: Options) -> Opened:
    """Check what was asked for, cheapest first, then load the models. Raises InputError for what is wrong."""
    if options.max_steps < 1:
        raise InputError(f"the step limit is {options.max_steps}", "give --max-steps a number of at least 1")

    from agent.bundle import load_bundle
    from agent.bundle.store import find_bundle
    from agent.loop import WRITING_ROOM, Agent
    from agent.paths import notes_path
    from agent.tools import ToolContext, Workspace, builtin_tools
    from agent.tools.toolbox import Toolbox, select_tools

    workspace = Workspace(options.workspace or Path())
    tools = builtin_tools()
    if options.tools is not None:
        tools = select_tools(tools, options.tools)
    toolbox = Toolbox(tools, ToolContext(workspace, notes_path()))
    bundle = load_bundle(find_bundle(options.models))
    files = tuple((file.file, file.size) for file in bundle.files)
    engine = open_engine(bundle)
    try:
        agent = Agent(engine, toolbox, options.max_steps)
        room = engine.room("planner", agent.begin().transcript)
        if room < WRITING_ROOM:
            length = bundle.context_length
            raise InputError(
                f"the tools take {length - room} tokens and {bundle.name} holds {length}, {WRITING_ROOM} of"
                " them to write in",
                "offer fewer tools with --tools, or pick models with a longer context",
            )
    except BaseException:
        engine.close()
        raise
    return Opened(agent, Info(bundle.name, files, workspace.root))
