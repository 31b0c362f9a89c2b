"""Set up an agent: a toolbox over a workspace, an engine on a bundle, and the check that both fit together.

Heavy imports stand inside the functions: front ends import this module before they know what to load.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError

if TYPE_CHECKING:
    from agent.bundle import Bundle
    from agent.consent.policy import Policy
    from agent.engine import Engine
    from agent.llama.engine import LlamaEngine
    from agent.loop import Agent
    from agent.tools import Tool
    from agent.tools.selection.selection import ToolSelection
    from agent.tools.toolbox import Toolbox

DEFAULT_MAX_STEPS = 8
"""Steps that call tools in one turn, at most."""


def make_toolbox(
    workspace: Path,
    tools: Sequence[str | Tool] | None = None,
    allow_protected: Sequence[str] = (),
    available: Sequence[Tool] | None = None,
) -> Toolbox:
    """Return the toolbox of an agent that works in the folder `workspace`.

    `tools` are names of `available` tools (default: those built in, and the optional ones that are named or
    switched on) and tools of one's own; None stands for all that are available and can run on this machine.
    `allow_protected` are patterns of paths in the workspace that tools may use though they are protected.
    Raises InputError where the folder or a name does not exist, or a named tool cannot run here.
    """
    from agent.config import read_config
    from agent.paths import notes_path, undo_folder
    from agent.tools import ToolContext, Workspace, builtin_tools, optional_tools
    from agent.tools.toolbox import Toolbox, select_tools
    from agent.tools.undo.store import UndoStore

    if not all(pattern.strip("/") for pattern in allow_protected):
        raise InputError("--allow-protected names nothing", "give a path in the workspace, such as '.env'")
    files = Workspace(workspace, allowed=allow_protected, undo=UndoStore(undo_folder()))
    config = read_config()
    context = ToolContext(files, notes_path(), config.code_writes)
    names = None if tools is None else [tool for tool in tools if isinstance(tool, str)]
    if available is None:
        available = (*builtin_tools(), *optional_tools(config.switched_on if names is None else names))
    if tools is None or names is None:
        return Toolbox([tool for tool in available if not tool.problem()], context)
    selected = select_tools(available, names)
    for tool in selected:
        if problem := tool.problem():
            raise InputError(f"{tool.name} cannot be offered: {problem}", "see `umi doctor`")
    return Toolbox([*selected, *(tool for tool in tools if not isinstance(tool, str))], context)


def open_engine(
    bundle: Bundle, *, keep_states: bool = True, tools: Iterable[Tool] | None = None
) -> LlamaEngine:
    """Return an engine that runs `bundle` on llama.cpp, with the user's settings.

    Files that did not come with umi are loaded in a child process first, once each: where that dies, this one
    raises BundleError.

    The arguments of `tools` are held to what these say they are made of; None stands for all built-in tools.
    Without `keep_states`, nothing that is read goes to the prompt cache on disk: a thousand lists of tools
    that are read once would evict those in use.
    """
    from agent.bundle import repair_hint
    from agent.config import engine_settings
    from agent.llama.engine import LlamaEngine
    from agent.llama.gguf.trial import require_loadable, trial_loads
    from agent.tools import builtin_tools

    settings = engine_settings()
    require_loadable(trial_loads(bundle), repair_hint(bundle.folder))
    kinds = {tool.name: tool.kinds for tool in (builtin_tools() if tools is None else tools)}
    return LlamaEngine(bundle, settings if keep_states else replace(settings, disk=False), kinds=kinds)


def open_agent(
    bundle: Bundle,
    toolbox: Toolbox,
    max_steps: int = DEFAULT_MAX_STEPS,
    policy: Policy | None = None,
    instruction: str = "",
    *,
    server: str = "",
) -> Agent:
    """Load the models of `bundle` and return an agent with them; close it to free them.

    Its decisions about calls go into the user's audit log. Without `policy`, what the user allowed or forbade
    in advance does not apply. `instruction` is a standing one, which the models read
    after the tools. With the URL of a `server`, the models run there (`agent.remote`). Raises InputError
    where these leave too little of the context, and as the engine does.
    """
    from agent.checks.calls.call_check import CallCheck
    from agent.consent.audit import AuditLog
    from agent.loop import Agent
    from agent.tools import builtin_tools, optional_tools
    from agent.turn import WRITING_ROOM

    known = (*optional_tools(), *builtin_tools(), *toolbox.tools)  # the app switches tools on later
    engine: Engine
    if server:
        from agent.remote.opening import open_remote_engine

        engine = open_remote_engine(server, bundle, {tool.name: tool.kinds for tool in known})
    else:
        engine = open_engine(bundle, tools=known)
    try:
        selection = make_selection(engine, toolbox, instruction)
        audit = AuditLog(toolbox.context.workspace.root)
        agent = Agent(
            engine,
            toolbox,
            max_steps,
            check=CallCheck(engine.least_margins),
            policy=policy,
            audit=audit,
            instruction=instruction,
            selection=selection,
        )
        room = engine.room("planner", agent.begin().transcript)
        if room < WRITING_ROOM:
            length = engine.context_length
            what = "the tools and the persona" if instruction else "the tools"
            raise InputError(
                f"{what} take {length - room} tokens and {bundle.name} holds {length}, {WRITING_ROOM} of"
                " them to write in",
                "offer fewer tools with --tools, or pick models with a longer context",
            )
    except BaseException:
        engine.close()
        raise
    return agent


def make_selection(engine: Engine, toolbox: Toolbox, instruction: str = "") -> ToolSelection | None:
    """Return what picks the tools of each turn, or None where all of `toolbox` leave room for a conversation.

    Those that the setting `pinned_tools` names are always on offer.
    """
    from agent.config import read_config
    from agent.tools.selection.embedding import installed_embedding
    from agent.tools.selection.selection import ToolSelection, tools_fit
    from agent.transcript import Transcript

    named = read_config().pinned
    pinned = [tool.name for tool in toolbox.tools if tool.name in named]
    if len(pinned) == len(toolbox.tools) or tools_fit(
        Transcript(toolbox.specs, instruction=instruction), engine
    ):
        return None
    return ToolSelection(toolbox.specs, pinned=pinned, embed=installed_embedding())
