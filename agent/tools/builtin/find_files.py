"""The tool `find_files`."""

from __future__ import annotations

from fnmatch import fnmatchcase

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FileName, FilePath
from agent.tools.lib.output import join_lines, pluralize, safe_name
from agent.tools.lib.searching.names import LEAST_LETTERS, files_named, identifier
from agent.tools.lib.searching.text import TextSearch
from agent.tools.lib.time_limit import is_time_up

MAX_READ = 4 * 1024 * 1024
"""Maximum number of characters read of texts where no name is found."""
MAX_LINES = 5
"""Maximum number of lines of texts that are shown then."""


@tool(may="read", time_limit_s=10)
def find_files(context: ToolContext, name: FileName, path: FilePath | None = None) -> str:
    """Find files by a part of their name.

    A name with * or ? is a pattern for the whole name; one with a slash is compared with the whole path.
    Where no name contains it, spaces, hyphens, underscores, dots, the plural and the order of words make no
    difference, then names of folders count, and then lines of texts that contain it are shown.
    """
    wanted = name.strip().lower().removeprefix("**/").removeprefix("./")
    if not wanted:
        raise ToolError("name is empty")
    if len(wanted) > 255:
        raise ToolError("name is longer than a file name can be")
    pattern = "*" in wanted or "?" in wanted
    files, complete = context.workspace.files(path)
    found = []
    compared = 0
    for file in files:
        if is_time_up() and complete:  # what was found until the time was up is compared
            break
        compared += 1
        subject = (file if "/" in wanted else file.rpartition("/")[2]).lower()
        if fnmatchcase(subject, wanted) if pattern else wanted in subject:
            found.append(file)
    word = wanted.replace("*", "").replace("?", "").strip("/")
    others = not found and not word.startswith(".") and not is_time_up()
    if others:
        found = files_named(files[:compared], word)
    complete = complete and compared == len(files)
    remark = "" if complete else f"stopped after {pluralize(compared, 'file')}; there are more"
    if found:
        return join_lines([safe_name(file) for file in found], remark)
    nothing = f"no file name {'' if complete else 'that was looked at '}contains '{name}'"
    for text, do in ((word, "do"), (identifier(name), f"contain '{identifier(name)}'")) if others else ():
        if lines := _lines_with(context, text.lower(), files[:compared]):
            return join_lines([f"{nothing}, but these lines {do}:", *lines], remark)
    return join_lines([nothing], remark)


def _lines_with(context: ToolContext, wanted: str, files: list[str]) -> list[str]:
    """Return the first lines of texts that contain the lower-case `wanted`, as `search_text` shows them."""
    if len(wanted) < LEAST_LETTERS:
        return []
    search = TextSearch(wanted, MAX_READ)
    search.add_all(context.workspace, files)
    return search.found[:MAX_LINES]
