"""Baselines: steps taken without a model, which every figure should be compared with."""

from __future__ import annotations

from agent.evaluation.benchmarks.benchmark import Case
from agent.evaluation.benchmarks.step import Step, calling
from agent.prompting import segment
from agent.transcript import Call, CallerTurn, PlannerTurn, ToolTurn


def call_first_unused_tool(case: Case) -> Step:
    """Call the first tool on offer that was not called yet, without arguments."""
    called = {call.name for turn in case.history.turns if isinstance(turn, CallerTurn) for call in turn.calls}
    names = sorted(tool.name for tool in case.history.tools)
    first = next((name for name in names if name not in called), names[0] if names else None)
    return calling(Call(first, {})) if first else calling()


def give_up(_case: Case) -> Step:
    """Give up, whatever the question is."""
    return Step(PlannerTurn("", "give up"))


def answer_last_result(case: Case) -> Step:
    """Hand over to the summarizer, and answer with the last result of a tool, else with nothing."""
    results = [turn for turn in case.history.turns if isinstance(turn, ToolTurn)]
    return Step(PlannerTurn("", "summarizer"), segment(results[-1]).content if results else "")
