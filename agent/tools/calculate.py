"""The tool that does arithmetic."""

from __future__ import annotations

from agent.tools.base import tool
from agent.tools.lib.arithmetic import show, work_out


@tool(may="read")
def calculate(expression: str) -> str:
    """Work out an arithmetic expression.

    Percent is a hundredth (`17.5% * 240`, `17.5% of 240`) unless another number follows it directly; then it
    is the remainder (`17 % 5`). Angles are in radians.
    """
    return show(work_out(expression))
