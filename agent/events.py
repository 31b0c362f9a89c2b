"""The events that `Agent.run` yields: one closed union of frozen dataclasses, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from agent.transcript import Next, Role

Reason = Literal["answered", "gave_up", "failed", "unsure", "step_limit", "cancelled", "error"]
"""How a turn ended.

`gave_up`: no tool fits. `failed`: a call of the last step that called tools ended in an error, whichever role
tells of it. `unsure`: a call was in doubt and nobody was there to confirm it. `error`: umi or llama.cpp
failed.
"""


@dataclass(frozen=True)
class Usage:
    """What one role cost in a turn: tokens evaluated, reused from the cache and generated, and seconds."""

    prompt_evaluated: int = 0
    prompt_reused: int = 0
    generated: int = 0
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    decodes: int = 0
    """Calls of llama.cpp that computed logits for generated tokens, the end of the prompt among them."""
    drafted: int = 0
    """Tokens that were guessed and verified."""
    accepted: int = 0
    """Guessed tokens that the model chose too."""
    seconds: float = 0.0
    """All that the engine took, the rendering of the prompt and the making of the grammar included."""
    model_seconds: float = 0.0
    """Of `seconds`, those in llama.cpp, or of waiting for a server."""
    grammar_seconds: float = 0.0
    """Of `seconds`, those in grammars: their compilation, masks, and what they force."""

    @property
    def python_seconds(self) -> float:
        """Of `seconds`, those in Python."""
        return max(0.0, self.seconds - self.model_seconds - self.grammar_seconds)

    @property
    def tokens_per_decode(self) -> float:
        """Generated tokens for each decode; 0.0 where nothing was decoded."""
        return self.generated / self.decodes if self.decodes else 0.0

    @property
    def accepted_per_decode(self) -> float:
        """Guessed tokens that the model chose too, for each decode; 0.0 where nothing was decoded."""
        return self.accepted / self.decodes if self.decodes else 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Usage)))


@dataclass(frozen=True)
class Reading:
    """A role is reading its prompt: `done` of `total` tokens that are not in the cache."""

    role: Role
    done: int
    total: int


@dataclass(frozen=True)
class Thought:
    """The planner's thought at a step, counted from 1, and the role that it hands over to."""

    step: int
    text: str
    next: Next


@dataclass(frozen=True)
class CallProposed:
    """A call before it runs; `index` counts the calls of the step from 0.

    Where a person changed a call, it is proposed a second time with the same step and index.
    """

    step: int
    index: int
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Observation:
    """The result of a call, or why it failed."""

    step: int
    index: int
    name: str
    ok: bool
    content: str


@dataclass(frozen=True)
class Trimmed:
    """To make room, `dropped` turns were dropped (the oldest) or halved (the longest observations).

    `questions` are those that the models see no more, nor what followed on each, oldest first. `rest` is how
    many of the turns were not theirs: older steps of the question at hand, and observations that were halved.
    """

    dropped: int
    questions: tuple[str, ...] = ()
    rest: int = 0


@dataclass(frozen=True)
class Mentioned:
    """The question names files without their paths, and the models see it with `paths` behind it.

    See `agent.mentions`. It comes before the first thought.
    """

    paths: tuple[str, ...]


@dataclass(frozen=True)
class AnswerDelta:
    """A piece of the answer, as it is generated."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The end of the turn.

    `answer` is the answer, the reason for giving up, the call that was in doubt, or the error; else empty.
    """

    reason: Reason
    answer: str
    stats: Mapping[Role, Usage] = field(default_factory=dict)
    unsupported: str = ""
    """What of the answer neither the question nor a tool supports, and what the tools said, to be shown under
    it. Empty where no rule speaks, and for answers that show only what is supported."""


Event = Reading | Mentioned | Thought | CallProposed | Observation | Trimmed | AnswerDelta | Finished

_EVENT_NAMES: dict[type, str] = {
    Reading: "reading",
    Mentioned: "mentioned",
    Thought: "thought",
    CallProposed: "call",
    Observation: "observation",
    Trimmed: "trimmed",
    AnswerDelta: "answer",
    Finished: "finished",
}
_EVENTS = {name: kind for kind, name in _EVENT_NAMES.items()}


def event_to_json(event: Event) -> dict[str, Any]:
    """Return an event as the object that `umi ask --json` prints on a line."""
    return {"event": _EVENT_NAMES[type(event)], **asdict(event)}


def event_from_json(value: Mapping[str, Any]) -> Event:
    """Return the event in an object that `event_to_json` returned.

    Raise KeyError for an unknown name, TypeError for a field that is missing or unknown.
    """
    fields = {name: field for name, field in value.items() if name != "event"}
    for name in ("questions", "paths"):
        if name in fields:
            fields[name] = tuple(fields[name])
    if "stats" in fields:
        fields["stats"] = {role: Usage(**usage) for role, usage in fields["stats"].items()}
    return _EVENTS[value["event"]](**fields)
