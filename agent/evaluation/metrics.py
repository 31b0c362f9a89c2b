"""Metrics of a planner's, a caller's and a summarizer's turn against a reference.

Used by `umi eval` and by the evaluation during training and export. They follow section 4 of
arXiv 2401.07324; with `compat` they are as lenient as the paper's released evaluation.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

from agent.transcript import Call, CallerTurn, PlannerTurn, ToolSpec, parse_calls, parse_planner

_WORD = re.compile(r"\w+")


def handover_matches(text: str, turn: PlannerTurn) -> bool:
    """Return whether `text` hands over to the same role as `turn`; False without one of the three endings."""
    plan = parse_planner(text)
    return plan is not None and plan.next == turn.next


def tools_match(calls: Sequence[Call], turn: CallerTurn) -> bool:
    """Return whether `calls` name the same tools as `turn`, each as often, in any order."""
    return Counter(call.name for call in calls) == Counter(call.name for call in turn.calls)


def argument_f1(calls: Sequence[Call], turn: CallerTurn, *, compat: bool = False) -> float:
    """Return the F1 score over the (tool, parameter, value) triples of `calls` and of `turn`.

    Calls that `turn` accepts score 1; a call without arguments counts as one triple. A parameter with another
    value is wrong, and with `compat` half right.
    """
    if turn.matched_by(calls):
        return 1.0
    predicted, reference = _triples(calls), _triples(turn.calls)
    correct = float((predicted & reference).total())
    if compat:
        correct += ((_parameters(predicted) & _parameters(reference)).total() - correct) / 2
    return 2 * correct / max(1, predicted.total() + reference.total())


def count_hallucinated(text: str, tools: Collection[ToolSpec]) -> tuple[int, int]:
    """Return (calls that name no offered tool or are malformed, all calls) in `text`, one call a line."""
    offered = {tool.name for tool in tools}
    lines = [parse_calls(line) for line in text.split("\n")]
    return sum(not calls or calls[0].name not in offered for calls in lines), len(lines)


def rouge_l(text: str, reference: str) -> float:
    """Return ROUGE-L: the F-measure, beta = 1, of the longest common subsequence of words (Lin 2004).

    Words are runs of letters, digits and underscores, compared without regard to case. Two texts without
    words score 1 if they are equal.
    """
    words, reference_words = _words(text), _words(reference)
    if not words and not reference_words:
        return float(text.strip() == reference.strip())
    return 2 * _lcs_length(words, reference_words) / (len(words) + len(reference_words))


def first_tool_baseline(tools: Collection[ToolSpec]) -> tuple[Call, ...]:
    """Return the baseline that always calls the first tool on offer, without arguments."""
    return tuple(Call(name, {}) for name in sorted(tool.name for tool in tools)[:1])


def no_arguments_baseline(turn: CallerTurn) -> tuple[Call, ...]:
    """Return the baseline that makes the calls of `turn` without their arguments."""
    return tuple(Call(call.name, {}) for call in turn.calls)


def _triples(calls: Sequence[Call]) -> Counter[tuple[Hashable, ...]]:
    # A call without arguments is a triple of its own, or a superfluous one would not be penalized.
    return Counter(
        triple
        for call in calls
        for triple in [(call.name, name, _hashable(value)) for name, value in call.arguments.items()]
        or [(call.name, None, None)]
    )


def _parameters(triples: Counter[tuple[Hashable, ...]]) -> Counter[tuple[Hashable, ...]]:
    counts: Counter[tuple[Hashable, ...]] = Counter()
    for (tool, parameter, _), count in triples.items():
        counts[tool, parameter] += count
    return counts


def _hashable(value: Any) -> Hashable:
    """Return a hashable key of a JSON value; keys are equal where `agent.transcript.same_value` is true."""
    match value:
        case bool():
            return ("bool", value)
        case Mapping():
            return frozenset((key, _hashable(item)) for key, item in value.items())
        case [*items]:
            return ("list", *map(_hashable, items))
    return value


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


def _lcs_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, by dynamic programming over one row."""
    row = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for column, other in enumerate(second, start=1):
            diagonal, row[column] = (
                row[column],
                diagonal + 1 if word == other else max(row[column], row[column - 1]),
            )
    return row[-1]
