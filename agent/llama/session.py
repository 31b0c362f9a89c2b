"""A model session: one loaded model file with its context, its roles' adapters, constraints and dialect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Bundle, repair_hint
from agent.bundle.manifest import BACKBONE_KEY
from agent.config import EngineSettings
from agent.errors import BundleError, EngineError
from agent.llama.binding.context import BATCH, Adapter, Context, flash_attention_mode
from agent.llama.binding.measured import DecodeCost, remembered_decode_cost, remembered_threads
from agent.llama.binding.model import Model, gpu_layers
from agent.llama.decoding import Following
from agent.llama.drafting.drafter import Drafter
from agent.llama.drafting.ngram_table import NgramTable, read_table, start_token
from agent.llama.drafting.prompt_lookup import PromptLookup
from agent.llama.grammar.calls import Kinds
from agent.llama.grammar.constraints import Constraints
from agent.llama.prompt_cache import PromptCache, prompt_cache_key
from agent.llama.prompt_reader import PromptReader
from agent.llama.stock import StockModel
from agent.llama.timing import Stopwatch
from agent.prompting.dialects import Prompt, make_dialect
from agent.prompting.encoding import common_length
from agent.transcript import Call, CallerTurn, PlannerTurn, Role, ToolTurn, Transcript, UserTurn

AHEAD_BATCH = 64
"""Tokens that are read ahead in one decode: what one that is stopped loses."""


class ModelSession:
    """A model and the roles that use it. For one thread at a time."""

    def __init__(
        self,
        bundle: Bundle,
        roles: Sequence[Role],
        settings: EngineSettings,
        prompt_cache: PromptCache | None,
        kinds: Mapping[str, Kinds] | None = None,
        decode_cost: DecodeCost | None = None,
    ) -> None:
        """Load the model of `roles`, which is the same for all of them, and their adapters.

        Without `decode_cost` it is measured where the number of threads is, and else a usual one.
        Raise BundleError where a file is damaged or does not fit, EngineError where memory does not suffice.
        """
        self._settings, self._prompt_cache, self._kinds = settings, prompt_cache, kinds
        self._file = bundle.roles[roles[0]]
        self._roles = set(roles)
        self._adapters: dict[Role, Adapter] = {}
        self._context: Context | None = None
        self._reader: PromptReader | None = None
        self._last_prompts: dict[Role, tuple[Transcript, Prompt]] = {}
        self._render_lock = threading.Lock()
        self.rendering = Stopwatch()
        """Of the time that prompts are rendered."""
        self.grammar = Stopwatch()
        """Of the time that grammars are made and asked."""
        self._lookup = PromptLookup()
        self._tables: dict[Role, NgramTable] = {}
        self.decode_cost = decode_cost or DecodeCost()
        hint = repair_hint(bundle.folder)
        self._model = Model(bundle.path(roles[0]), gpu_layers=gpu_layers(settings), hint=hint)
        try:
            self._set_up(bundle, roles, hint)
        except BaseException:
            self.close()
            raise

    def _set_up(self, bundle: Bundle, roles: Sequence[Role], hint: str) -> None:
        settings = self._settings
        self.vocabulary = self._model.vocabulary
        self._dialect = make_dialect(bundle.dialect, self._model, bundle.markers, hint)
        self.end_token = self._dialect.end_token
        prompts = self._dialect.chat
        self.stock = (
            StockModel(prompts, bundle.call_bias, bundle.result_bias, self.logits_after, self._kept)
            if prompts
            else None
        )
        """The choice between a call and an answer, in the dialect of stock models."""
        for role in roles:
            if path := bundle.table_path(role):
                self._tables[role] = read_table(path, self.vocabulary.size, hint)
            if path := bundle.adapter_path(role):
                adapter = Adapter(self._model, path, hint=hint)
                self._check_adapter(role, adapter, hint)
                self._adapters[role] = adapter
        self.can_truncate = not self._model.is_recurrent
        """Whether generated tokens can be removed from the cache again."""
        if self._adapters and not self.can_truncate:
            raise BundleError(
                f"{bundle.name} shares a model whose cache cannot drop what a role wrote",
                "export it with --layout merged",
            )
        self.threads = 1 if settings.threads == "auto" else settings.threads
        self._context = Context(
            self._model,
            bundle.context_length,
            threads=self.threads,
            cache=settings.cache,
            flash_attention=flash_attention_mode(settings),
        )
        self._reader = PromptReader(
            self._context,
            self._file.sha256,
            settings,
            self._adapters,
            self._prompt_cache,
            can_truncate=self.can_truncate,
        )
        if settings.threads == "auto":
            self.threads = remembered_threads(self._file.sha256, self._measure)
            self.context.set_threads(self.threads)
            self.decode_cost = remembered_decode_cost(self._file.sha256, self.threads, self._decode)
            self.context.truncate(0)

    @property
    def context(self) -> Context:
        """The model's context. Raise EngineError once the session is closed."""
        if self._context is None:
            raise EngineError("the models are closed")
        return self._context

    @property
    def reader(self) -> PromptReader:
        """What reads prompts into the context. Raise EngineError once the session is closed."""
        if self._reader is None or self._context is None:
            raise EngineError("the models are closed")
        return self._reader

    @cached_property
    def constraints(self) -> Constraints:
        """The grammars of the roles; built at the first use (a second for a vocabulary of 150,000)."""
        with self.grammar:
            return Constraints(self.vocabulary.grammar_tokenizer(self.end_token), self._kinds, self.grammar)

    def prompt(self, role: Role, transcript: Transcript) -> Prompt:
        """Return what `role` reads before it writes.

        The last prompt of each role is kept, so asking for its length and then reading it renders it once.
        """
        last = self._last_prompts.get(role)
        if last and last[0] is transcript:
            return last[1]
        with self.rendering:
            prompt = self._rendered(role, transcript)
        self._last_prompts[role] = transcript, prompt
        return prompt

    def _rendered(self, role: Role, transcript: Transcript) -> Prompt:
        with self._render_lock:  # a chat template is rendered in one child process
            prompt = self._dialect.render(role, transcript)
        return prompt if role in self._adapters else replace(prompt, adapter_start=len(prompt.ids))

    def read_ahead(self, role: Role, transcript: Transcript, cancelled: Callable[[], bool]) -> bool:
        """Read what the prompt of `role` begins with; return False where cancelled.

        For the planner that is all of it, or up to where its adapter applies; the others come after a turn of
        the planner, so it ends before their header. Where a call waits for its result, it ends where that
        begins. Nothing is read where it leaves no room to write, or where it could not be dropped again.
        """
        prompt = self._rendered(role, transcript)
        after = 1 if role == "planner" else max(1, len(self._dialect.header(role)))
        end = min(prompt.adapter_start, len(prompt.ids) - after)
        if _waiting_call(transcript):
            prompt = self._shared_beginning(role, transcript)
            end = len(prompt.ids)
        if cancelled() or not self.can_truncate or len(prompt.ids) >= self.context.length:
            return False
        ahead = Prompt(prompt.ids[:end], min(prompt.system_length, end), end)
        # The last token is decoded again with what follows it, so one more is asked for.
        start = self.reader.reuse(replace(ahead, ids=[*ahead.ids, *prompt.ids[end : end + 1]]))
        for chunk in self.reader.chunks(role, ahead, start, AHEAD_BATCH):
            if cancelled() or not self.reader.read(chunk, cancelled):
                return False
        return True

    def save_state(self, role: Role, transcript: Transcript) -> None:
        """Put what the context holds of a conversation into the prompt cache.

        It is kept up to where the next turn begins.
        """
        beginning = self._shared_beginning(role, transcript)
        self.reader.save(beginning.ids, beginning.system_length)

    def _shared_beginning(self, role: Role, transcript: Transcript) -> Prompt:
        """Return what every prompt that goes on from `transcript` begins with, as two different ones tell."""
        call = _waiting_call(transcript)
        turns = [ToolTurn(call.name, text) if call else UserTurn(text) for text in "a1"]
        one, other = (self._rendered(role, transcript.plus(turn)) for turn in turns)
        ids = one.ids[: common_length(one.ids, other.ids)]
        return Prompt(ids, one.system_length, len(ids))

    @cached_property
    def following(self) -> Following | None:
        """What follows a planner's turn that hands over to the summarizer.

        None where that writes with another model, or one of both under an adapter.
        """
        if self.stock or self._adapters or not {"planner", "summarizer"} <= self._roles:
            return None
        plan = PlannerTurn("", "summarizer")
        ids = self._rendered("summarizer", Transcript((), (plan,))).ids
        end = max(at for at, token in enumerate(ids) if token == self.end_token)
        return Following(plan.next.encode(), ids[end:])

    def drafter(self, role: Role, transcript: Transcript, prompt: Prompt) -> Drafter:
        """Return what guesses the tokens of the turn of `role` after `prompt`, that of `transcript`."""
        self._lookup.reset(prompt.ids)
        start = start_token(transcript.turns, self.vocabulary.size)
        return Drafter(self._lookup, self._tables.get(role), start, self.end_token, self.decode_cost)

    def logits_after(self, prompt: Prompt, cancelled: Callable[[], bool]) -> NDArray[np.float32] | None:
        """Return the logits after `prompt`, a view of llama.cpp's memory; None where cancelled."""
        if self.has_read(prompt) or self.reader.read_whole("planner", prompt, BATCH, cancelled):
            return self.context.logits()
        return None

    def has_read(self, prompt: Prompt) -> bool:
        """Return whether the context holds the whole of `prompt`, and the logits after it."""
        return self.context.has_logits and self.context.tokens == prompt.ids

    def token_logits(
        self, role: Role, transcript: Transcript, tokens: Sequence[int], *, at_once: bool
    ) -> NDArray[np.float32]:
        """Return the logits after the prompt and after each of `tokens`, decoded at once or one by one."""
        prompt = self.prompt(role, transcript)
        self.reader.read_whole(role, prompt, BATCH)
        rows = [self.context.logits().copy()]
        for run in [tokens] if at_once else [[token] for token in tokens]:
            self.context.decode(run, outputs=len(run))
            rows += [self.context.logits(back).copy() for back in reversed(range(len(run)))]
        return np.stack(rows)

    def close(self) -> None:
        """Free the context and the model. May be called twice."""
        if self._context is not None:
            self._context.close()
        self._model.close()

    def _kept(self, prompt: Prompt, compute: Callable[[], bytes | None]) -> bytes | None:
        """Return what was computed of `prompt`, from the prompt cache if it is there."""
        if self._prompt_cache is None:
            return compute()
        key = prompt_cache_key(self._file.sha256, prompt.ids, self._settings.cache, "priors")
        if found := self._prompt_cache.get(key):
            return bytes(found)
        computed = compute()
        if computed:
            self._prompt_cache.put(key, computed)
        return computed

    def _check_adapter(self, role: Role, adapter: Adapter, hint: str) -> None:
        """Raise BundleError where `adapter` has another header or was trained on another backbone."""
        header = tuple(self._dialect.header(role))
        if adapter.invocation_tokens != header:
            begins = f"begins at {list(adapter.invocation_tokens)}"
            begins = begins if adapter.invocation_tokens else "is always on"
            raise BundleError(f"the {role}'s adapter {begins}, and its header is {list(header)}", hint)
        fingerprint, expected = self._model.metadata(BACKBONE_KEY), adapter.backbone
        if fingerprint and expected and fingerprint != expected:
            raise BundleError(
                f"the {role}'s adapter was made for the backbone {expected[:12]}, and {self._model.path} is"
                f" the backbone {fingerprint[:12]}",
                hint,
            )

    def _measure(self, threads: int) -> None:
        """Read and write a few tokens, in the proportion of their times in a question."""
        self.context.set_threads(threads)
        self.context.truncate(0)
        self.context.decode([0] * 16)
        for _ in range(3):
            self.context.decode([0])

    def _decode(self, tokens: int) -> None:
        """Decode some tokens as a draft is decoded."""
        self.context.truncate(0)
        self.context.decode([0] * tokens, outputs=tokens)


def _waiting_call(transcript: Transcript) -> Call | None:
    """Return the call whose result is the next turn; None where no call waits for one."""
    for results, turn in enumerate(reversed(transcript.turns)):
        if isinstance(turn, CallerTurn):
            return turn.calls[results] if results < len(turn.calls) else None
        if not isinstance(turn, ToolTurn):
            return None
    return None
