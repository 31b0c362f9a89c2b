"""The engine on llama.cpp: three models that continue one transcript, each in a context of its own.

A context keeps what it has read; only what a prompt adds to it is read. Roles that name the same file share
the model and the context. What a role may write is in `constraints`; llama.cpp itself is in `llama_native`.
"""

from __future__ import annotations

import codecs
import os
import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Bundle, RoleFile, Sampling, mend
from agent.constraints import Constraint, Constraints
from agent.engine import Delta, Generated, Stop
from agent.errors import BundleError, ContextFull, EngineError
from agent.events import Reading, Usage
from agent.llama_native import BATCH, Context, Model
from agent.prompts import Markers, prompt_ids
from agent.transcript import ROLES, Role, Transcript

RESERVE = 48
"""Tokens that must be free after a prompt: less holds neither a call nor an answer."""


class LlamaEngine:
    """Runs a bundle. One generation at a time: a second one, from another thread, waits its turn."""

    def __init__(self, bundle: Bundle, *, threads: int | None = None, exact: bool = False) -> None:
        """Load the bundle's models, mapped into memory. `exact` keeps caches in 32 bits.

        Raises BundleError where a model is damaged, EngineError where memory does not suffice.
        """
        self.bundle = bundle
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._voices: dict[str, _Voice] = {}
        try:
            for role in ROLES:
                file = bundle.roles[role].file
                if file not in self._voices:
                    self._voices[file] = _Voice(bundle, role, threads or default_threads(), exact)
        except BaseException:
            self.close()
            raise

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated from it may take together."""
        return self.bundle.context_length

    def room(self, role: Role, transcript: Transcript) -> int:
        """Tokens left for `role` to write after reading `transcript`; `generate` wants at least RESERVE."""
        return self.context_length - len(self._voice(role).prompt(role, transcript))

    def generate(
        self, role: Role, transcript: Transcript, *, cancelled: Callable[[], bool]
    ) -> Iterator[Reading | Delta | Generated]:
        """Let `role` write its turn: Reading while it reads, Delta as it writes, Generated at the end.

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
            yield from self._generate(role, transcript, cancelled)
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

    def _voice(self, role: Role) -> _Voice:
        if not self._voices:
            raise EngineError("the engine is closed")
        return self._voices[self.bundle.roles[role].file]

    def _generate(
        self, role: Role, transcript: Transcript, cancelled: Callable[[], bool]
    ) -> Iterator[Reading | Delta | Generated]:
        voice, settings = self._voice(role), self.bundle.roles[role]
        ids = voice.prompt(role, transcript)
        if len(ids) + RESERVE > self.context_length:
            raise ContextFull(len(ids) + RESERVE, self.context_length)
        constraint = voice.constraints.start(role, transcript, grounded=settings.grounded)
        reused = voice.context.resume(ids)
        total = len(ids) - reused
        done, seconds = 0, 0.0
        yield Reading(role, 0, total)
        while done < total:
            part = ids[reused + done : reused + done + BATCH]
            started = perf_counter()
            whole = not cancelled() and voice.context.decode(part, cancelled)
            seconds += perf_counter() - started
            if not whole:
                yield Generated("", "cancelled", Usage(done, reused, 0, seconds))
                return
            done += len(part)
            yield Reading(role, done, total)
        read = Usage(total, reused, 0, seconds)
        yield from voice.write(constraint, settings, self.context_length - len(ids), read, cancelled)


class _Voice:
    """One model file at work: its context, its constraints, and the token that ends its turns."""

    def __init__(self, bundle: Bundle, role: Role, threads: int, exact: bool) -> None:
        self._markers: Markers = bundle.markers
        path, hint = bundle.path(role), mend(bundle.folder)
        self._model = Model(path, hint=hint)
        try:
            self.vocabulary = self._model.vocabulary
            for marker in (bundle.markers.open, bundle.markers.close):
                ids = self.vocabulary.tokenize(marker, True)
                if len(ids) != 1 or not self.vocabulary.is_control(ids[0]):
                    raise BundleError(f"{path} has no control token for the marker {marker}", hint)
            self._end = self.vocabulary.tokenize(bundle.markers.close, True)[0]
            if not self.vocabulary.is_end(self._end):
                raise BundleError(f"{path} does not end a turn with the marker {bundle.markers.close}", hint)
            self.context = Context(self._model, bundle.context_length, threads=threads, exact=exact)
        except BaseException:
            self._model.close()
            raise

    @cached_property
    def constraints(self) -> Constraints:
        """What the roles may write; built at the first use (a second for a vocabulary of 150,000)."""
        return Constraints(self.vocabulary.grammar_tokenizer(self._end))

    def prompt(self, role: Role, transcript: Transcript) -> list[int]:
        """The ids that `role` reads."""
        return prompt_ids(transcript, role, self.vocabulary.tokenize, self._markers)

    def write(
        self,
        constraint: Constraint,
        settings: RoleFile,
        room: int,
        usage: Usage,
        cancelled: Callable[[], bool],
    ) -> Iterator[Delta | Generated]:
        """Write a turn of at most `room` tokens; the context has read the prompt, which cost `usage`."""
        limit = min(settings.sampling.max_tokens, room)
        random = np.random.default_rng(settings.sampling.seed)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text, count, seconds = "", 0, 0.0
        pending: list[int] = []
        stop: Stop | None = None
        while True:
            started = perf_counter()
            tokens: list[int] = []
            if constraint.must_end:
                stop = "end"
            elif cancelled():
                stop = "cancelled"
            elif count >= limit:
                stop = "length"
            elif not (tokens := constraint.forced()[: limit - count]):
                if self.context.decode(pending, cancelled):
                    pending = []
                    token = pick(self.context.logits(), constraint, settings.sampling, random)
                    tokens = [] if token == self._end else [token]
                    stop = None if tokens else "end"
                else:
                    stop = "cancelled"
            for token in tokens:
                constraint.accept(token)
            pending += tokens
            count += len(tokens)
            piece = decoder.decode(b"".join(map(self.vocabulary.piece, tokens)))
            text += piece
            seconds += perf_counter() - started
            if stop:
                yield Generated(text, stop, usage + Usage(generated=count, write_seconds=seconds))
                return
            if piece:
                yield Delta(piece)

    def close(self) -> None:
        """Free the context and the model."""
        self.context.close()
        self._model.close()


def pick(
    logits: NDArray[np.float32], constraint: Constraint, sampling: Sampling, random: np.random.Generator
) -> int:
    """The next token. The mask is computed only where the likeliest token is not allowed, or to draw.

    Raises EngineError where the model computed no numbers or nothing is allowed.
    """
    best = int(logits.argmax())
    if np.isnan(logits[best]):
        raise EngineError("the model computed no numbers: its weights are damaged", "see: umi models verify")
    if sampling.temperature <= 0 and constraint.allows(best):
        return best
    mask = constraint.mask()
    if not mask.any():
        raise EngineError("the grammar of a turn allows no token")
    allowed = np.where(mask, logits, -np.inf)
    if sampling.temperature <= 0:
        return int(allowed.argmax())
    weights = np.exp((allowed - allowed.max()).astype(np.float64) / sampling.temperature)
    order = np.argsort(-weights, kind="stable")
    weights = weights[order] / weights.sum()
    kept = max(1, int(np.searchsorted(np.cumsum(weights), sampling.top_p)) + 1)
    return int(random.choice(order[:kept], p=weights[:kept] / weights[:kept].sum()))


def default_threads() -> int:
    """One thread a core that this process may use.

    Of more than four, half are taken to be hyperthreads, which slow llama.cpp down.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores <= 4 else (cores + 1) // 2
