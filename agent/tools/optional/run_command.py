"""The tool `run_command`."""

from __future__ import annotations

from agent.tools.base import ToolContext, tool
from agent.tools.sandbox.report import TIME_LIMIT_S, confinement_problem, effect_of_run, run_and_report


@tool(may="execute", time_limit_s=TIME_LIMIT_S, problem=confinement_problem, effect=effect_of_run)
def run_command(context: ToolContext, command: str) -> str:
    """Run a shell command and return what it prints.

    It is run by `sh` in the workspace.
    """
    return run_and_report(context, ["/bin/sh", "-c", command])
