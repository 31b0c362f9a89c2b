"""The engine protocol that the loop runs on, and a scripted engine for tests and demonstrations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent.events import Reading, Usage
from agent.prompting import segments
from agent.transcript import Role, Transcript

Stop = Literal["end", "length", "cancelled"]

CHOICES = 4
"""Places of a turn at which `Engine.generate` can be asked for another choice."""


@dataclass(frozen=True)
class Delta:
    """A piece of a role's text, as it is generated."""

    text: str


@dataclass(frozen=True)
class Choice:
    """A place in a turn where the model chose `token` after `tokens`, though the grammar allowed others."""

    tokens: tuple[int, ...]
    token: int
    margin: float
    """The difference of log-probabilities, in nats, of `token` and the likeliest other that was allowed."""


@dataclass(frozen=True)
class Generated:
    """A role's whole text and what it cost; always the last event of `Engine.generate`."""

    text: str
    stop: Stop
    usage: Usage
    margin: float = math.inf
    """The least difference of log-probabilities (nats) between a token that the model chose and the likeliest
    other that the grammar allowed; infinite where it had no choice, or where tokens are drawn by chance."""
    tokens: tuple[int, ...] = ()
    """The tokens of the text, where the engine has any."""
    choices: tuple[Choice, ...] = ()
    """The places of the least margins, the least first; at most CHOICES."""


class Engine(Protocol):
    """Three roles that continue a transcript, one generation at a time.

    `room` and then `generate` of one transcript is the usual order, and should render its prompt once.
    """

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated after it may take together."""
        ...

    @property
    def grounded_answers(self) -> bool:
        """Whether answers are made of what the question and the tools say, so that they can be checked."""
        ...

    @property
    def least_margins(self) -> Mapping[str, float]:
        """The margins, in nats by tool, under which a call is in doubt (`agent.checks.calls`)."""
        ...

    def room(self, role: Role, transcript: Transcript) -> int:
        """Return the tokens left for `role` after `transcript`; negative where it does not fit."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return how many tokens an answer takes."""
        ...

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Iterator[Reading | Delta | Generated]:
        """Generate the turn of `role`. Raise ContextFullError where the prompt does not fit.

        With `instead_of`, a choice of an earlier generation after the same transcript, the turn begins with
        its tokens and goes on with the likeliest other token. With `brief`, a planner's thought is a short
        one, so that the turn reaches its ending.
        """
        ...

    def read_ahead(self, transcript: Transcript, *, cancelled: Callable[[], bool]) -> bool:
        """Read what the prompts of `transcript` begin with, while nothing else is to be done.

        Return whether all of it was read. A generation that begins in another thread stops it, and it does
        nothing while one runs.
        """
        ...

    def save_state(self, transcript: Transcript) -> None:
        """Keep on disk what was computed of a conversation, so that another process can go on with it."""
        ...

    def close(self) -> None:
        """Free the models. May be called twice."""
        ...


@dataclass
class ScriptedEngine:
    """Generates the texts of a list, one per generation, whatever the role."""

    script: Sequence[str]
    context_length: int = 4096
    grounded_answers: bool = False
    least_margins: Mapping[str, float] = field(default_factory=dict)
    margin: float = math.inf
    """Of each generation."""
    choices: tuple[Choice, ...] = ()
    """Of each generation."""
    on_generate: Callable[[Role], None] | None = None
    """Called with the role before each generation."""
    seen: list[tuple[Role, Transcript]] = field(default_factory=list)
    """The role and transcript of each generation so far."""
    reconsidered: list[Choice | None] = field(default_factory=list)
    """The choice in whose place each generation so far was made."""
    briefly: list[bool] = field(default_factory=list)
    """Whether each generation so far was to be brief."""
    read: list[Transcript] = field(default_factory=list)
    """What was read ahead so far."""
    saved: list[Transcript] = field(default_factory=list)
    """What was to be kept on disk so far."""
    closed: bool = False

    def room(self, role: Role, transcript: Transcript) -> int:
        """Return the context length less the words of the transcript and two tokens for each turn."""
        return self.context_length - sum(len(turn.content.split()) + 2 for turn in segments(transcript))

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Iterator[Reading | Delta | Generated]:
        """Yield the next text of the script word by word; stop between words when cancelled."""
        if self.on_generate:
            self.on_generate(role)
        if len(self.seen) >= len(self.script):
            raise AssertionError(f"the script has no text for generation {len(self.seen) + 1} ({role})")
        text = self.script[len(self.seen)]
        self.seen.append((role, transcript))
        self.reconsidered.append(instead_of)
        self.briefly.append(brief)
        yield Reading(role, 1, 1)
        generated = ""
        for word in text.split(" "):
            if cancelled():
                yield Generated(generated, "cancelled", Usage(1, 0, len(generated.split())))
                return
            piece = word if not generated else f" {word}"
            generated += piece
            yield Delta(piece)
        usage = Usage(1, 0, len(generated.split()))
        yield Generated(generated, "end", usage, self.margin, choices=self.choices)

    def read_ahead(self, transcript: Transcript, *, cancelled: Callable[[], bool]) -> bool:
        """Record the transcript."""
        self.read.append(transcript)
        return not cancelled()

    def save_state(self, transcript: Transcript) -> None:
        """Record the transcript."""
        self.saved.append(transcript)

    def close(self) -> None:
        """Record that it was closed."""
        self.closed = True
