"""A new tool of the user's own, with its test: two files that are there to be changed."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from agent.errors import InputError, cannot_write
from agent.paths import tools_folder, write_private
from agent.tools.base import Permission

_TOOL = '''"""The tool `{name}`."""

from __future__ import annotations

from typing import Annotated, Literal

import umi


# may: read runs without a question; write, execute and network ask first.
# A parameter says what its argument is made of:
#   umi.Copied()           words of the conversation, as they stand there
#   umi.Derived("number")  a number of the conversation, or one that its words stand for
#   Literal["a", "b"]      one of these
#   str, int, float, bool  anything of that type
@umi.tool(may="{may}")
def {name}(text: Annotated[str, umi.Copied()], part: Literal["words", "letters"] = "words") -> str:
    """Count the words or the letters of a text."""
    counted = text.split() if part == "words" else [letter for letter in text if letter.isalpha()]
    return f"{{len(counted)}} {{part}}"
'''

_TEST = '''"""Tests of the tool `{name}`: python -m pytest {folder}"""

from {name} import {name}


def test_{name}() -> None:
    assert {name}("two words") == "2 words"
    assert {name}("two words", "letters") == "8 letters"
'''


def write_new_tool(name: str, may: Permission) -> tuple[Path, Path]:
    """Write a tool called `name` and its test into the config folder; return both files.

    Raise InputError where the name cannot be one, or where a file is there already.
    """
    from agent.tools import BUILTIN_NAMES, OPTIONAL_NAMES

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name) or name.startswith("test_"):
        raise InputError(f"a tool cannot be called {name!r}", "give a name such as count_words")
    if name in (*BUILTIN_NAMES, *OPTIONAL_NAMES):
        raise InputError(f"umi has a tool {name}", "give it another name")
    folder = tools_folder()
    tool, test = folder / f"{name}.py", folder / f"test_{name}.py"
    for path in (tool, test):
        if path.exists():
            raise InputError(f"{path} is there already", "change it, or give another name")
    try:
        for path, text in ((tool, _TOOL), (test, _TEST)):
            write_private(path, text.format(name=name, may=may, folder=folder))
    except OSError as error:
        raise cannot_write(folder, error) from None
    return tool, test
