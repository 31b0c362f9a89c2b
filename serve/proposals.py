"""A step whose calls the client runs: the planner's hand-over, and the calls or the answer that follow.

What `agent.loop` does with a toolbox of its own, this does with tools that are only described: it ends at the
calls, and the client sends their results with its next request.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from agent.checks.answers.answer_check import AnswerCheck
from agent.engine import Delta, Engine, Generated
from agent.errors import InputError, UmiError
from agent.events import AnswerDelta, CallProposed, Event, Finished, Reading, Thought, Usage
from agent.llama.grammar.calls import MAX_CALLS
from agent.prompting.demands import demanded_thought
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Role,
    SummarizerTurn,
    Transcript,
    parse_calls,
    parse_planner,
)
from agent.turn import TOO_LONG, fit_transcript

Cancelled = Callable[[], bool]


@dataclass
class Step:
    """A step that is taken: its transcript, which grows, and what the roles cost.

    `demanded` names a tool that must be called; empty stands for any, and None for the planner's choice.
    At most `most_calls` calls are made.
    """

    transcript: Transcript
    demanded: str | None = None
    most_calls: int = MAX_CALLS
    stats: dict[Role, Usage] = field(default_factory=dict)


def propose(engine: Engine, step: Step, cancelled: Cancelled) -> Iterator[Event]:
    """Yield the events of a step after `step.transcript`; the last one is `Finished`.

    Its reason is `answered` too where the step ends with calls. Raise ContextFullError where the tools and
    the last messages do not fit, and InputError where a schema is one that calls cannot be held to.
    """
    try:
        yield from _step(engine, step, cancelled)
    except InputError:
        raise
    except UmiError as error:
        yield Finished("error", str(error), step.stats)


def _step(engine: Engine, step: Step, cancelled: Cancelled) -> Iterator[Event]:
    if step.demanded is not None:
        plan = PlannerTurn(demanded_thought(step.demanded), "caller")
    else:
        generated = yield from _generate(engine, step, "planner", cancelled)
        if generated is None:
            yield Finished("cancelled", "", step.stats)
            return
        plan = parse_planner(generated.text)
    if plan is None:
        yield Finished("failed", "The planner's turn was cut at its length.", step.stats)
        return
    yield Thought(1, plan.content, plan.next)
    step.transcript = step.transcript.plus(plan)
    if plan.next == "give up":
        yield Finished("gave_up", plan.content, step.stats)
    elif plan.next == "caller":
        yield from _calls(engine, step, cancelled)
    else:
        yield from _answer(engine, step, cancelled)


def _calls(engine: Engine, step: Step, cancelled: Cancelled) -> Iterator[Event]:
    generated = yield from _generate(engine, step, "caller", cancelled)
    if generated is None:
        yield Finished("cancelled", "", step.stats)
        return
    calls = parse_calls(generated.text)
    if calls is None:
        yield Finished("failed", f"{TOO_LONG[0].upper()}{TOO_LONG[1:]}.", step.stats)
        return
    calls = calls[: step.most_calls]
    step.transcript = step.transcript.plus(CallerTurn(calls))
    for index, call in enumerate(calls):
        yield CallProposed(1, index, call.name, call.arguments)
    yield Finished("answered", "", step.stats)


def _answer(engine: Engine, step: Step, cancelled: Cancelled) -> Iterator[Event]:
    check = AnswerCheck(step.transcript) if engine.grounded_answers else None
    shown: list[str] = []
    generated = yield from _generate(
        engine, step, "summarizer", cancelled, check.feed if check else str, shown
    )
    if generated is None:
        yield Finished("cancelled", "", step.stats)
        return
    if check and (rest := check.finish(cut=generated.stop == "length")):
        shown.append(rest)
        yield AnswerDelta(rest)
    answer = "".join(shown).strip()
    if check and check.doubt and not answer:
        yield Finished("failed", f"There is no answer: {check.doubt}.", step.stats)
        return
    step.transcript = step.transcript.plus(SummarizerTurn(answer))
    yield Finished("answered", answer, step.stats)


def _generate(
    engine: Engine,
    step: Step,
    role: Role,
    cancelled: Cancelled,
    show: Callable[[str], str] | None = None,
    shown: list[str] | None = None,
) -> Generator[Event, None, Generated | None]:
    """Generate the turn of `role`; return it, or None where cancelled. `shown` collects what `show` shows."""
    step.transcript, trimmed = fit_transcript(engine, role, step.transcript)
    if trimmed:
        yield trimmed
    for event in engine.generate(role, step.transcript, cancelled=cancelled):
        match event:
            case Reading():
                yield event
            case Delta(text):
                if show and shown is not None and (passed := show(text)):
                    shown.append(passed)
                    yield AnswerDelta(passed)
            case Generated():
                step.stats[role] = step.stats.get(role, Usage()) + event.usage
                return None if event.stop == "cancelled" else event
    raise AssertionError("an engine's last event is Generated")
