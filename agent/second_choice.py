"""Another thought or call where one is in doubt: the models' next choice where they were least sure.

A doubt that a rule finds is found again in what the models write instead, so a call that no rule doubts
can be looked for before a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.checks.thoughts import is_wrong
from agent.engine import Choice, Generated
from agent.events import Event
from agent.transcript import Call, CallerTurn, PlannerTurn, Role, Transcript, parse_calls, parse_planner

PROPOSALS = 3
"""Other proposals that are looked at, each at the cost of a turn of the caller, and of one of the planner
where the choice is its own."""

Doubtful = Callable[[Transcript, Sequence[Call]], bool]
"""Whether a rule doubts one of the calls that end a transcript."""


@dataclass(frozen=True)
class Proposal:
    """A thought and the calls that follow it, with what the models generated for them."""

    planned: Generated
    called: Generated
    plan: PlannerTurn
    calls: Sequence[Call]

    @property
    def margin(self) -> float:
        """The least margin of both, in nats."""
        return min(self.planned.margin, self.called.margin)


class Generate(Protocol):
    """Generates the turn of a role; returns None where cancelled."""

    def __call__(
        self, role: Role, transcript: Transcript, instead_of: Choice | None = None
    ) -> Generator[Event, None, Generated | None]: ...


def second_choice(
    proposal: Proposal, transcript: Transcript, generate: Generate, doubtful: Doubtful
) -> Generator[Event, None, Proposal | None]:
    """Return another proposal that no rule doubts; None where none of PROPOSALS is, or cancelled.

    `transcript` ends before the thought. The least margins of the thought and of the calls come first.
    """
    choices: list[tuple[Role, Choice]] = [
        *(("planner", choice) for choice in proposal.planned.choices),
        *(("caller", choice) for choice in proposal.called.choices),
    ]
    seen = {proposal.called.text}
    for role, choice in sorted(choices, key=lambda place: place[1].margin)[:PROPOSALS]:
        planned, plan = proposal.planned, proposal.plan
        if role == "planner":
            other = yield from generate("planner", transcript, choice)
            other_plan = parse_planner(other.text) if other else None
            if other is None or other_plan is None or other_plan.next != "caller":
                continue
            planned, plan = other, other_plan
        instead_of = choice if role == "caller" else None
        called = yield from generate("caller", transcript.plus(plan), instead_of)
        calls = parse_calls(called.text) if called else None
        if called is None or calls is None or called.text in seen:
            continue
        seen.add(called.text)
        if not doubtful(transcript.plus(plan, CallerTurn(calls)), calls):
            return Proposal(planned, called, plan, calls)
    return None


def second_thought(
    thought: Generated, transcript: Transcript, generate: Generate
) -> Generator[Event, None, tuple[PlannerTurn, Generated] | None]:
    """Return another thought that is not known to be wrong; None where there is none, or cancelled.

    `transcript` ends before the thought.
    """
    for choice in thought.choices[:PROPOSALS]:
        other = yield from generate("planner", transcript, choice)
        plan = parse_planner(other.text) if other else None
        if other and plan and not is_wrong(plan.content, transcript):
            return plan, other
    return None
