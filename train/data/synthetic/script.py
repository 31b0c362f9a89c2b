"""Scripts of intents: generators that yield a question and steps, receive observations, return an outcome.

    @intent("calculate", topic="arithmetic")
    def percent_of(sample: Sampler, world: World) -> Script:
        yield Question(...)
        observations = yield Step("I will work out … with {tool}.", (ToolCall("calculate", {...}),))
        return Outcome(answer=..., expects=(...,))

A script that yields an outcome goes on with another question: the answer to what it asked back. Tools have
their built-in names here; the generator translates them to the offered names.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent.transcript import ToolTurn
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.worlds.world import World

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
    """A thought and the calls after it.

    `{tool}` and `{last_tool}` in it are replaced by the offered names of the first and the last call.
    """

    thought: str
    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class Outcome:
    """The answer (with `gave_up`, the last thought), and the texts that a right answer contains."""

    answer: str
    expects: tuple[str, ...] = ()
    gave_up: bool = False
    thought: str = READY_THOUGHT
    memory: Memory | None = None
    """What a later question can refer to; None leaves what earlier exchanges left."""


_Result = TypeVar("_Result")
Part = Generator[Question | Step | Outcome, list[ToolTurn], _Result]
"""A part of a script, which returns something to the script that runs it by `yield from`."""
Script = Part[Outcome]


@dataclass(frozen=True)
class Intent:
    """A kind of request: the tools it needs, its topic, and its sampling weight."""

    name: str
    needs: tuple[str, ...]
    topic: str
    weight: float
    script: Callable[[Sampler, World], Script]


@dataclass(frozen=True)
class FollowUp:
    """A kind of request that refers to what earlier exchanges left, if `applies` to that."""

    name: str
    needs: tuple[str, ...]
    weight: float
    applies: Callable[[Memory], object]
    script: Callable[[Sampler, World, Memory], Script]

    def after(self, memory: Memory) -> Intent:
        """Return the request as an intent, its references resolved by `memory`."""
        return Intent(
            self.name, self.needs, "", self.weight, lambda sample, world: self.script(sample, world, memory)
        )


INTENTS: dict[str, Intent] = {}
"""The registry of `@intent`, by name."""
FOLLOW_UPS: dict[str, FollowUp] = {}
"""The registry of `@follow_up`, by name."""

_Plain = Callable[[Sampler, World], Script]
_Referring = Callable[[Sampler, World, Memory], Script]


def intent(*needs: str, topic: str, weight: float = 1.0) -> Callable[[_Plain], _Plain]:
    """Return a decorator that registers a script under its function's name."""

    def wrap(script: _Plain) -> _Plain:
        name = script.__name__
        INTENTS[name] = Intent(name, needs, topic, weight, script)
        return script

    return wrap


def follow_up(
    *needs: str, when: Callable[[Memory], object], weight: float = 1.0
) -> Callable[[_Referring], _Referring]:
    """Return a decorator that registers a referring script under its function's name."""

    def wrap(script: _Referring) -> _Referring:
        name = script.__name__
        FOLLOW_UPS[name] = FollowUp(name, needs, weight, when, script)
        return script

    return wrap


def step(thought: str, tool: str, **arguments: Any) -> Step:
    """Return a step of one call."""
    return Step(thought, (ToolCall(tool, arguments),))


def planned(part: Part[_Result], plan: str) -> Part[_Result]:
    """Run the first part of a script, each of whose thoughts then says what comes after that part."""
    seen: list[ToolTurn] = []
    try:
        said = next(part)
        while True:
            if isinstance(said, Step):
                said = Step(f"{said.thought.rstrip('.')}, then {plan}.", said.calls)
            seen = yield said
            said = part.send(seen)
    except StopIteration as stop:
        return stop.value


def give_up(why: str) -> Outcome:
    """Return the outcome of an exchange that ends because a call failed."""
    return Outcome(why, gave_up=True)
