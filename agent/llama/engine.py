"""The engine on llama.cpp: three roles that continue one transcript, in every layout of a bundle.

Roles that name the same model share it and its context, which keeps what it has read; only what a prompt adds
is decoded. In the shared layout a role's adapter applies from its header on: everything before it is the
backbone's and serves all roles, and what a role wrote is read by the backbone before the next role starts.

How a model and its roles are set up is in `agent.llama.session`, how a turn is generated in
`agent.llama.generation` and `agent.llama.stock_turns`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.engine import Choice, Delta, Generated
from agent.errors import EngineError
from agent.events import Reading, Usage
from agent.llama.binding.memory_estimate import require_room
from agent.llama.generation import Generation
from agent.llama.gguf.header import forget_headers
from agent.llama.grammar.calls import Kinds
from agent.llama.prompt_cache import PromptCache
from agent.llama.sampling import ForcedDecoding
from agent.llama.session import ModelSession
from agent.llama.stock_turns import stock_turn
from agent.llama.timing import timed
from agent.llama.tool_choice import ToolChoice
from agent.templates.program import start_worker
from agent.transcript import ROLES, Role, Transcript


class LlamaEngine:
    """Runs a bundle. One generation at a time: a second one, from another thread, waits for the first."""

    def __init__(
        self,
        bundle: Bundle,
        settings: EngineSettings | None = None,
        roles: Sequence[Role] = ROLES,
        *,
        kinds: Mapping[str, Kinds] | None = None,
    ) -> None:
        """Load the models of the bundle's `roles`, mapped into memory.

        `kinds` say what the arguments of the tools called so are made of; the caller is held to it.

        Raise BundleError where a model is damaged or an adapter does not fit it, EngineError where memory
        does not suffice.
        """
        self.bundle = bundle
        self.settings = settings or EngineSettings()
        self._lock = threading.Lock()
        self._owner: int | None = None
        """The identifier of the thread that is generating."""
        self._waiting: set[int] = set()
        """The threads that wait for the models, for which reading ahead stops."""
        self._sessions: dict[str, ModelSession] = {}
        """By the name of the model file."""
        require_room(bundle, roles, self.settings)
        if bundle.dialect == "chat":
            start_worker()  # it takes 0.2 s, beside the loading of the model
        prompt_cache = PromptCache() if self.settings.disk else None
        session_settings, cost = self.settings, None
        try:
            for role in roles:
                file = bundle.roles[role].file
                if file not in self._sessions:
                    together: list[Role] = [other for other in roles if bundle.roles[other].file == file]
                    session = ModelSession(bundle, together, session_settings, prompt_cache, kinds, cost)
                    self._sessions[file] = session
                    # What was measured of the first model serves all.
                    session_settings = replace(session_settings, threads=session.threads)
                    cost = session.decode_cost
        except BaseException:
            self.close()
            raise
        finally:
            forget_headers()

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated after it may take together."""
        return self.bundle.context_length

    @property
    def grounded_answers(self) -> bool:
        """Whether the bundle's summarizer is grounded."""
        return self.bundle.roles["summarizer"].grounded

    @property
    def least_margins(self) -> Mapping[str, float]:
        """The least margins of the bundle's calls, in nats by tool."""
        return self.bundle.least_margins

    @property
    def threads(self) -> int:
        """The number of threads that llama.cpp computes with."""
        return next(iter(self._sessions.values())).threads

    def room(self, role: Role, transcript: Transcript) -> int:
        """Return the tokens left for `role` to generate; `generate` needs at least RESERVE.

        The prompt is kept, so that `generate` of the same transcript does not render it again.
        """
        return self.context_length - len(self._session(role).prompt(role, transcript).ids)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens an answer takes."""
        return len(self._session("summarizer").vocabulary.tokenize(text, False))

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
        forced: ForcedDecoding | None = None,
        likely: str = "",
    ) -> Iterator[Reading | Delta | Generated]:
        """Generate the turn of `role`: Reading while its prompt is read, Delta for its text, then Generated.

        With `forced`, that text is generated instead, at the cost it would have; a stock model writes its own
        calls in any case, and makes no other choice than before. What the model writes of the text `likely`
        is verified in few decodes; it changes nothing of what is written.

        Raise ContextFullError where the prompt and RESERVE do not fit, InputError where a tool's schema is
        unusable, EngineError where llama.cpp fails or this thread has not finished its last generation.
        """
        self._require_no_generation()
        with self._wanting():
            while not self._lock.acquire(timeout=0.05):
                if cancelled():
                    yield Generated("", "cancelled", Usage())
                    return
        self._owner = threading.get_ident()
        try:
            session = self._session(role)
            generation = Generation(
                self.bundle,
                self.settings,
                session,
                role,
                transcript,
                cancelled,
                forced,
                instead_of,
                brief,
                likely,
            )
            yield from timed(
                stock_turn(generation, session.stock) if session.stock else generation.run(),
                session.context.stopwatch,
                session.grammar,
                session.rendering.take(),
            )
        finally:
            self._owner = None
            self._lock.release()

    def read_ahead(self, transcript: Transcript, *, cancelled: Callable[[], bool]) -> bool:
        """Read what the roles' prompts of `transcript` begin with, up to the first role's header.

        Return whether all of it is in the contexts now. It is stopped, in the middle of a decode too, where
        `cancelled` becomes true or a generation waits; where one runs, nothing is read.
        """
        if self._owner == threading.get_ident() or not self._lock.acquire(blocking=False):
            return False
        try:
            return all(
                session.read_ahead(role, transcript, lambda: cancelled() or bool(self._waiting))
                for role, session in self._first_roles()
            )
        finally:
            self._lock.release()

    def save_state(self, transcript: Transcript) -> None:
        """Keep on disk what the contexts hold of a conversation; a later process need not read that again.

        It waits for another thread's generation, and stops reading ahead. Raise EngineError where this thread
        has not finished its last generation.
        """
        self._require_no_generation()
        with self._wanting(), self._lock:
            for role, session in self._first_roles():
                session.save_state(role, transcript)

    def logits(
        self, role: Role, transcript: Transcript, tokens: Sequence[int], *, at_once: bool
    ) -> NDArray[np.float32]:
        """Return the logits after the prompt of `role` and after each of `tokens` that follow it.

        Float32, shape (tokens + 1, vocabulary). The tokens are decoded `at_once` or one by one, which makes a
        small difference; at once they are at most a batch.
        """
        with self._wanting(), self._lock:
            return self._session(role).token_logits(role, transcript, tokens, at_once=at_once)

    def end_token(self, role: Role) -> int:
        """Return the token that ends a turn of `role`."""
        return self._session(role).end_token

    def _require_no_generation(self) -> None:
        """Raise EngineError where this thread generates, for it would wait for itself."""
        if self._owner == threading.get_ident():
            raise EngineError("this thread has not finished its last generation", "finish or close it")

    @contextmanager
    def _wanting(self) -> Iterator[None]:
        """Stop reading ahead for as long as this thread waits for the models."""
        self._waiting.add(threading.get_ident())
        try:
            yield
        finally:
            self._waiting.discard(threading.get_ident())

    def _first_roles(self) -> Iterator[tuple[Role, ModelSession]]:
        """Yield each session with the first of the roles that use it."""
        seen: set[str] = set()
        for role in ROLES:
            file = self.bundle.roles[role].file
            if file in self._sessions and file not in seen:
                seen.add(file)
                yield role, self._sessions[file]

    def tool_choice(self, transcript: Transcript) -> ToolChoice:
        """Return the tool that a stock model would call after `transcript`, and the score of calling one."""
        session = self._session("planner")
        if session.stock is None:
            raise EngineError(f"{self.bundle.name} has a planner of its own, which scores no tools")
        with self._lock:
            choice = session.stock.choose(transcript, session.prompt("planner", transcript), lambda: False)
        assert choice is not None, "nothing cancels it"
        return choice

    @property
    def warnings(self) -> list[str]:
        """What is to be known about a stock model's chat template, one line each."""
        stock = self._session("planner").stock
        return stock.warnings if stock else []

    def close(self) -> None:
        """Free the models, after another thread's generation has ended. May be called twice."""
        owned = self._owner == threading.get_ident()
        if not owned:
            with self._wanting():
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
