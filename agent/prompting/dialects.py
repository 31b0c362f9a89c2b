"""How a transcript is written for a model: umi's own turns, or a stock instruct model's chat template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.bundle import Bundle
from agent.errors import BundleError
from agent.llama.model import Model
from agent.prompting import Markers, prompt_ids
from agent.prompting.chat import chat_prompt_ids, chat_system_ids
from agent.prompting.chat_template import ChatTemplate
from agent.transcript import Role, Transcript


@dataclass(frozen=True)
class Prompt:
    """What a role reads. The first `system` ids are the system turn; an adapter begins at `adapted`."""

    ids: list[int]
    system: int
    adapted: int


@dataclass(frozen=True)
class Dialect:
    """`end` is the token that ends a turn; `header` are the ids that open a role's turn, where it has one."""

    end: int
    prompt: Callable[[Role, Transcript], Prompt]
    header: Callable[[Role], list[int]]


def dialect_of(bundle: Bundle, model: Model, hint: str) -> Dialect:
    """How `model` is addressed. Raises BundleError where it lacks what the bundle's dialect needs."""
    return _chat(model, hint) if bundle.dialect == "chat" else _umi(bundle.markers, model, hint)


def _umi(markers: Markers, model: Model, hint: str) -> Dialect:
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

    def prompt(role: Role, transcript: Transcript) -> Prompt:
        ids = prompt_ids(transcript, role, tokenize, markers)
        system = prompt_ids(replace(transcript, turns=()), None, tokenize, markers)
        return Prompt(ids, len(system), len(ids) - len(header(role)))

    return Dialect(end, prompt, header)


def _chat(model: Model, hint: str) -> Dialect:
    vocabulary = model.vocabulary
    source = model.chat_template
    if not source:
        raise BundleError(f"{model.path} has no chat template, so it is no stock instruct model", hint)
    end = vocabulary.turn_end
    if end < 0 or not vocabulary.is_control(end):
        named = f"ends a turn with {vocabulary.text(end)!r}, which is text" if end >= 0 else "ends no turn"
        raise BundleError(f"{model.path} {named}: it would not stop", hint)
    template = ChatTemplate(source, bos=vocabulary.text(vocabulary.bos), eos=vocabulary.text(vocabulary.eos))
    first = [vocabulary.bos] if vocabulary.adds_bos else []

    def whole(ids: list[int]) -> list[int]:
        return ids if not first or not ids or ids[:1] == first else first + ids

    def prompt(role: Role, transcript: Transcript) -> Prompt:
        ids = whole(chat_prompt_ids(transcript, role, template, vocabulary.tokenize))
        system = whole(chat_system_ids(transcript, template, vocabulary.tokenize))
        return Prompt(ids, len(system), len(ids))

    return Dialect(end, prompt, lambda _: [])
