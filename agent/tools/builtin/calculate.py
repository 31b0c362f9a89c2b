"""The tool `calculate`."""

from __future__ import annotations

from agent.tools.base import tool
from agent.tools.lib.argument_types import Expression
from agent.tools.lib.numbers.arithmetic import evaluate
from agent.tools.lib.numbers.number_format import format_number


@tool(may="read", untrusted=False)
def calculate(expression: Expression) -> str:
    """Work out an arithmetic expression.

    Percent is a hundredth (`17.5% * 240`, `17.5% of 240`) unless another number follows it directly; then it
    is the remainder (`17 % 5`). Angles are in radians.
    """
    return format_number(evaluate(expression))
