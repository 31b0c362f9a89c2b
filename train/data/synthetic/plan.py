"""How an intent is written down: a generator that asks, yields steps, is sent observations, and ends.

    @intent("calculate", topic="arithmetic")
    def percent_of(d, world):
        ...
        seen = yield Step("I will work this out with {tool}.", Use("calculate", expression=...))
        return End(answer=..., expects=(...,))

`Ask` comes first. Tools go by their built-in names; the runner translates them to the names on offer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from agent.transcript import ToolTurn
from train.data.synthetic.draw import Draw
from train.data.synthetic.world import World

READY = "I have what I need to answer."


@dataclass(frozen=True)
class Ask:
    """The person's words."""

    text: str


@dataclass(frozen=True)
class Use:
    """A call by built-in tool and parameter names; `seen` is the observation where it is not run for real."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    seen: str | None = None
    error: bool = False


@dataclass(frozen=True)
class Step:
    """A thought (`{tool}` stands for the first call's name on offer) and the calls that follow it."""

    thought: str
    calls: tuple[Use, ...]


@dataclass(frozen=True)
class End:
    """The answer (with `gave_up` the planner's last thought), and what a right answer must hold."""

    answer: str
    expects: tuple[str, ...] = ()
    gave_up: bool = False
    thought: str = READY


Script = Generator[Ask | Step, list[ToolTurn], End]


@dataclass(frozen=True)
class Intent:
    """A kind of request: the built-in tools it needs, what it is about, and how often it is drawn."""

    name: str
    needs: tuple[str, ...]
    topic: str
    weight: float
    script: Callable[[Draw, World], Script]


INTENTS: dict[str, Intent] = {}


def intent(
    *needs: str, topic: str, weight: float = 1.0
) -> Callable[[Callable[[Draw, World], Script]], Callable[[Draw, World], Script]]:
    """Register a script under its function's name."""

    def wrap(script: Callable[[Draw, World], Script]) -> Callable[[Draw, World], Script]:
        name = script.__name__
        INTENTS[name] = Intent(name, needs, topic, weight, script)
        return script

    return wrap


def step(thought: str, tool: str, **arguments: Any) -> Step:
    """A step of one call that is run for real."""
    return Step(thought, (Use(tool, arguments),))


def failed(turn: ToolTurn, why: str) -> End:
    """Giving up because a call failed for good."""
    return End(why, gave_up=True)
