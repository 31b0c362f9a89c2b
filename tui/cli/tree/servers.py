"""`umi serve` and `umi mcp`: the model and the tools for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.tree.options import AllowProtected, Engine, MaxSteps, Models, ToolNames, Workspace
from tui.setup import Options, parse_tool_names


def serve(
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 is a free one.")] = 8642,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Other machines need a token.")] = "127.0.0.1",
    models: Models = None,
    workspace: Workspace = None,
    tools: ToolNames = None,
    yes: Annotated[bool, typer.Option("--yes", help="Allow every call that needs permission.")] = False,
    max_steps: MaxSteps = None,
    allow_protected: AllowProtected = None,
    engine: Engine = "",
) -> int:
    """Serve the model `umi` to other programs, over HTTP in OpenAI's form."""
    from tui.cli.serve import serve as run_serve

    options = Options(
        models, workspace, parse_tool_names(tools), max_steps, tuple(allow_protected or ()), engine=engine
    )
    return run_serve(options, host=host, port=port, yes=yes)


def serve_tools(
    workspace: Workspace = None,
    tools: ToolNames = None,
    allow_protected: AllowProtected = None,
    yes: Annotated[bool, typer.Option("--yes", help="Allow every call that needs permission.")] = False,
) -> int:
    """Serve umi's file, note, date and unit tools to another program (MCP, over standard streams)."""
    from tui.cli.serve_tools import serve_tools

    return serve_tools(workspace or Path(), parse_tool_names(tools), tuple(allow_protected or ()), yes=yes)
