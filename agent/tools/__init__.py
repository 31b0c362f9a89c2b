"""The tools that models may call, and what it takes to write one: a typed function under `@tool(may=…)`."""

from agent.tools.base import Permission, Tool, ToolContext, tool
from agent.tools.lib.workspace import Workspace

__all__ = ["Permission", "Tool", "ToolContext", "Workspace", "builtin_tools", "tool"]


def builtin_tools() -> tuple[Tool, ...]:
    """The fourteen tools that come with umi."""
    from agent.tools.calculate import calculate
    from agent.tools.convert_units import convert_units
    from agent.tools.current_time import current_time
    from agent.tools.days import add_days, days_between
    from agent.tools.file_info import file_info
    from agent.tools.find_files import find_files
    from agent.tools.list_files import list_files
    from agent.tools.notes import add_note, search_notes
    from agent.tools.read_file import read_file
    from agent.tools.search_text import search_text
    from agent.tools.system_info import system_info
    from agent.tools.write_file import write_file

    return (
        calculate,
        convert_units,
        current_time,
        add_days,
        days_between,
        list_files,
        find_files,
        search_text,
        read_file,
        file_info,
        write_file,
        add_note,
        search_notes,
        system_info,
    )
