"""The agent that both front ends run, set up from the options of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError

if TYPE_CHECKING:
    from agent.attachments import Attachment
    from agent.loop import Agent
    from agent.tools import Tool


@dataclass(frozen=True)
class Options:
    """The options of `umi` and `umi ask`; None stands for what the config says."""

    models: str | None = None
    workspace: Path | None = None
    tools: tuple[str, ...] | None = None
    max_steps: int | None = None
    allow_protected: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Files to attach to the question; relative ones are in the current folder."""
    engine: str = ""
    """The URL of a server that the models run on; empty stands for this machine."""


@dataclass(frozen=True)
class AgentInfo:
    """What an agent runs on: the bundle's name, its files with their sizes in bytes, the workspace."""

    bundle: str
    files: tuple[tuple[str, int], ...]
    workspace: Path
    folder: Path | None = None
    """The bundle's folder."""


@dataclass(frozen=True)
class LoadedAgent:
    """An agent whose models are loaded, and what it runs on."""

    agent: Agent
    info: AgentInfo
    attachments: tuple[Attachment, ...] = ()
    """The files of `Options.files`."""
    off: tuple[Tool, ...] = ()
    """Tools that can be switched on beside those of the agent."""
    remarks: tuple[str, ...] = ()
    """Lines for the user: tools that were skipped and why, what the server of the models can do."""

    def close(self) -> None:
        """Free the models. May be called twice."""
        self.agent.close()


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


def open_agent(options: Options) -> LoadedAgent:
    """Check the options, cheapest first, then load the models, built first where they are deltas.

    Raises InputError for an option that cannot be used.
    """
    if options.max_steps is not None and options.max_steps < 1:
        raise InputError(f"the step limit is {options.max_steps}", "give --max-steps a number of at least 1")

    from agent import setup
    from agent.attachments import read_attachments
    from agent.bundle import GgufFile, load_bundle
    from agent.bundle.store import find_bundle
    from agent.config import read_config
    from agent.consent.audit import AuditLog
    from agent.consent.policy import Policy
    from agent.tool_sources import available_tools
    from agent.tools import optional_tools
    from agent.tools.own import distinct
    from tui.cli.models.build import open_models

    available = available_tools(options.tools)
    toolbox = setup.make_toolbox(
        options.workspace or Path(), options.tools, options.allow_protected, available.tools
    )
    root = toolbox.context.workspace.root
    policy = Policy(root, AuditLog(root))
    files = (Path(file).expanduser().absolute() for file in options.files)
    attachments = read_attachments(toolbox, files, outside=True)
    config = read_config()
    bundle = load_bundle(find_bundle(options.models)) if options.engine else open_models(options.models)
    files = tuple((file.file, file.size) for file in bundle.files if isinstance(file, GgufFile))
    max_steps = config.max_steps if options.max_steps is None else options.max_steps
    agent = setup.open_agent(bundle, toolbox, max_steps, policy, config.persona, server=options.engine)
    info = AgentInfo(bundle.name, files, root, bundle.folder)
    others = distinct(toolbox.tools, (*available.tools, *optional_tools())).tools
    return LoadedAgent(agent, info, attachments, others, (*available.problems, *remote_summary(agent)))


def remote_summary(agent: Agent) -> list[str]:
    """Return what the server that the models of `agent` run on can do; empty where they run here."""
    server = getattr(agent.engine, "server", None)
    return server.summary() if server is not None else []
