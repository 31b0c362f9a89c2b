"""One model file at work: its context, its roles' adapters, its constraints, and how it is addressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from agent.bundle import Bundle, mend
from agent.bundle.manifest import BACKBONE_KEY
from agent.errors import BundleError, EngineError
from agent.llama.constraints import Constraints
from agent.llama.context import Adapter, Context, flash_attention
from agent.llama.model import Model, gpu_layers
from agent.llama.prompt_cache import PromptCache, prompt_cache_key
from agent.llama.threads import remembered_threads
from agent.prompting.dialects import Prompt, dialect_of
from agent.settings import EngineSettings
from agent.transcript import Role, Transcript

WORTH_KEEPING = 64
"""Tokens: the state of a shorter system turn is not worth a file."""


@dataclass(frozen=True)
class Part:
    """A stretch of a prompt to read in one decode, under an adapter or none.

    `keep` is the key under which the state after it is worth keeping on disk; `mark` keeps it in memory.
    """

    ids: list[int]
    adapter: Adapter | None
    keep: str | None
    mark: bool


class ModelSession:
    """The roles of one model file. Usable by one thread at a time."""

    def __init__(
        self, bundle: Bundle, roles: Sequence[Role], settings: EngineSettings, states: PromptCache | None
    ) -> None:
        """Load the model of `roles`, which is the same for all of them, and their adapters.

        Raises BundleError where a file is damaged or does not fit, EngineError where memory does not suffice.
        """
        self._settings, self._states = settings, states
        self._file = bundle.roles[roles[0]]
        self._adapters: dict[Role, Adapter] = {}
        self._context: Context | None = None
        self._parted = 0
        hint = mend(bundle.folder)
        self._model = Model(bundle.path(roles[0]), gpu_layers=gpu_layers(settings), hint=hint)
        try:
            self._set_up(bundle, roles, hint)
        except BaseException:
            self.close()
            raise

    def _set_up(self, bundle: Bundle, roles: Sequence[Role], hint: str) -> None:
        settings = self._settings
        self.vocabulary = self._model.vocabulary
        self._dialect = dialect_of(bundle, self._model, hint)
        self.end = self._dialect.end
        for role in roles:
            if path := bundle.adapter_path(role):
                self._adapters[role] = self._adapter(role, Adapter(self._model, path, hint=hint), hint)
        self.can_cut = not self._model.is_recurrent
        """Whether what was written can be dropped from the cache again."""
        if self._adapters and not self.can_cut:
            raise BundleError(
                f"{bundle.name} shares a model whose cache cannot drop what a role wrote",
                "export it with --layout merged",
            )
        self.threads = 1 if settings.threads == "auto" else settings.threads
        self._context = Context(self._model, bundle.context_length, threads=self.threads, settings=settings)
        if settings.threads == "auto":
            self.threads = remembered_threads(self._file.sha256, self._measure)
            self.context.cut(0)
            self.context.use_threads(self.threads)

    @property
    def context(self) -> Context:
        """What the model has read. Raises EngineError once closed."""
        if self._context is None:
            raise EngineError("the models are closed")
        return self._context

    @cached_property
    def constraints(self) -> Constraints:
        """What the roles may write; built at the first use (a second for a vocabulary of 150,000)."""
        return Constraints(self.vocabulary.grammar_tokenizer(self.end))

    def prompt(self, role: Role, transcript: Transcript) -> Prompt:
        """What `role` reads before it writes."""
        prompt = self._dialect.prompt(role, transcript)
        return prompt if role in self._adapters else replace(prompt, adapted=len(prompt.ids))

    def resume(self, prompt: Prompt) -> int:
        """Keep what of the prompt is held already, or was on disk; returns how many tokens."""
        before = prompt.ids[: prompt.adapted + 1]
        self._parted = self.context.agreed(before)
        held = self.context.resume(before)
        if held >= prompt.system or not self._keeps(prompt):
            return held
        key = self._key(prompt)
        state = self._states.get(key) if self._states else None
        if state is None:
            return held
        if not self.context.restore(state, prompt.ids[: prompt.system]) and self._states:
            self._states.drop(key)
        return len(self.context.held)

    def parts(self, role: Role, prompt: Prompt, start: int, longest: int) -> Iterator[Part]:
        """The stretches of the prompt from `start` on, of at most `longest` tokens each."""
        keep = start < prompt.system and self._keeps(prompt)
        # Where the cache cannot be cut, the next prompt will want to go on from the tools or from where this
        # one parted from the last.
        marks = set() if self.can_cut else {prompt.system, self._parted}
        stops = {prompt.system} if keep else set()
        for stop in sorted({*stops, *marks, prompt.adapted, len(prompt.ids)}):
            while start < stop:
                end = min(start + longest, stop)
                adapter = self._adapters.get(role) if start >= prompt.adapted else None
                key = self._key(prompt) if keep and end == prompt.system else None
                yield Part(prompt.ids[start:end], adapter, key, end in marks)
                start = end

    def read(self, part: Part, cancelled: Callable[[], bool]) -> bool:
        """Read a part; False where cancelled on the way."""
        self.context.use(part.adapter)
        if not self.context.decode(part.ids, cancelled):
            return False
        if part.keep and self._states:
            self._states.put(part.keep, self.context.state())
        if part.mark:
            self.context.mark()
        return True

    def close(self) -> None:
        """Free the context and the model."""
        if self._context is not None:
            self._context.close()
        self._model.close()

    def _keeps(self, prompt: Prompt) -> bool:
        return self._states is not None and prompt.system >= WORTH_KEEPING

    def _key(self, prompt: Prompt) -> str:
        settings = self._settings
        return prompt_cache_key(
            self._file.sha256, prompt.ids[: prompt.system], settings.cache, flash_attention(settings)
        )

    def _adapter(self, role: Role, adapter: Adapter, hint: str) -> Adapter:
        header = tuple(self._dialect.header(role))
        if adapter.invocation != header:
            begins = f"begins at {list(adapter.invocation)}" if adapter.invocation else "is always on"
            raise BundleError(f"the {role}'s adapter {begins}, and its header is {list(header)}", hint)
        own, made_for = self._model.metadata(BACKBONE_KEY), adapter.backbone
        if own and made_for and own != made_for:
            raise BundleError(
                f"the {role}'s adapter was made for the backbone {made_for[:12]}, and {self._model.path} is"
                f" the backbone {own[:12]}",
                hint,
            )
        return adapter

    def _measure(self, threads: int) -> None:
        """Read and write a little, as much of each as a question costs time."""
        self.context.use_threads(threads)
        self.context.cut(0)
        self.context.decode([0] * 16)
        for _ in range(3):
            self.context.decode([0])
