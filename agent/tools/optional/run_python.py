"""The tool `run_python`."""

from __future__ import annotations

import sys

from agent.tools.base import ToolContext, tool
from agent.tools.sandbox.report import TIME_LIMIT_S, confinement_problem, effect_of_run, run_and_report


@tool(may="execute", time_limit_s=TIME_LIMIT_S, problem=confinement_problem, effect=effect_of_run)
def run_python(context: ToolContext, code: str) -> str:
    """Run Python code and return what it prints.

    It runs in the workspace, by the Python that runs umi, in isolated mode.
    """
    return run_and_report(context, [sys.executable, "-I"], code=code)
