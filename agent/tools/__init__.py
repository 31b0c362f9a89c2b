"""The tools that the models may call: typed functions decorated with `@tool(may=…)`, one file each.

To add a built-in tool NAME, write the function NAME in `agent/tools/NAME.py` and add NAME to `BUILTIN_NAMES`.
"""

from importlib import import_module

from agent.tools.base import Permission, Tool, ToolContext, tool
from agent.tools.lib.workspace import Workspace

__all__ = ["BUILTIN_NAMES", "Permission", "Tool", "ToolContext", "Workspace", "builtin_tools", "tool"]

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


def builtin_tools() -> tuple[Tool, ...]:
    """Return the built-in tools, in the order of `BUILTIN_NAMES`."""
    return tuple(getattr(import_module(f"agent.tools.{name}"), name) for name in BUILTIN_NAMES)
