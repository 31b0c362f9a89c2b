"""The engine on llama.cpp: three roles that continue one transcript, in every layout of a bundle.

Roles that name the same model share it and its context, which keeps what it has read; only what a prompt adds
is read. In the shared layout a role's adapter begins at its header: what stands before is the backbone's and
serves all roles, and what a role wrote is read once more by the backbone when the next one starts.

How a model and its roles are set up is in `agent.llama.session`, how a turn is written in `agent.llama.decoding`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import perf_counter

from agent.bundle import Bundle
from agent.engine import Delta, Generated
from agent.errors import ContextFull, EngineError
from agent.events import Reading, Usage
from agent.llama.context import BATCH
from agent.llama.decoding import TurnDecoder
from agent.llama.forced_decoding import ForcedDecoding
from agent.llama.memory_estimate import require_room
from agent.llama.prompt_cache import PromptCache
from agent.llama.prompt_lookup import PromptLookup
from agent.llama.session import ModelSession
from agent.settings import EngineSettings
from agent.transcript import ROLES, Role, Transcript

RESERVE = 48
"""Tokens that must be free after a prompt: less holds neither a call nor an answer."""
COPYISTS: frozenset[Role] = frozenset({"summarizer"})
"""The roles for which guessing pays. On two cores, the shipped summarizer writes 1.03 times as fast with it
alone and 1.7 times on a busy machine; the caller 0.95 and 1.35 times, so it does without."""


class LlamaEngine:
    """Runs a bundle. One generation at a time: a second one, from another thread, waits its turn."""

    def __init__(
        self, bundle: Bundle, settings: EngineSettings | None = None, roles: Sequence[Role] = ROLES
    ) -> None:
        """Load the models of the bundle's `roles`, mapped into memory.

        Raises BundleError where a model is damaged or an adapter does not fit it, EngineError where memory
        does not suffice.
        """
        self.bundle = bundle
        self.settings = settings or EngineSettings()
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._voices: dict[str, ModelSession] = {}
        require_room(bundle, roles, self.settings)
        states = PromptCache() if self.settings.disk else None
        shared = self.settings
        try:
            for role in roles:
                file = bundle.roles[role].file
                if file not in self._voices:
                    together: list[Role] = [other for other in roles if bundle.roles[other].file == file]
                    voice = self._voices[file] = ModelSession(bundle, together, shared, states)
                    shared = replace(shared, threads=voice.threads)  # what was measured serves them all
        except BaseException:
            self.close()
            raise

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated from it may take together."""
        return self.bundle.context_length

    @property
    def threads(self) -> int:
        """Threads that llama.cpp computes with."""
        return next(iter(self._voices.values())).threads

    def room(self, role: Role, transcript: Transcript) -> int:
        """Tokens left for `role` to write after reading `transcript`; `generate` wants at least RESERVE."""
        return self.context_length - len(self._voice(role).prompt(role, transcript).ids)

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        replay: ForcedDecoding | None = None,
    ) -> Iterator[Reading | Delta | Generated]:
        """Let `role` write its turn: Reading while it reads, Delta as it writes, Generated at the end.

        With `replay`, what it writes is known and the model only does the work.

        Raises ContextFull where the prompt and RESERVE do not fit, InputError where a tool's schema is
        unusable, EngineError where llama.cpp fails or this thread has not finished its last generation.
        """
        if self._owner == threading.get_ident():
            raise EngineError("a generation was started inside another", "finish or close the first one")
        while not self._lock.acquire(timeout=0.05):
            if cancelled():
                yield Generated("", "cancelled", Usage())
                return
        self._owner = threading.get_ident()
        try:
            yield from self._generate(role, transcript, cancelled, replay)
        finally:
            self._owner = None
            self._lock.release()

    def close(self) -> None:
        """Free the models, after another thread's generation has ended. May be called twice."""
        mine = self._owner == threading.get_ident()
        if not mine:
            self._lock.acquire()
        try:
            for voice in self._voices.values():
                voice.close()
            self._voices.clear()
        finally:
            if not mine:
                self._lock.release()

    def _voice(self, role: Role) -> ModelSession:
        if not self._voices:
            raise EngineError("the engine is closed")
        return self._voices[self.bundle.roles[role].file]

    def _generate(
        self, role: Role, transcript: Transcript, cancelled: Callable[[], bool], replay: ForcedDecoding | None
    ) -> Iterator[Reading | Delta | Generated]:
        voice, settings = self._voice(role), self.bundle.roles[role]
        prompt = voice.prompt(role, transcript)
        ids = prompt.ids
        if len(ids) + RESERVE > self.context_length:
            raise ContextFull(len(ids) + RESERVE, self.context_length)
        constraint = voice.constraints.start(role, transcript, grounded=settings.grounded)
        guess = self.settings.speculate and voice.can_cut and (replay is None or replay.jump)
        writer = TurnDecoder(
            voice.context,
            voice.vocabulary,
            constraint,
            settings.sampling,
            end=voice.end,
            limit=min(settings.sampling.max_tokens, self.context_length - len(ids)),
            guess=guess,
            lookup=PromptLookup(ids) if guess and role in COPYISTS else None,
            choose=replay.choose(voice.vocabulary, voice.end) if replay else None,
            jump=replay.jump if replay else True,
        )
        reused = voice.resume(prompt)
        total, done, seconds = len(ids) - reused, 0, 0.0
        yield Reading(role, 0, total)
        for part in voice.parts(role, prompt, reused, BATCH):
            started = perf_counter()
            size = len(part.ids)
            if done + size == total:
                part = replace(part, ids=part.ids + writer.opening())
            whole = not cancelled() and voice.read(part, cancelled)
            seconds += perf_counter() - started
            if not whole:
                yield Generated("", "cancelled", Usage(done, reused, 0, seconds))
                return
            done += size
            yield Reading(role, done, total)
        yield from writer.run(Usage(total, reused, 0, seconds), cancelled)
