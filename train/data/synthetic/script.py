"""Scripts of intents: generators that yield a question and steps, receive observations, return an outcome.

    @intent("calculate", topic="arithmetic")
    def percent_of(sample: Sampler, world: World) -> Script:
        yield Question(...)
        observations = yield Step("I will work this out with {tool}.", (ToolCall("calculate", {...}),))
        return Outcome(answer=..., expects=(...,))

Tools have their built-in names here; the generator translates them to the offered names.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from agent.transcript import ToolTurn
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.world import World

READY_THOUGHT = "I have what I need to answer."


@dataclass(frozen=True)
class Question:
    """The message of the user."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """A call by built-in tool and parameter names. If `observation` is given, the tool is not run."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    observation: str | None = None
    error: bool = False


@dataclass(frozen=True)
class Step:
    """A thought (`{tool}` is replaced by the offered name of the first call) and the calls after it."""

    thought: str
    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class Outcome:
    """The answer (with `gave_up`, the last thought), and the texts that a right answer contains."""

    answer: str
    expects: tuple[str, ...] = ()
    gave_up: bool = False
    thought: str = READY_THOUGHT


Script = Generator[Question | Step, list[ToolTurn], Outcome]


@dataclass(frozen=True)
class Intent:
    """A kind of request: the tools it needs, its topic as named in thoughts, and its sampling weight."""

    name: str
    needs: tuple[str, ...]
    topic: str
    weight: float
    script: Callable[[Sampler, World], Script]


INTENTS: dict[str, Intent] = {}
"""The registry of `@intent`, by name."""


def intent(
    *needs: str, topic: str, weight: float = 1.0
) -> Callable[[Callable[[Sampler, World], Script]], Callable[[Sampler, World], Script]]:
    """Return a decorator that registers a script under its function's name."""

    def wrap(script: Callable[[Sampler, World], Script]) -> Callable[[Sampler, World], Script]:
        name = script.__name__
        INTENTS[name] = Intent(name, needs, topic, weight, script)
        return script

    return wrap


def step(thought: str, tool: str, **arguments: Any) -> Step:
    """Return a step of one call."""
    return Step(thought, (ToolCall(tool, arguments),))


def give_up(turn: ToolTurn, why: str) -> Outcome:
    """Return the outcome of an exchange that ends because of the failed call `turn`."""
    return Outcome(why, gave_up=True)
