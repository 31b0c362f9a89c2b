"""The tools that the models may call: typed functions decorated with `@tool(may=…)`, one file each.

To add a built-in tool NAME, write the function NAME in `agent/tools/builtin/NAME.py` and add NAME to
`BUILTIN_NAMES`; where it is off until the user switches it on, in `agent/tools/optional/NAME.py` and to
`OPTIONAL_NAMES`.
"""

from collections.abc import Iterable
from importlib import import_module

from agent.tools.base import Permission, Tool, ToolContext, tool
from agent.tools.lib.workspace import Workspace

__all__ = [
    "BUILTIN_NAMES",
    "OPTIONAL_NAMES",
    "Permission",
    "Tool",
    "ToolContext",
    "Workspace",
    "builtin_tools",
    "optional_tools",
    "tool",
]

BUILTIN_NAMES = (
    "calculate",
    "convert_units",
    "current_time",
    "add_days",
    "days_between",
    "list_files",
    "find_files",
    "search_text",
    "read_file",
    "file_info",
    "write_file",
    "add_note",
    "search_notes",
    "system_info",
)
"""The built-in tools, in the order in which `umi tools list` shows them."""
OPTIONAL_NAMES = ("run_python", "run_command", "fetch_url", "add_todo", "list_todos", "finish_todo")
"""The tools that come with umi and are off: the shipped models were trained on the others alone."""


def builtin_tools() -> tuple[Tool, ...]:
    """Return the built-in tools, in the order of `BUILTIN_NAMES`."""
    return _load("agent.tools.builtin", BUILTIN_NAMES)


def optional_tools(names: Iterable[str] = OPTIONAL_NAMES) -> tuple[Tool, ...]:
    """Return the tools that are off until they are switched on, or those of them that `names` holds."""
    return _load("agent.tools.optional", (name for name in names if name in OPTIONAL_NAMES))


def _load(package: str, names: Iterable[str]) -> tuple[Tool, ...]:
    return tuple(getattr(import_module(f"{package}.{name}"), name) for name in names)
