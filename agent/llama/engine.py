"""The engine on llama.cpp: three roles that continue one transcript, in every layout of a bundle.

Roles that name the same model share it and its context, which keeps what it has read; only what a prompt adds
is decoded. In the shared layout a role's adapter applies from its header on: everything before it is the
backbone's and serves all roles, and what a role wrote is read by the backbone before the next role starts.

How a model and its roles are set up is in `agent.llama.session`, how a turn is generated in
`agent.llama.decoding`.
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
from agent.llama.binding.context import BATCH
from agent.llama.binding.memory_estimate import require_room
from agent.llama.decoding import ForcedDecoding, TurnDecoder
from agent.llama.prompt_cache import PromptCache
from agent.llama.prompt_lookup import PromptLookup
from agent.llama.session import ModelSession
from agent.settings import EngineSettings
from agent.transcript import ROLES, Role, Transcript

RESERVE = 48
"""Tokens that must be free after a prompt: fewer hold neither a call nor an answer."""
LOOKUP_ROLES: frozenset[Role] = frozenset({"summarizer"})
"""The roles for which prompt lookup pays. On two cores, the shipped summarizer writes 1.03 times as fast with
it alone and 1.7 times on a busy machine; the caller 0.95 and 1.35 times, so it does without."""


class LlamaEngine:
    """Runs a bundle. One generation at a time: a second one, from another thread, waits for the first."""

    def __init__(
        self, bundle: Bundle, settings: EngineSettings | None = None, roles: Sequence[Role] = ROLES
    ) -> None:
        """Load the models of the bundle's `roles`, mapped into memory.

        Raise BundleError where a model is damaged or an adapter does not fit it, EngineError where memory
        does not suffice.
        """
        self.bundle = bundle
        self.settings = settings or EngineSettings()
        self._lock = threading.Lock()
        self._owner: int | None = None
        """The identifier of the thread that is generating."""
        self._sessions: dict[str, ModelSession] = {}
        """By the name of the model file."""
        require_room(bundle, roles, self.settings)
        prompt_cache = PromptCache() if self.settings.disk else None
        session_settings = self.settings
        try:
            for role in roles:
                file = bundle.roles[role].file
                if file not in self._sessions:
                    together: list[Role] = [other for other in roles if bundle.roles[other].file == file]
                    session = ModelSession(bundle, together, session_settings, prompt_cache)
                    self._sessions[file] = session
                    # The thread count that was measured for the first model serves all.
                    session_settings = replace(session_settings, threads=session.threads)
        except BaseException:
            self.close()
            raise

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated after it may take together."""
        return self.bundle.context_length

    @property
    def threads(self) -> int:
        """The number of threads that llama.cpp computes with."""
        return next(iter(self._sessions.values())).threads

    def room(self, role: Role, transcript: Transcript) -> int:
        """Return the tokens left for `role` to generate; `generate` needs at least RESERVE.

        The prompt is kept, so that `generate` of the same transcript does not render it again.
        """
        return self.context_length - len(self._session(role).prompt(role, transcript).ids)

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        forced: ForcedDecoding | None = None,
    ) -> Iterator[Reading | Delta | Generated]:
        """Generate the turn of `role`: Reading while its prompt is read, Delta for its text, then Generated.

        With `forced`, that text is generated instead, at the cost it would have.

        Raise ContextFull where the prompt and RESERVE do not fit, InputError where a tool's schema is
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
            yield from self._generate(role, transcript, cancelled, forced)
        finally:
            self._owner = None
            self._lock.release()

    def close(self) -> None:
        """Free the models, after another thread's generation has ended. May be called twice."""
        owned = self._owner == threading.get_ident()
        if not owned:
            self._lock.acquire()
        try:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
        finally:
            if not owned:
                self._lock.release()

    def _session(self, role: Role) -> ModelSession:
        if not self._sessions:
            raise EngineError("the engine is closed")
        return self._sessions[self.bundle.roles[role].file]

    def _generate(
        self, role: Role, transcript: Transcript, cancelled: Callable[[], bool], forced: ForcedDecoding | None
    ) -> Iterator[Reading | Delta | Generated]:
        session, role_file = self._session(role), self.bundle.roles[role]
        prompt = session.prompt(role, transcript)
        ids = prompt.ids
        if len(ids) + RESERVE > self.context_length:
            raise ContextFull(len(ids) + RESERVE, self.context_length)
        constraint = session.constraints.start(role, transcript, grounded=role_file.grounded)
        speculate = (
            self.settings.speculate and session.can_truncate and (forced is None or forced.jump_forward)
        )
        decoder = TurnDecoder(
            session.context,
            session.vocabulary,
            constraint,
            role_file.sampling,
            end_token=session.end_token,
            limit=min(role_file.sampling.max_tokens, self.context_length - len(ids)),
            speculate=speculate,
            lookup=PromptLookup(ids) if speculate and role in LOOKUP_ROLES else None,
            forced=forced,
        )
        reused = session.reuse(prompt)
        total, done, seconds = len(ids) - reused, 0, 0.0
        yield Reading(role, 0, total)
        for chunk in session.chunks(role, prompt, reused, BATCH):
            started = perf_counter()
            size = len(chunk.ids)
            if done + size == total:
                chunk = replace(chunk, ids=chunk.ids + decoder.opening())
            completed = not cancelled() and session.read(chunk, cancelled)
            seconds += perf_counter() - started
            if not completed:
                yield Generated("", "cancelled", Usage(done, reused, 0, seconds))
                return
            done += size
            yield Reading(role, done, total)
        yield from decoder.run(Usage(total, reused, 0, seconds), cancelled)
