"""The engine on llama.cpp: three roles that continue one transcript, in every layout of a bundle.

Roles that name the same model share it and its context, which keeps what it has read; only what a prompt adds
is decoded. In the shared layout a role's adapter applies from its header on: everything before it is the
backbone's and serves all roles, and what a role wrote is read by the backbone before the next role starts.

How a model and its roles are set up is in `agent.llama.session`, how a turn is generated in
`agent.llama.decoding`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.engine import Delta, Generated
from agent.errors import ContextFull, EngineError
from agent.events import Reading, Usage
from agent.llama.binding.context import BATCH
from agent.llama.binding.memory_estimate import require_room
from agent.llama.decoding import ForcedDecoding, TurnDecoder
from agent.llama.gguf.header import forget_headers
from agent.llama.grammar.calls import NO_TOOLS, Kinds
from agent.llama.grammar.constraints import Constraint
from agent.llama.prompt_cache import PromptCache
from agent.llama.session import ModelSession
from agent.llama.stock import StockModel
from agent.llama.timing import timed
from agent.llama.tool_choice import ToolChoice
from agent.prompting.dialects import Prompt
from agent.templates.program import start_worker
from agent.transcript import ROLES, Call, Role, Transcript, planner_text

RESERVE = 48
"""Tokens that must be free after a prompt: fewer hold neither a call nor an answer."""


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
        session_settings = self.settings
        try:
            for role in roles:
                file = bundle.roles[role].file
                if file not in self._sessions:
                    together: list[Role] = [other for other in roles if bundle.roles[other].file == file]
                    session = ModelSession(bundle, together, session_settings, prompt_cache, kinds)
                    self._sessions[file] = session
                    # The thread count that was measured for the first model serves all.
                    session_settings = replace(session_settings, threads=session.threads)
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
        forced: ForcedDecoding | None = None,
    ) -> Iterator[Reading | Delta | Generated]:
        """Generate the turn of `role`: Reading while its prompt is read, Delta for its text, then Generated.

        With `forced`, that text is generated instead, at the cost it would have; a stock model writes its own
        calls in any case.

        Raise ContextFull where the prompt and RESERVE do not fit, InputError where a tool's schema is
        unusable, EngineError where llama.cpp fails or this thread has not finished its last generation.
        """
        if self._owner == threading.get_ident():
            raise EngineError("a generation was started inside another", "finish or close the first one")
        with self._wanting():
            while not self._lock.acquire(timeout=0.05):
                if cancelled():
                    yield Generated("", "cancelled", Usage())
                    return
        self._owner = threading.get_ident()
        try:
            session = self._session(role)
            yield from timed(
                self._generate(session, role, transcript, cancelled, forced),
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

    def _generate(
        self,
        session: ModelSession,
        role: Role,
        transcript: Transcript,
        cancelled: Callable[[], bool],
        forced: ForcedDecoding | None,
    ) -> Generator[Reading | Delta | Generated]:
        prompt = session.prompt(role, transcript)
        self._check_room(prompt)
        if session.stock is None:
            grounded = self.bundle.roles[role].grounded
            constraint = session.constraints.start(role, transcript, grounded=grounded)
            yield from self._write(session, role, transcript, prompt, constraint, cancelled, forced)
        elif role == "planner":
            yield from self._plan(session, session.stock, transcript, prompt, cancelled)
        elif role == "caller":
            yield from self._call(session, session.stock, transcript, prompt, cancelled)
        else:
            constraint = session.constraints.start_answer(session.stock.markup)
            yield from self._write(session, role, transcript, prompt, constraint, cancelled, forced)

    def _check_room(self, prompt: Prompt) -> None:
        if len(prompt.ids) + RESERVE > self.context_length:
            raise ContextFull(len(prompt.ids) + RESERVE, self.context_length)

    def _write(
        self,
        session: ModelSession,
        role: Role,
        transcript: Transcript,
        prompt: Prompt,
        constraint: Constraint,
        cancelled: Callable[[], bool],
        forced: ForcedDecoding | None = None,
    ) -> Iterator[Reading | Delta | Generated]:
        """Read `prompt` and generate a turn under `constraint`."""
        ids, sampling = prompt.ids, self.bundle.roles[role].sampling
        speculate = (
            self.settings.speculate and session.can_truncate and (forced is None or forced.jump_forward)
        )
        decoder = TurnDecoder(
            session.context,
            session.vocabulary,
            constraint,
            sampling,
            end_token=session.end_token,
            limit=min(sampling.max_tokens, self.context_length - len(ids)),
            drafter=session.drafter(role, transcript, prompt) if speculate else None,
            forced=forced,
        )
        opening = decoder.opening()
        if decoder.is_forced:
            yield Reading(role, 0, 0)
            yield from decoder.run(Usage(), cancelled)
            return
        usage = yield from self._read(session, role, prompt, cancelled, decoder, opening)
        if usage is not None:
            yield from decoder.run(usage, cancelled)

    def _read(
        self,
        session: ModelSession,
        role: Role,
        prompt: Prompt,
        cancelled: Callable[[], bool],
        decoder: TurnDecoder | None = None,
        opening: Sequence[int] = (),
    ) -> Generator[Reading | Generated, None, Usage | None]:
        """Read `prompt`, and with its last chunk the opening of the turn and a draft; return what that cost.

        Return None, after a last event, where cancelled.
        """
        reused = session.reuse(prompt)
        total, done, seconds = len(prompt.ids) - reused, 0, 0.0
        yield Reading(role, 0, total)
        for chunk in session.chunks(role, prompt, reused, BATCH):
            started = perf_counter()
            size = len(chunk.ids)
            if decoder is not None and done + size == total:
                ids = [*chunk.ids, *opening]
                draft = decoder.opening_draft(BATCH - len(ids))
                chunk = replace(chunk, ids=ids + draft, outputs=len(draft) + 1)
            completed = not cancelled() and session.read(chunk, cancelled)
            seconds += perf_counter() - started
            if not completed:
                yield Generated("", "cancelled", Usage(done, reused, 0, seconds))
                return None
            done += size
            yield Reading(role, done, total)
        return Usage(total, reused, 0, seconds)

    def _plan(
        self,
        session: ModelSession,
        stock: StockModel,
        transcript: Transcript,
        prompt: Prompt,
        cancelled: Callable[[], bool],
    ) -> Iterator[Reading | Delta | Generated]:
        """Read `prompt` and tell by its logits whether a stock model calls or answers."""
        usage = yield from self._read(session, "planner", prompt, cancelled)
        if usage is None:
            return
        started = perf_counter()
        calls = bool(transcript.tools) and stock.calls(transcript, prompt, cancelled)
        usage += Usage(write_seconds=perf_counter() - started)
        if calls is None:
            yield Generated("", "cancelled", usage)
            return
        text = planner_text("", "caller" if calls else "summarizer")
        yield Delta(text)
        yield Generated(text, "end", usage)

    def _call(
        self,
        session: ModelSession,
        stock: StockModel,
        transcript: Transcript,
        prompt: Prompt,
        cancelled: Callable[[], bool],
    ) -> Iterator[Reading | Delta | Generated]:
        """Let a stock model write the arguments of a call of the tool that it prefers."""
        if not transcript.tools:
            raise EngineError(NO_TOOLS)
        before = Usage()
        if not stock.has_chosen(prompt):  # as the planner does before the caller in a conversation
            read = yield from self._read(session, "caller", prompt, cancelled)
            if read is None:
                return
            before = read
        choice = stock.choose(transcript, prompt, cancelled)
        if choice is None:
            yield Generated("", "cancelled", before)
            return
        tool = next(tool for tool in transcript.tools if tool.name == choice.name)
        prompt = stock.call_prompt(transcript, prompt, tool.name)
        self._check_room(prompt)
        constraint = session.constraints.start_arguments(tool, stock.markup)
        for piece in self._write(session, "caller", transcript, prompt, constraint, cancelled):
            match piece:
                case Reading():
                    yield piece
                case Generated(text, stop, usage):
                    line = Call(tool.name, json.loads(text)).line() if stop == "end" else ""
                    if line:
                        yield Delta(line)
                    reused = before.prompt_reused - usage.prompt_reused if before != Usage() else 0
                    yield Generated(line, stop, usage + replace(before, prompt_reused=reused))
                case Delta():  # the arguments alone are no turn
                    pass
