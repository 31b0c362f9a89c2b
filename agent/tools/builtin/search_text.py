"""The tool `search_text`."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FilePath, Query
from agent.tools.lib.output import join_lines, safe_name, shorten
from agent.tools.lib.searching.names import LEAST_LETTERS, files_named, identifier
from agent.tools.lib.searching.text import MAX_MATCHES, TextSearch
from agent.tools.lib.time_limit import is_time_up

MAX_CHARACTERS = 64 * 1024 * 1024
"""Maximum number of characters that one search reads."""
MAX_LINES = 5
"""Maximum number of lines shown that contain a part of the query."""


@tool(may="read", time_limit_s=10)
def search_text(context: ToolContext, query: Query, path: FilePath | None = None) -> str:
    """Search the text of files for words.

    The query is found as it stands, in any case. Binary files are passed over. Where no text of a folder
    contains it, files whose name does are shown.
    """
    wanted = query.strip().lower()
    if not wanted:
        raise ToolError("query is empty")
    search = TextSearch(wanted, MAX_CHARACTERS)
    stopped, instead = [], [""]
    entry = context.workspace.entry(path or ".")
    if path is not None and not entry.is_folder:
        search.add(context.workspace, path, entry.path)
    else:
        files, complete = context.workspace.files(path)
        searched = search.add_all(context.workspace, files)
        if not search.found and len(wanted) >= LEAST_LETTERS and not is_time_up():
            instead = _found_instead(context, query, files)
        if searched < len(files) or not complete:
            more = f"of {len(files)} files" if complete else "files"
            stopped = [f"stopped after {searched} {more}; the others were not searched"]
    if len(search.found) > MAX_MATCHES:
        stopped.append(f"only the first {MAX_MATCHES} lines found are counted")
    nothing = f"no file {'that was searched ' if stopped else ''}contains '{shorten(query, 100)}'"
    lines = search.found[:MAX_MATCHES] or [nothing + instead[0], *instead[1:]]
    return join_lines(lines, "; ".join([*stopped, *search.remarks()]))


def _found_instead(context: ToolContext, query: str, files: Sequence[str]) -> list[str]:
    """Return, behind an introduction, files whose name contains `query`, else lines with its identifier."""
    if named := files_named(files, query.strip().lower()):
        return [", but these names do:", *map(safe_name, named)]
    if word := identifier(query):
        search = TextSearch(word.lower(), MAX_CHARACTERS)
        search.add_all(context.workspace, files)
        if search.found:
            return [f", but these lines contain '{word}':", *search.found[:MAX_LINES]]
    return [""]
