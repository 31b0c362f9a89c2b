"""Below which margin a call is asked about, by tool, so that those made without asking are mostly right.

Selective classification (Geifman and El-Yaniv 2017, arXiv 1705.08500): coverage is the share of calls that
are made without asking, and what counts is how many wrong ones are among them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.checks.calls.call_check import ANY_TOOL

FEWEST_WRONG = 3
"""Wrong calls of a tool, at least, for a least margin of its own; the other tools share one."""


@dataclass(frozen=True)
class MeasuredCall:
    """A call that the models wrote after a history of reference."""

    tool: str
    margin: float
    """In nats, as `agent.engine.Generated.margin`: the less of the thought's and the call's."""
    right: bool
    doubted: bool = False
    """Whether a rule of `agent.checks.calls.call_check` doubts it, so that it is asked about in any case."""


@dataclass(frozen=True)
class Coverage:
    """What is made without asking, of all calls, and how many of them are wrong."""

    made: int
    wrong: int
    of: int
    wrong_of: int

    @property
    def share(self) -> float:
        """The share of calls made without asking; 1 where there are none."""
        return self.made / self.of if self.of else 1.0


def covered(calls: Iterable[MeasuredCall], least: Mapping[str, float]) -> Coverage:
    """Return what is made of `calls` where the doubted and those under the least margin are asked about."""
    given = list(calls)
    made = [
        call
        for call in given
        if not call.doubted and call.margin >= least.get(call.tool, least.get(ANY_TOOL, -math.inf))
    ]
    return Coverage(
        len(made), sum(not call.right for call in made), len(given), sum(not call.right for call in given)
    )


def fit_least_margins(calls: Sequence[MeasuredCall], coverage: float) -> dict[str, float]:
    """Return the least margins by tool that keep the most wrong calls from being made, at `coverage` or more.

    The calls that may be asked about, the share that `coverage` leaves less those that rules doubt, are given
    out among the tools so that the wrong ones among them are the most: a knapsack, solved exactly.
    """
    groups: dict[str, list[MeasuredCall]] = defaultdict(list)
    undoubted = [call for call in calls if not call.doubted]
    for call in undoubted:
        groups[call.tool].append(call)
    few = [tool for tool, own in groups.items() if sum(not call.right for call in own) < FEWEST_WRONG]
    groups[ANY_TOOL] = [call for tool in few for call in groups.pop(tool)]
    doubted = len(calls) - len(undoubted)
    budget = max(0, math.floor((1 - coverage) * len(calls) + 1e-9) - doubted)
    # By the number of calls asked about so far: the wrong ones among them, and the least margins that do it.
    best: dict[int, tuple[int, dict[str, float]]] = {0: (0, {})}
    for tool, own in groups.items():
        options = list(_options(own, budget))
        improved = dict(best)
        for spent, (caught, least) in best.items():
            for asked, wrong, margin in options:
                total = spent + asked
                if total <= budget and caught + wrong > improved.get(total, (-1, {}))[0]:
                    improved[total] = caught + wrong, {**least, tool: margin}
        best = improved
    # Among equals, the one that asks least.
    return max(sorted(best.items()), key=lambda item: item[1][0])[1][1]


def _options(calls: Sequence[MeasuredCall], budget: int) -> Iterator[tuple[int, int, float]]:
    """Yield the calls that a least margin asks about, the wrong ones among them, and the margin."""
    ordered = sorted(calls, key=lambda call: call.margin)
    wrong = 0
    for index, (call, following) in enumerate(pairwise(ordered), 1):
        wrong += not call.right
        if index > budget or math.isinf(following.margin):
            return
        if following.margin > call.margin and not call.right:
            yield index, wrong, (call.margin + following.margin) / 2
