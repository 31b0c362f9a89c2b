"""What counts as right in a planner's, a caller's and a summarizer's turn.

`umi eval` and the evaluation during training measure with these. They follow section 4 of arXiv 2401.07324;
with `compat` they are as lenient as the paper's released evaluation.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

from agent.transcript import Call, CallerTurn, PlannerTurn, ToolSpec, parse_calls, parse_planner

_WORD = re.compile(r"\w+")


def same_plan(text: str, turn: PlannerTurn) -> bool:
    """Whether `text` hands over as `turn` does; text without one of the three endings never does."""
    plan = parse_planner(text)
    return plan is not None and plan.next == turn.next


def same_tools(calls: Sequence[Call], turn: CallerTurn) -> bool:
    """Whether `calls` name the tools that `turn` calls, as often as it does, in whatever order."""
    return Counter(call.name for call in calls) == Counter(call.name for call in turn.calls)


def argument_f1(calls: Sequence[Call], turn: CallerTurn, *, compat: bool = False) -> float:
    """F1 over the (tool, parameter, value) triples of `calls` and of `turn`.

    Calls that `turn` accepts score 1; a call without arguments counts as one triple. A parameter that is
    there with another value is wrong; with `compat` it is half right.
    """
    if turn.matched_by(calls):
        return 1.0
    given, wanted = _triples(calls), _triples(turn.calls)
    right = float((given & wanted).total())
    if compat:
        right += ((_parameters(given) & _parameters(wanted)).total() - right) / 2
    return 2 * right / max(1, given.total() + wanted.total())


def hallucinated(text: str, tools: Collection[ToolSpec]) -> tuple[int, int]:
    """(calls in `text` that name no tool on offer or are malformed, all calls in it), a line each."""
    offered = {tool.name for tool in tools}
    lines = [parse_calls(line) for line in text.split("\n")]
    return sum(not calls or calls[0].name not in offered for calls in lines), len(lines)


def rouge_l(text: str, reference: str) -> float:
    """ROUGE-L of `text`: the F-measure, beta = 1, of the longest common subsequence of words (Lin 2004).

    Words are runs of letters, digits and underscores without case. Texts that both have none score 1 where
    they are equal.
    """
    ours, theirs = _words(text), _words(reference)
    if not ours and not theirs:
        return float(text.strip() == reference.strip())
    return 2 * _common(ours, theirs) / (len(ours) + len(theirs))


def first_tool(tools: Collection[ToolSpec]) -> tuple[Call, ...]:
    """What always calling the first tool on offer writes: it, without arguments."""
    return tuple(Call(name, {}) for name in sorted(tool.name for tool in tools)[:1])


def without_arguments(turn: CallerTurn) -> tuple[Call, ...]:
    """The calls of `turn` with their arguments left out."""
    return tuple(Call(call.name, {}) for call in turn.calls)


def _triples(calls: Sequence[Call]) -> Counter[tuple[Hashable, ...]]:
    # A call without arguments is a triple of its own, else a needless one would go unseen.
    return Counter(
        triple
        for call in calls
        for triple in [(call.name, name, _comparable(value)) for name, value in call.arguments.items()]
        or [(call.name, None, None)]
    )


def _parameters(triples: Counter[tuple[Hashable, ...]]) -> Counter[tuple[Hashable, ...]]:
    counts: Counter[tuple[Hashable, ...]] = Counter()
    for (tool, parameter, _), count in triples.items():
        counts[tool, parameter] += count
    return counts


def _comparable(value: Any) -> Hashable:
    """A JSON value as a key that is equal where `agent.transcript.same_value` says so."""
    match value:
        case bool():
            return ("bool", value)
        case Mapping():
            return frozenset((key, _comparable(item)) for key, item in value.items())
        case [*items]:
            return ("list", *map(_comparable, items))
    return value


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for at, theirs in enumerate(other, start=1):
            before, row[at] = row[at], before + 1 if word == theirs else max(row[at], row[at - 1])
    return row[-1]
