"""Open a bundle, and an agent on it; ask one question; find the tools that there are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from agent import setup
from agent.bundle import Bundle
from agent.bundle import load_bundle as read_folder
from agent.bundle.deltas.build import open_bundle
from agent.bundle.store import find_bundle
from agent.consent import Approve
from agent.events import Finished
from agent.loop import Agent
from agent.tool_sources import available_tools as find_tools
from agent.tools import Tool
from agent.tools.own import FoundTools

_log = logging.getLogger("umi")


def load_bundle(models: str | Path | None = None) -> Bundle:
    """Return the bundle `models`, a folder or a name; None stands for the one in use.

    Its files are checked against the manifest; those of deltas are built first, once. Raise BundleError
    where one is missing or damaged, and InputError where the base of deltas is.
    """
    return open_bundle(_folder(models), lambda _: None)


def available_tools() -> tuple[Tool, ...]:
    """Return every tool that can be offered, each by a name of its own.

    These are the built-in ones, those that the settings switch on, your own in the config folder, those of
    installed packages, and those of tool servers that you approved. What is skipped, and why, is logged as a
    warning.
    """
    return _without_problems(find_tools())


def open_agent(
    models: str | Path | Bundle | None = None,
    *,
    workspace: str | Path = ".",
    tools: Sequence[str | Tool] | None = None,
    max_steps: int = setup.DEFAULT_MAX_STEPS,
    allow_protected: Sequence[str] = (),
    server: str = "",
) -> Agent:
    """Load `models` (default: the bundle in use) and return an agent; leaving its `with` block frees them.

    `tools` are tools (see `tool`), and names of those that `available_tools` returns; None stands for all
    that are built in. They see nothing but the folder `workspace`, and of that no protected place that
    matches no pattern of `allow_protected`. At most `max_steps` steps call tools in one turn. With the URL of
    a `server` of OpenAI's protocol, the models run there, and `models` names the bundle that they are of.
    Raise InputError where something that was given cannot be used, and EngineError where llama.cpp or the
    server fails.
    """
    names = None if tools is None else [tool for tool in tools if isinstance(tool, str)]
    available = None if names is None else _without_problems(find_tools(names))
    toolbox = setup.make_toolbox(Path(workspace), tools, allow_protected, available)
    if isinstance(models, Bundle):
        bundle = models
    else:
        bundle = read_folder(_folder(models)) if server else load_bundle(models)
    return setup.open_agent(bundle, toolbox, max_steps, server=server)


def ask(
    question: str,
    models: str | Path | Bundle | None = None,
    *,
    workspace: str | Path = ".",
    tools: Sequence[str | Tool] | None = None,
    approve: Approve | None = None,
) -> Finished:
    """Open an agent, answer one question, and return the last event, which has the answer and the reason.

    Models are loaded and freed: ask several questions of an agent of `open_agent`. Raise what that raises,
    and InputError for a question that is empty or too long.
    """
    with open_agent(models, workspace=workspace, tools=tools) as agent:
        return agent.ask(agent.begin(), question, approve=approve)


def _without_problems(found: FoundTools) -> tuple[Tool, ...]:
    for problem in found.problems:
        _log.warning("%s", problem)
    return found.tools


def _folder(models: str | Path | None) -> Path:
    return find_bundle(str(models) if models is not None else None)
