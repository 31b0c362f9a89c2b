"""A stock model in the roles: at the beginning of its message it plans, and what it writes then is the turn.

The planner's turn costs what the choice costs; nothing is generated for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agent.llama.tool_choice import NO_QUESTION, Priors, ToolChoice, choose_tool, measure_priors
from agent.prompting.call_markup import CallMarkup
from agent.prompting.chat import ChatPrompts, check_template
from agent.prompting.dialects import Prompt
from agent.transcript import ToolTurn, Transcript, UserTurn

Cancelled = Callable[[], bool]
LogitsAfter = Callable[[Prompt, Cancelled], NDArray[np.float32] | None]
"""The logits after a prompt, float32, shape (vocabulary,); None where cancelled."""
Kept = Callable[[Prompt, Callable[[], bytes | None]], bytes | None]
"""(prompt, compute) -> what `compute` returns, or returned for the same prompt in an earlier process."""


@dataclass(frozen=True)
class _Decision:
    prompt: list[int]
    choice: ToolChoice


class StockModel:
    """The choice between a call and an answer for one model, and the form of its calls."""

    def __init__(
        self,
        prompts: ChatPrompts,
        call_bias: float,
        result_bias: float,
        logits_after: LogitsAfter,
        kept: Kept,
    ) -> None:
        self._prompts = prompts
        self._call_bias, self._result_bias = call_bias, result_bias
        self._logits_after = logits_after
        self._kept = kept
        self._beginnings = prompts.call_beginnings()
        self._priors: dict[tuple[int, ...], Priors] = {}
        self._last: _Decision | None = None

    @property
    def markup(self) -> CallMarkup:
        """The markup of a call."""
        return self._prompts.template.markup

    @property
    def warnings(self) -> list[str]:
        """What is to be known about the chat template, one line each."""
        return check_template(self._prompts)

    def calls(self, transcript: Transcript, prompt: Prompt, cancelled: Cancelled) -> bool | None:
        """Return whether the model calls a tool after `transcript`; None where cancelled."""
        has_result = bool(transcript.turns) and isinstance(transcript.turns[-1], ToolTurn)
        bias = self._result_bias if has_result else self._call_bias
        choice = self._choose(transcript, prompt, cancelled, bias)
        return None if choice is None else choice.score > bias

    def choose(self, transcript: Transcript, prompt: Prompt, cancelled: Cancelled) -> ToolChoice | None:
        """Return the best tool after `transcript` and the score of calling it; None where cancelled."""
        if self._last is not None and self.has_chosen(prompt):
            return self._last.choice
        return self._choose(transcript, prompt, cancelled)

    def has_chosen(self, prompt: Prompt) -> bool:
        """Return whether the tool to call after `prompt` is known."""
        return self._last is not None and self._last.prompt == prompt.ids

    def call_prompt(self, transcript: Transcript, prompt: Prompt, name: str) -> Prompt:
        """Return `prompt` with the beginning of a call of the tool `name`, up to its arguments."""
        ids = prompt.ids + self._prompts.call_openings(transcript)[name]
        return replace(prompt, ids=ids, adapter_start=len(ids))

    def _choose(
        self, transcript: Transcript, prompt: Prompt, cancelled: Cancelled, least: float | None = None
    ) -> ToolChoice | None:
        openings = self._prompts.call_openings(transcript)
        priors = self._tool_priors(transcript, openings, cancelled)
        if priors is None:
            return None
        choice = choose_tool(
            openings,
            self._beginnings,
            priors,
            self._logits_from(prompt, cancelled),
            **({} if least is None else {"least": least}),
        )
        if choice is not None and (least is None or choice.score > least):
            self._last = _Decision(prompt.ids, choice)
        return choice

    def _tool_priors(
        self, transcript: Transcript, openings: Mapping[str, Sequence[int]], cancelled: Cancelled
    ) -> Priors | None:
        system = self._prompts.system_ids(transcript)
        key = tuple(system)
        if key not in self._priors:
            asked = replace(transcript, turns=(UserTurn(NO_QUESTION),))
            ids = self._prompts.prompt(asked)
            prompt = Prompt(ids, len(system), len(ids))

            def compute() -> bytes | None:
                priors = measure_priors(openings, self._logits_from(prompt, cancelled))
                return None if priors is None else json.dumps([*priors.items()]).encode()

            kept = self._kept(prompt, compute)
            if kept is None:
                return None
            self._priors[key] = {tuple(tokens): value for tokens, value in json.loads(kept)}
        return self._priors[key]

    def _logits_from(
        self, prompt: Prompt, cancelled: Cancelled
    ) -> Callable[[Sequence[int]], NDArray[np.float32] | None]:
        def logits(more: Sequence[int]) -> NDArray[np.float32] | None:
            ids = [*prompt.ids, *more]
            return self._logits_after(replace(prompt, ids=ids, adapter_start=len(ids)), cancelled)

        return logits
