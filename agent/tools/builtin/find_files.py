"""The tool `find_files`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FileName, FilePath
from agent.tools.lib.output import join_lines, pluralize, safe_name
from agent.tools.lib.time_limit import is_time_up

LEAST_LETTERS = 3
"""Letters that a name has at least which is found in another spelling."""


@tool(may="read", time_limit_s=10)
def find_files(context: ToolContext, name: FileName, path: FilePath | None = None) -> str:
    """Find files by a part of their name.

    A name with * or ? is a pattern for the whole name; one with a slash is compared with the whole path.
    Where no name contains it, spaces, hyphens, underscores, dots and the plural make no difference.
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
            found.append(safe_name(file))
    if not found and not pattern and not is_time_up():
        found = [safe_name(file) for file in _spelled_otherwise(files[:compared], wanted)]
    complete = complete and compared == len(files)
    remark = "" if complete else f"stopped after {pluralize(compared, 'file')}; there are more"
    nothing = f"no file name {'' if complete else 'that was looked at '}contains '{name}'"
    return join_lines(found or [nothing], remark)


def _spelled_otherwise(files: Sequence[str], wanted: str) -> list[str]:
    """Return the files whose name contains `wanted` but for separators, or else but for its plural too."""
    names = {file: _letters((file if "/" in wanted else file.rpartition("/")[2]).lower()) for file in files}
    joined = _letters(wanted)
    for spelling in (joined, re.sub(r"(?<=[^s])s$", "", joined)):
        found = [file for file, name in names.items() if spelling in name]
        if found and len(spelling) >= LEAST_LETTERS:
            return found
    return []


def _letters(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name)
