"""Open the agent that both front ends run, from the options of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError

if TYPE_CHECKING:
    from agent.bundle import Bundle
    from agent.llama.engine import LlamaEngine
    from agent.loop import Agent

DEFAULT_MAX_STEPS = 8
"""Steps that call tools in one turn, unless --max-steps is given."""


@dataclass(frozen=True)
class Options:
    """The options of `umi` and `umi ask`; None stands for the default."""

    models: str | None = None
    workspace: Path | None = None
    tools: tuple[str, ...] | None = None
    max_steps: int = DEFAULT_MAX_STEPS


@dataclass(frozen=True)
class AgentInfo:
    """What an agent runs on: the bundle's name, its files with their sizes in bytes, the workspace."""

    bundle: str
    files: tuple[tuple[str, int], ...]
    workspace: Path


@dataclass(frozen=True)
class LoadedAgent:
    """An agent whose models are loaded, and what it runs on."""

    agent: Agent
    info: AgentInfo

    def close(self) -> None:
        """Free the models. May be called twice."""
        self.agent.engine.close()


def parse_tool_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in `a,b`, or None where the option was not given.

    Raises InputError where it names none.
    """
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError("--tools names no tool", "give names as in --tools calculate,read_file")
    return names


def open_engine(bundle: Bundle) -> LlamaEngine:
    """Return an engine that runs `bundle` on llama.cpp, with the user's settings."""
    from agent.llama.engine import LlamaEngine
    from agent.settings import engine_settings

    return LlamaEngine(bundle, engine_settings())


def open_agent(options: Options) -> LoadedAgent:
    """Check the options, cheapest first, then load the models.

    Raises InputError for an option that cannot be used.
    """
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
    return LoadedAgent(agent, AgentInfo(bundle.name, files, workspace.root))
