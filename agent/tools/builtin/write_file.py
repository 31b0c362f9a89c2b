"""The tool `write_file`."""

from __future__ import annotations

from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FilePath
from agent.tools.lib.file_change import FileChange, written_file
from agent.tools.lib.output import pluralize


def _preview(context: ToolContext, path: FilePath, content: str) -> FileChange:
    return written_file(context.workspace, path, content)


@tool(may="write", untrusted=False, preview=_preview)
def write_file(context: ToolContext, path: FilePath, content: str) -> str:
    """Write text to a file.

    A file that exists is replaced; folders on the way are made.
    """
    written = context.workspace.write_text(path, content)
    return f"wrote {pluralize(len(content), 'character')} to {written}"
