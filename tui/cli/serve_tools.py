"""`umi mcp`: umi's own tools for other programs, over standard input and output."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from agent.consent import Request
from agent.consent.audit import AuditLog
from agent.consent.policy import Policy
from agent.mcp.server_tools import require_sdk
from agent.setup import make_toolbox
from tui.approval_text import parts_of, title_of

MAX_QUESTION = 8000
"""Characters of a question; a client shows it as it can."""


def serve_tools(
    workspace: Path,
    tools: Sequence[str] | None = None,
    allow_protected: Sequence[str] = (),
    *,
    yes: bool = False,
) -> int:
    """Serve the tools until the client closes the connection; return the exit code.

    Raise InputError where something that was given cannot be used, or the SDK is not installed.
    """
    require_sdk()
    import anyio

    from agent.mcp.server import SERVED, ToolServing

    toolbox = make_toolbox(workspace, SERVED if tools is None else tools, allow_protected)
    root = toolbox.context.workspace.root
    audit = AuditLog(root)
    # A handler in Python would wait for the thread that reads the next line.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    anyio.run(ToolServing(toolbox, Policy(root, audit), audit, question_text, yes).serve)
    return 0


def question_text(request: Request) -> str:
    """Return the question about a call, with all that it would do."""
    parts = [f"{part.label}: {part.text}" for part in parts_of(request)]
    text = "\n".join([f"umi: {title_of(request)}", *parts])
    if len(text) <= MAX_QUESTION:
        return text
    return f"{text[:MAX_QUESTION]}\n… ({len(text) - MAX_QUESTION} more characters are not shown)"
