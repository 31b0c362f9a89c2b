"""The text of an HTML page, taken out in a child process.

A page of a few megabytes can keep a parser busy for minutes, by nesting alone; the child has a limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from agent.errors import ToolError

LIMIT_S = 15.0
"""Time for one page, the start of the child included."""
_EXTRACT = Path(__file__).with_name("extract.py")


def missing_package() -> str:
    """Return which package is missing for the text of pages, or an empty text."""
    if find_spec("selectolax") is None:
        return "the package selectolax is not installed (pip install 'umi-agent[fetch]')"
    return ""


def html_text(data: bytes, charset: str) -> str:
    """Return the title and the text of a page. Raise ToolError where it cannot be read in time."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_EXTRACT), charset],
            input=data,
            capture_output=True,
            timeout=LIMIT_S,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise ToolError("the page is built so that its text cannot be read in time") from None
    return json.loads(done.stdout)
