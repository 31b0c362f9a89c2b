"""One step of the roles on a given history: the planner's hand-over, and what the next role writes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from agent.engine import Engine
from agent.errors import ContextFullError, InputError
from agent.evaluation.generation import last_event
from agent.prompting.trimming import make_room
from agent.transcript import Call, Next, PlannerTurn, Role, Transcript, parse_calls, parse_planner
from agent.turn import WRITING_ROOM

Obstacle = Literal["", "does not fit the context", "a schema that calls cannot be held to"]
"""Why the roles could not run; empty if they could."""


@dataclass(frozen=True)
class Step:
    """The planner's turn, and the text of the role that it handed over to; empty if no other role ran.

    `plan` is None if the planner's text does not end in a hand-over, or the roles could not run.
    """

    plan: PlannerTurn | None
    text: str = ""
    obstacle: Obstacle = ""

    @property
    def next(self) -> Next | None:
        """The role that the planner handed over to."""
        return self.plan.next if self.plan else None

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls; empty where the planner did not hand over to the caller, or its text is not calls."""
        return (parse_calls(self.text) or ()) if self.next == "caller" else ()

    @property
    def answer(self) -> str | None:
        """The summarizer's answer; None if it did not run."""
        return self.text if self.next == "summarizer" else None


def calling(*calls: Call) -> Step:
    """Return the step that makes `calls`."""
    return Step(PlannerTurn("", "caller"), "\n".join(call.line() for call in calls))


def take_step(
    engine: Engine, history: Transcript, roles: Collection[Role], cancelled: Callable[[], bool]
) -> Step | None:
    """Return what the planner does after `history`, and what the next role writes if it is among `roles`.

    Return None if it was cancelled. As in `agent.turn`, a long history is trimmed. A history whose tools and
    question do not fit the context, and a tool schema without a grammar, are reported as the `obstacle`.
    """
    try:
        planned = _generate(engine, "planner", history, cancelled)
        plan = parse_planner(planned) if planned is not None else None
        if planned is None:
            return None
        if plan is None or plan.next == "give up" or plan.next not in roles:
            return Step(plan)
        text = _generate(engine, plan.next, history.plus(plan), cancelled)
    except ContextFullError:
        return Step(None, obstacle="does not fit the context")
    except InputError:
        return Step(None, obstacle="a schema that calls cannot be held to")
    return None if text is None else Step(plan, text)


def _generate(
    engine: Engine, role: Role, transcript: Transcript, cancelled: Callable[[], bool]
) -> str | None:
    """Return the text that `role` generates, None if cancelled. Raise ContextFullError if it has no room."""
    transcript, _ = make_room(transcript, lambda trimmed: engine.room(role, trimmed), WRITING_ROOM)
    if (left := engine.room(role, transcript)) < WRITING_ROOM:
        raise ContextFullError(engine.context_length - left + WRITING_ROOM, engine.context_length)
    generated = last_event(engine.generate(role, transcript, cancelled=cancelled))
    return None if generated.stop == "cancelled" else generated.text
