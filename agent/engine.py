"""What the loop needs of an engine, and a scripted one for tests and demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent.events import Reading, Usage
from agent.transcript import Role, Transcript

Stop = Literal["end", "length", "cancelled"]


@dataclass(frozen=True)
class Delta:
    """A piece of text as it is generated."""

    text: str


@dataclass(frozen=True)
class Generated:
    """A role's finished text and what it cost. Always the last thing `Engine.generate` yields."""

    text: str
    stop: Stop
    usage: Usage


class Engine(Protocol):
    """Three roles that continue a transcript. One call at a time: an engine is one thread's."""

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated from it may take together."""
        ...

    def room(self, role: Role, transcript: Transcript) -> int:
        """Tokens left for `role` to write after reading `transcript`; negative where it does not fit."""
        ...

    def generate(
        self, role: Role, transcript: Transcript, *, cancelled: Callable[[], bool]
    ) -> Iterator[Reading | Delta | Generated]:
        """Let `role` write its turn. Raises ContextFull where the prompt does not fit."""
        ...

    def close(self) -> None:
        """Free the models. May be called twice."""
        ...


@dataclass
class ScriptedEngine:
    """Says what it is told to: a list of texts, one a generation, whatever the role. Keeps what it was shown.

    `on_generate` runs before each generation (for tests that cancel in the middle).
    """

    script: Sequence[str]
    context_length: int = 4096
    on_generate: Callable[[Role], None] | None = None
    seen: list[tuple[Role, Transcript]] = field(default_factory=list)
    closed: bool = False

    def room(self, role: Role, transcript: Transcript) -> int:
        """The context less one token a word of what the models would read."""
        from agent.prompting import segments

        return self.context_length - sum(len(piece.content.split()) + 2 for piece in segments(transcript))

    def generate(
        self, role: Role, transcript: Transcript, *, cancelled: Callable[[], bool]
    ) -> Iterator[Reading | Delta | Generated]:
        """Yield the next text of the script word by word; stops between words when cancelled."""
        if self.on_generate:
            self.on_generate(role)
        if len(self.seen) >= len(self.script):
            raise AssertionError(f"the script has no text for generation {len(self.seen) + 1} ({role})")
        text = self.script[len(self.seen)]
        self.seen.append((role, transcript))
        yield Reading(role, 1, 1)
        said = ""
        for word in text.split(" "):
            if cancelled():
                yield Generated(said, "cancelled", Usage(1, 0, len(said.split())))
                return
            piece = word if not said else f" {word}"
            said += piece
            yield Delta(piece)
        yield Generated(said, "end", Usage(1, 0, len(said.split())))

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
