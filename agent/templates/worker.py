"""The child process that compiles and renders templates: `python -P -m agent.templates.worker`.

It reads a request a line and answers each with a line, both JSON. A request that takes more processor
time than it allows ends the process by SIGPROF, wherever it is, also inside one call of Python's. Memory is
limited as address space, and a MemoryError is an answer.

Request: `source`, `in_json` (a regular expression and its replacement, for what the filter tojson writes),
`seconds`, and `variables`, or null to compile only. Answer: `text`, or `literals` where it was compiled, or
`error`; and `seconds`, the processor time that was taken.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from time import process_time
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError

from agent.templates.sandbox import SandboxedTemplate

MEMORY_BYTES = 256 << 20
"""For templates, beside what the interpreter takes; long conversations take a few MB."""
MAX_TEXT = 8_000_000
"""Characters of a rendered conversation; the longest contexts hold a tenth of that."""


def main() -> None:
    """Answer requests until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    _limit_address_space(pages * resource.getpagesize() + MEMORY_BYTES)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _limit_address_space(limit: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    started = process_time()
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    try:
        answer = _run(request)
    except MemoryError:
        answer = {"error": f"it takes more than {MEMORY_BYTES >> 20} MB of memory", "limit": True}
    except Exception as error:
        answer = {"error": _one_line(error)}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return answer | {"seconds": process_time() - started}


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    template = _compiled(request["source"], *request["in_json"])
    if request["variables"] is None:
        return {"literals": template.literals}
    text = template.render(request["variables"])
    if len(text) > MAX_TEXT:
        return {"error": f"it writes more than {MAX_TEXT} characters", "limit": True}
    return {"text": text}


@lru_cache(maxsize=4)
def _compiled(source: str, pattern: str, replacement: str) -> SandboxedTemplate:
    return SandboxedTemplate(source, lambda text: re.sub(pattern, replacement, text))


def _one_line(error: Exception) -> str:
    """Return the error's message in one line."""
    words = " ".join(str(error)[:2000].split())
    if isinstance(error, TemplateSyntaxError):
        return f"line {error.lineno}: {error.message}"
    return words if isinstance(error, TemplateError) and words else f"{type(error).__name__}: {words}"


if __name__ == "__main__":
    main()
