"""Changes of the agent while the app runs: other models, other tools. The conversation goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import UmiError

if TYPE_CHECKING:
    from agent.loop import Agent, Conversation
    from agent.tools.toolbox import Toolbox
    from tui.setup import LoadedAgent

_log = logging.getLogger(__name__)


def switched(
    before: LoadedAgent | None, open_models: Callable[[str], LoadedAgent], name: str
) -> tuple[LoadedAgent | None, str]:
    """Load the models `name` in place of those of `before`, and make them the default.

    Return the agent that is in use then, and the error if there is one: what can be found out before is, and
    where loading fails after that, the models of `before` are loaded again. Two sets of models are never in
    memory at once. The new agent keeps the modes and rules of `before`.
    """
    # Loads llama.cpp, which the first screen need not wait for.
    from agent.bundle import load_bundle
    from agent.bundle.stock import runnable_bundle

    try:
        folder = runnable_bundle(name, lambda line: None)
        load_bundle(folder)
    except UmiError as error:
        return before, str(error)
    if before is not None:
        before.close()
    try:
        opened, error = open_models(str(folder)), ""
    except UmiError as failure:
        if before is None:
            return None, str(failure)
        opened, error = _reopened(before, open_models), str(failure)
    if opened is not None and before is not None:
        opened.agent.policy = before.agent.policy
    if not error:
        error = _made_default(folder)
    return opened, error


def _reopened(before: LoadedAgent, open_models: Callable[[str], LoadedAgent]) -> LoadedAgent | None:
    try:
        return open_models(str(before.info.folder))
    except UmiError:
        _log.exception("the models in use before cannot be loaded again")
        return None


def _made_default(folder: Path) -> str:
    from agent.bundle.store import select_bundle

    try:
        select_bundle(str(folder))
    except UmiError as error:
        return f"these models run, but not from the next start on: {error}"
    return ""


def continued(agent: Agent, before: Conversation | None) -> Conversation:
    """Return a conversation of `agent` with the turns of `before`."""
    new = agent.begin()
    if before is None:
        return new
    transcript = replace(new.transcript, turns=before.transcript.turns)
    return replace(before, transcript=transcript)


def offer_tools(
    agent: Agent, toolbox: Toolbox, names: Sequence[str], conversation: Conversation
) -> Conversation:
    """Offer only the tools `names` of `toolbox` from here on; return the conversation with these.

    Raise InputError for a name that the toolbox does not have.
    """
    from agent.setup import make_selection
    from agent.tools.toolbox import Toolbox, select_tools

    agent.toolbox = Toolbox(select_tools(toolbox.tools, names), toolbox.context)
    agent.selection = make_selection(agent.engine, agent.toolbox, agent.instruction)
    return continued(agent, conversation)


def session_toolbox(opened: LoadedAgent) -> Toolbox:
    """Return every tool that can be offered in a session, on or off."""
    from agent.tools.toolbox import Toolbox

    toolbox = opened.agent.toolbox
    return Toolbox((*toolbox.tools, *opened.off), toolbox.context)


def with_new_tools(toolbox: Toolbox) -> Toolbox:
    """Return the toolbox with the tools of servers as they are approved by now."""
    from agent.tool_sources import available_tools
    from agent.tools.toolbox import Toolbox

    tools = {tool.name: tool for tool in toolbox.tools}
    tools |= {tool.name: tool for tool in available_tools().tools if tool.untrusted_description}
    return Toolbox(tools.values(), toolbox.context)


def offered_remark(workspace: Path) -> str:
    """Return a line about the tool servers that a workspace offers and that the user does not have."""
    from agent.mcp.servers import has_offered_servers, offered_servers

    names = (
        [server.name for server in offered_servers(workspace).servers]
        if has_offered_servers(workspace)
        else []
    )
    return (
        f"this folder offers tool servers that are not used: {', '.join(names)}; see /servers"
        if names
        else ""
    )
