"""Open a bundle, and an agent on it; ask one question."""

from __future__ import annotations

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
from agent.tools import Tool


def load_bundle(models: str | Path | None = None) -> Bundle:
    """Return the bundle `models`, a folder or a name; None stands for the one in use.

    Its files are checked against the manifest; those of deltas are built first, once. Raise BundleError
    where one is missing or damaged, and InputError where the base of deltas is.
    """
    return open_bundle(_folder(models), lambda _: None)


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

    `tools` are names of built-in tools and tools of your own (see `tool`); None stands for all that are built
    in. They see nothing but the folder `workspace`, and of that no protected place that matches no pattern of
    `allow_protected`. At most `max_steps` steps call tools in one turn. With the URL of a `server` of
    OpenAI's protocol, the models run there, and `models` names the bundle that they are of. Raise InputError
    where something that was given cannot be used, and EngineError where llama.cpp or the server fails.
    """
    toolbox = setup.make_toolbox(Path(workspace), tools, allow_protected)
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


def _folder(models: str | Path | None) -> Path:
    return find_bundle(str(models) if models is not None else None)
