"""The generation of one turn on a model session: its prompt is read, then the turn is written.

The decoding of the turn itself is in `agent.llama.decoding`; a stock model's turns are in
`agent.llama.stock_turns`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.engine import Choice, Delta, Generated
from agent.errors import ContextFullError
from agent.events import Reading, Usage
from agent.llama.binding.context import BATCH
from agent.llama.decoding import TurnDecoder
from agent.llama.drafting.likely_turn import LikelyTurn
from agent.llama.grammar.constraints import Constraint
from agent.llama.sampling import ForcedDecoding
from agent.llama.session import ModelSession
from agent.prompting.dialects import Prompt
from agent.transcript import Role, Transcript

RESERVE = 48
"""Tokens that must be free after a prompt: fewer hold neither a call nor an answer."""


@dataclass(frozen=True)
class Generation:
    """The generation of the turn of `role` after `transcript`; where `forced`, that text is generated.

    `instead_of` and `brief` are as in `agent.engine.Engine`; `likely` is a text that the turn probably is.
    """

    bundle: Bundle
    settings: EngineSettings
    session: ModelSession
    role: Role
    transcript: Transcript
    cancelled: Callable[[], bool]
    forced: ForcedDecoding | None = None
    instead_of: Choice | None = None
    brief: bool = False
    likely: str = ""

    def run(self) -> Generator[Reading | Delta | Generated]:
        """Read the prompt and write the turn under the role's constraint. Raise as `write` does."""
        prompt = self.session.prompt(self.role, self.transcript)
        self.require_room(prompt)
        grounded = self.bundle.roles[self.role].grounded
        constraint = self.session.constraints.start(
            self.role, self.transcript, grounded=grounded, brief=self.brief
        )
        yield from self.write(prompt, constraint)

    def require_room(self, prompt: Prompt) -> None:
        """Raise ContextFullError where `prompt` leaves fewer than RESERVE tokens."""
        if len(prompt.ids) + RESERVE > self.bundle.context_length:
            raise ContextFullError(len(prompt.ids) + RESERVE, self.bundle.context_length)

    def write(self, prompt: Prompt, constraint: Constraint) -> Iterator[Reading | Delta | Generated]:
        """Read `prompt` and write a turn under `constraint`. Raise EngineError where llama.cpp fails."""
        session, forced = self.session, self.forced
        sampling = self.bundle.roles[self.role].sampling
        room = self.bundle.context_length - len(prompt.ids)
        following = session.following if self.role == "planner" else None
        if following and sampling.max_tokens + len(following.ids) > room:
            following = None
        speculate = (
            self.settings.speculate and session.can_truncate and (forced is None or forced.jump_forward)
        )
        decoder = TurnDecoder(
            session.context,
            session.vocabulary,
            constraint,
            sampling,
            end_token=session.end_token,
            limit=min(sampling.max_tokens, room),
            drafter=session.drafter(self.role, self.transcript, prompt) if speculate else None,
            likely=LikelyTurn(session.vocabulary.tokenize(self.likely, False)) if self.likely else None,
            following=following,
            forced=forced,
            instead_of=self.instead_of,
        )
        opening = decoder.opening()
        if decoder.is_forced:
            yield Reading(self.role, 0, 0)
            yield from decoder.run(Usage(), self.cancelled)
            return
        if session.has_read(prompt) and not opening:  # with the turn before
            yield Reading(self.role, 0, 0)
            yield from decoder.run(Usage(0, len(prompt.ids)), self.cancelled)
            return
        usage = yield from self.read(prompt, decoder, opening)
        if usage is not None:
            yield from decoder.run(usage, self.cancelled)

    def read(
        self, prompt: Prompt, decoder: TurnDecoder | None = None, opening: Sequence[int] = ()
    ) -> Generator[Reading | Generated, None, Usage | None]:
        """Read `prompt`, and with its last chunk the opening of the turn and a draft; return what that cost.

        Return None, after a last event, where cancelled.
        """
        reader, role = self.session.reader, self.role
        reused = reader.reuse(prompt)
        total, done, seconds = len(prompt.ids) - reused, 0, 0.0
        yield Reading(role, 0, total)
        for chunk in reader.chunks(role, prompt, reused, BATCH):
            started = perf_counter()
            size = len(chunk.ids)
            if decoder is not None and done + size == total:
                ids = [*chunk.ids, *opening]
                draft = decoder.opening_draft(BATCH - len(ids))
                chunk = replace(chunk, ids=ids + draft, outputs=len(draft) + 1)
            completed = not self.cancelled() and reader.read(chunk, self.cancelled)
            seconds += perf_counter() - started
            if not completed:
                yield Generated("", "cancelled", Usage(done, reused, 0, seconds))
                return None
            done += size
            yield Reading(role, done, total)
        return Usage(total, reused, 0, seconds)
