"""The registry of dialects: how a transcript is rendered as the token ids that a model reads.

A dialect is one entry of `DIALECTS`: a function from a model and its bundle's markers to a `Dialect`. This
module does not know llama.cpp; it asks a model for what `PromptModel` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from agent.errors import BundleError
from agent.prompting.chat import ChatPrompts
from agent.prompting.chat_template import ChatTemplate
from agent.prompting.encoding import common_length
from agent.prompting.markers import Markers
from agent.prompting.umi import segment_ids, segments
from agent.transcript import Role, Transcript


class PromptVocabulary(Protocol):
    """The interface of a model's vocabulary that a dialect needs."""

    @property
    def bos(self) -> int:
        """The id of the beginning-of-sequence token; -1 where there is none."""
        ...

    @property
    def eos(self) -> int:
        """The id of the end-of-sequence token; -1 where there is none."""
        ...

    @property
    def turn_end(self) -> int:
        """The id of the end-of-turn token; -1 where there is none."""
        ...

    @property
    def adds_bos(self) -> bool:
        """Whether the model expects `bos` at the beginning of a text."""
        ...

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Return the ids of `text`; with `special`, names of control tokens become those tokens."""
        ...

    def is_control(self, token: int) -> bool:
        """Return whether `token` is a control token."""
        ...

    def is_end(self, token: int) -> bool:
        """Return whether `token` ends a generation."""
        ...

    def text(self, token: int) -> str:
        """Return the text of `token`; empty for -1."""
        ...


class PromptModel(Protocol):
    """The interface of a model that a dialect needs."""

    path: Path

    @property
    def vocabulary(self) -> PromptVocabulary:
        """The model's tokens."""
        ...

    @property
    def chat_template(self) -> str:
        """The Jinja source of the model's chat template; empty where there is none."""
        ...


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt: the token ids that a role reads before it writes."""

    ids: list[int]
    system_length: int
    """The number of leading ids that make the system turn: tools and standing instruction.

    Where tools were picked, it ends before these: a list of them is seldom read twice."""
    adapter_start: int
    """The position from which the role's adapter applies."""


@dataclass(frozen=True)
class Dialect:
    """How one model is prompted."""

    end_token: int
    """The id of the token that ends a turn."""
    render: Callable[[Role, Transcript], Prompt]
    """Return the prompt for a role. Raise BundleError where a chat template refuses the transcript."""
    header: Callable[[Role], list[int]]
    """Return the ids that open a role's turn; none in a dialect without role headers."""
    chat: ChatPrompts | None = None
    """How a stock model is prompted, which decides at the beginning of one message which role it plays."""


def make_dialect(name: str, model: PromptModel, markers: Markers, hint: str) -> Dialect:
    """Return the dialect `name` for `model`.

    Raise BundleError, whose next step is `hint`, where the model lacks what the dialect needs.
    """
    return DIALECTS[name](model, markers, hint)


def _umi_dialect(model: PromptModel, markers: Markers, hint: str) -> Dialect:
    vocabulary = model.vocabulary
    tokenize = vocabulary.tokenize
    for marker in (markers.open, markers.close):
        ids = tokenize(marker, True)
        if len(ids) != 1 or not vocabulary.is_control(ids[0]):
            raise BundleError(f"{model.path} has no control token for the marker {marker}", hint)
    end = tokenize(markers.close, True)[0]
    if not vocabulary.is_end(end):
        raise BundleError(f"{model.path} does not end a turn with the marker {markers.close}", hint)

    def header(role: Role) -> list[int]:
        return tokenize(markers.header(role), True)

    def render(role: Role, transcript: Transcript) -> Prompt:
        ids: list[int] = []
        system_length = 0
        for segment in segments(transcript):
            ids += segment_ids(segment, tokenize, markers)
            if segment.role == "system":
                system_length = len(ids)
        if transcript.picked:
            fixed = render(role, replace(transcript.unpicked, turns=()))
            system_length = common_length(ids, fixed.ids[: fixed.system_length])
        return Prompt(ids + header(role), system_length, len(ids))

    return Dialect(end, render, header)


def _chat_dialect(model: PromptModel, markers: Markers, hint: str) -> Dialect:
    vocabulary = model.vocabulary
    source = model.chat_template
    if not source:
        raise BundleError(f"{model.path} has no chat template, so it is not a stock instruct model", hint)
    end = vocabulary.turn_end
    if end < 0 or not vocabulary.is_control(end):
        named = f"ends a turn with {vocabulary.text(end)!r}, which is text" if end >= 0 else "ends no turn"
        raise BundleError(f"{model.path} {named}: it would not stop", hint)
    template = ChatTemplate(source, bos=vocabulary.text(vocabulary.bos), eos=vocabulary.text(vocabulary.eos))
    prompts = ChatPrompts(template, vocabulary.tokenize, vocabulary.bos if vocabulary.adds_bos else None)

    def render(role: Role, transcript: Transcript) -> Prompt:
        ids = prompts.prompt(transcript)
        system_length = common_length(ids, prompts.system_ids(transcript))
        if role == "summarizer":
            ids = ids + prompts.answer_opening()
        return Prompt(ids, system_length, len(ids))

    return Dialect(end, render, lambda _: [], prompts)


DIALECTS: Mapping[str, Callable[[PromptModel, Markers, str], Dialect]] = {
    "umi": _umi_dialect,
    "chat": _chat_dialect,
}
"""By the name that a bundle's manifest has: umi's own turns, and a stock instruct model's chat template."""
