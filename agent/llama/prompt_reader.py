"""Reading prompts into a context: what is there or on disk is reused, the rest is decoded in chunks.

States on disk are of tokens that were decoded without an adapter: in the shared layout the backbone's, which
serve all roles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.config import EngineSettings
from agent.errors import EngineError
from agent.llama.binding.context import Adapter, Context, flash_attention_mode
from agent.llama.prompt_cache import PromptCache, PromptPrefixes
from agent.prompting.dialects import Prompt
from agent.prompting.encoding import common_length
from agent.transcript import Role

MIN_CACHED_TOKENS = 64
"""Fewer tokens are not worth a file in the prompt cache, nor the reading of one."""


@dataclass(frozen=True)
class PromptChunk:
    """A run of a prompt's tokens to decode at once, under one adapter or none."""

    ids: list[int]
    adapter: Adapter | None
    kept: bool
    """Whether the state after the chunk is put into the prompt cache."""
    snapshot: bool
    """Whether the context keeps the state after the chunk in memory."""
    outputs: int = 1
    """How many of the last tokens have logits."""


class PromptReader:
    """Reads prompts into `context`, under the roles' `adapters`. For one thread at a time."""

    def __init__(
        self,
        context: Context,
        model_sha256: str,
        settings: EngineSettings,
        adapters: Mapping[Role, Adapter],
        prompt_cache: PromptCache | None,
        *,
        can_truncate: bool,
    ) -> None:
        self.context = context
        self._adapters = adapters
        self._can_truncate = can_truncate
        self._prefixes = (
            PromptPrefixes(prompt_cache, model_sha256, settings.cache, flash_attention_mode(settings))
            if prompt_cache
            else None
        )
        self._divergence = 0
        """The position from which the prompt being read differs from the one before it."""
        self._loaded: list[int] = []
        """The tokens of the state that was last loaded from the prompt cache."""
        self._conversation: list[int] = []
        """Those of the last one that held more than a system turn, loaded or put there."""

    def reuse(self, prompt: Prompt) -> int:
        """Keep the prefix of `prompt` that is in the context or the prompt cache; return its length."""
        base = prompt.ids[: prompt.adapter_start + 1]
        self._divergence = self.context.reusable_length(base)
        reused = self.context.reuse_prefix(base)
        # The last token is decoded in any case, since its logits are wanted.
        found = self._prefixes and self._prefixes.longest(base[:-1], reused + MIN_CACHED_TOKENS)
        if not found:
            return reused
        length, state = found
        self._loaded = base[:length]
        if not self.context.load_state(state, self._loaded):
            self._drop_loaded()
        elif length > prompt.system_length:
            self._conversation = self._loaded
        return len(self.context.tokens)

    def chunks(self, role: Role, prompt: Prompt, start: int, longest: int) -> Iterator[PromptChunk]:
        """Yield the prompt from `start` on in chunks of at most `longest` tokens."""
        kept = start < prompt.system_length >= MIN_CACHED_TOKENS and self._prefixes is not None
        # Where the cache cannot be truncated, the next prompt will continue from the end of the tools or
        # from where this one departs from the last.
        snapshots = set() if self._can_truncate else {prompt.system_length, self._divergence}
        stops = {prompt.system_length} if kept else set()
        for stop in sorted({*stops, *snapshots, prompt.adapter_start, len(prompt.ids)}):
            while start < stop:
                end = min(start + longest, stop)
                adapter = self._adapters.get(role) if start >= prompt.adapter_start else None
                yield PromptChunk(
                    prompt.ids[start:end], adapter, kept and end == prompt.system_length, end in snapshots
                )
                start = end

    def read(self, chunk: PromptChunk, cancelled: Callable[[], bool] = lambda: False) -> bool:
        """Decode a chunk; return False where it was cancelled."""
        self.context.set_adapter(chunk.adapter)
        try:
            if not self.context.decode(chunk.ids, cancelled, outputs=chunk.outputs):
                return False
        except EngineError:
            self._drop_loaded()  # what failed once after it would fail in every process
            raise
        if chunk.kept and self._prefixes:
            self._prefixes.put(self.context.tokens, self.context.save_state())
        if chunk.snapshot:
            self.context.take_snapshot()
        return True

    def read_whole(
        self, role: Role, prompt: Prompt, longest: int, cancelled: Callable[[], bool] = lambda: False
    ) -> bool:
        """Read what is missing of `prompt`, in chunks of at most `longest`; return False where cancelled."""
        for chunk in self.chunks(role, prompt, self.reuse(prompt), longest):
            if cancelled() or not self.read(chunk, cancelled):
                return False
        return True

    def save(self, ids: Sequence[int], system_length: int) -> None:
        """Put what the context holds of `ids`, the tokens of a conversation, into the prompt cache.

        The state that the conversation had there before is removed. What is hardly longer than the system
        turn is not kept, nor what could not be cut out of the context.
        """
        length = common_length(self.context.tokens[: self.context.base_length], ids)
        is_whole = length == len(self.context.tokens)
        worth = length >= system_length + MIN_CACHED_TOKENS
        if self._prefixes is None or not worth or not (self._can_truncate or is_whole):
            return
        saved, before = list(ids[:length]), self._conversation
        if not self._prefixes.has(saved):
            self.context.truncate(length)
            self._prefixes.put(saved, self.context.save_state())
        if before and before != saved and saved[: len(before)] == before:
            self._prefixes.drop(before)
        self._conversation = saved

    def _drop_loaded(self) -> None:
        """Remove the state that was last loaded from the prompt cache."""
        if self._loaded and self._prefixes:
            self._prefixes.drop(self._loaded)
        self._loaded = []
