"""The check of a call before it runs, by rules that compare it with the words of the question.

A rule speaks only where the question is plain: it names an operator, a direction in time, a unit beside its
number. It does not repair a call; it says what is doubtful, so that somebody can be asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.checks.calls import dates, expressions, texts, units
from agent.checks.calls.last_result import expression_of_another_number, value_of_an_earlier_question
from agent.checks.calls.operands import left_out
from agent.transcript import Call, CallerTurn, PlannerTurn, ToolTurn, Transcript, Turn, UserTurn

ANY_TOOL = "*"
"""Stands for the tools that have no least margin of their own."""
UNSURE = "the models were not sure of this call"

Rule = Callable[[Mapping[str, Any], str], str | None]

_TOOL_NAMED = re.compile(r"\b(?:use|call) ([a-z]+(?:_[a-z0-9]+)+)\b(?![./]\w)")
_SETTLED = frozenset(("add_days", "convert_units", "days_between"))
"""Tools whose rules see most wrong calls."""


@dataclass(frozen=True)
class CallCheck:
    """The rules of each tool, and the least margins that a bundle's calls of each tool should have.

    `least_margins` are in nats, by the tool's name or ANY_TOOL; `agent.checks.calls.margins` finds them.
    """

    least_margins: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, transcript: Transcript, call: Call, margin: float) -> str:
        """Return what is doubtful about a call, by the rules or by its `margin`; empty if nothing is."""
        least = self.least_margins.get(call.name, self.least_margins.get(ANY_TOOL, -math.inf))
        return doubt_about(transcript, call) or (UNSURE if margin < least else "")


def doubt_about(transcript: Transcript, call: Call) -> str:
    """Return what is doubtful about a call of the first step after a question; empty if no rule speaks.

    `transcript` ends before that step, or with its calls and the results of those that were made.
    """
    step, turns = _step(transcript, call)
    if doubt := _tool_not_on_offer(transcript, turns):
        return doubt
    if (asked := _first_step_after(turns)) is None:
        return ""
    earlier, question = asked
    found = [rule(call.arguments, question) for rule in _RULES.get(call.name, ())]
    found += [_from_elsewhere(call, earlier, question), texts.misquoted_text(call, question)]
    if call.name == "calculate":
        found.append(_left_out(step, question, _planned(turns)))
    return next((doubt for doubt in found if doubt), "")


def is_settled(transcript: Transcript, call: Call) -> bool:
    """Return whether the rules know enough of a call that another one which they do not doubt may replace it.

    Of an expression they know too little, except where its question goes on from the last result, and of a
    text, except where the question quotes it: many wrong ones pass. `transcript` is as in `doubt_about`.
    """
    asked = _first_step_after(_step(transcript, call)[1])
    if call.name in _SETTLED or asked is None:
        return call.name in _SETTLED
    return bool(_from_elsewhere(call, *asked) or texts.misquoted_text(call, asked[1]))


def _first_step_after(turns: Sequence[Turn]) -> tuple[Sequence[Turn], str] | None:
    """Return the turns before the last question, and the question; None where calls followed it."""
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        if isinstance(turn, CallerTurn):
            break
        if isinstance(turn, UserTurn):
            return turns[:index], turn.content
    return None


def _from_elsewhere(call: Call, earlier: Sequence[Turn], question: str) -> str:
    """The number that a question goes on from is the last result."""
    match call.name, call.arguments:
        case "calculate", {"expression": str(expression)}:
            return expression_of_another_number(expression, earlier, question)
        case "convert_units", {"value": int() | float() as value}:
            return value_of_an_earlier_question(value, earlier, question)
    return ""


def _step(transcript: Transcript, call: Call) -> tuple[Sequence[Call], Sequence[Turn]]:
    """Return the calls of the step that `call` is one of, and the turns before them."""
    turns = transcript.turns
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        if isinstance(turn, CallerTurn):
            is_open = len(turn.calls) > len(turns) - index - 1 and call in turn.calls
            return (turn.calls, turns[:index]) if is_open else ((call,), turns)
        if not isinstance(turn, ToolTurn):
            break
    return (call,), turns


def _tool_not_on_offer(transcript: Transcript, turns: Sequence[Turn]) -> str:
    """The thought before a step names a tool only where that is on offer.

    Small models write one underscore where the name of a server's tool has two.
    """
    names = {re.sub("_+", "_", tool.name) for tool in transcript.tools}
    if not names or not turns or not isinstance(turns[-1], PlannerTurn):
        return ""
    named = _TOOL_NAMED.findall(turns[-1].content)
    unknown = [name for name in named if re.sub("_+", "_", name) not in names]
    return f"the planner named {unknown[0]}, which is no tool on offer" if unknown else ""


def _planned(turns: Sequence[Turn]) -> str:
    """Return what the thought before a step says will be done after it; empty if it says nothing of that."""
    thought = turns[-1].content if turns and isinstance(turns[-1], PlannerTurn) else ""
    return thought.partition(", then ")[2]


def _left_out(calls: Sequence[Call], question: str, planned: str) -> str | None:
    """Expressions that hold one of the numbers of a question hold all of them, with the calls beside them.

    A number may also wait for a later call, where the thought before them says so.
    """
    written = " ".join(str(value) for call in calls for value in call.arguments.values())
    number = left_out(f"{written} {planned}", question)
    return f"the expression leaves out {number}" if number else None


_RULES: Mapping[str, tuple[Rule, ...]] = {
    "calculate": (
        expressions.other_operator,
        expressions.one_number_only,
        expressions.shared_factor,
        expressions.misread_percentage,
        expressions.missing_factor,
    ),
    "add_days": (
        dates.weeks_as_days,
        dates.opposite_direction,
        dates.other_count_of_days,
        dates.unnamed_date,
    ),
    "days_between": (dates.date_asked_for, dates.unnamed_date),
    "convert_units": (units.swapped_units, units.same_unit, units.lost_sign),
    "write_file": (texts.unasked_write, texts.path_as_content),
}
"""The rules of each tool's calls: what is doubtful about the arguments, or None."""
