"""How well the model that is being trained does its task, on a sample of held-out turns.

Each turn is written after the reference's history, freely: no grammar holds the model, as one does in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.evaluation.tasks import EvalTask, Scores, combine_scores, sample_tasks, score_texts
from agent.prompting import CHATML, Markers, Tokenize, segment, segment_ids
from agent.prompting.encoding import load_detokenize
from agent.prompting.trimming import drop_oldest
from agent.transcript import (
    ENDINGS,
    ROLES,
    Row,
    Transcript,
)
from train.data.prompt_format import ASSISTANT, INFERENCE_FORMAT, PromptFormat
from train.model.generation import generate
from train.model.lora import LoraModel


def score_stage(
    model: LoraModel,
    rows: Sequence[Row],
    stage: str,
    tokenize: Tokenize,
    markers: Markers = CHATML,
    *,
    turns: int,
    most: int,
    max_length: int,
    max_tokens: int = 4096,
    prompt_format: PromptFormat = INFERENCE_FORMAT,
) -> Scores:
    """`score_role` of the role that a stage trains; of all three, `combine_scores`, for `backbone`.

    Empty where the rows hold no turn to score.
    """
    found = {
        role: score_role(
            model,
            rows,
            role,
            tokenize,
            markers,
            turns=turns,
            most=most,
            max_length=max_length,
            max_tokens=max_tokens,
            prompt_format=prompt_format,
        )
        for role in (ROLES if stage == "backbone" else (stage,))
    }
    return combine_scores(found) if stage == "backbone" else found[stage]


def score_role(
    model: LoraModel,
    rows: Sequence[Row],
    role: str,
    tokenize: Tokenize,
    markers: Markers = CHATML,
    *,
    turns: int,
    most: int,
    max_length: int,
    max_tokens: int = 4096,
    prompt_format: PromptFormat = INFERENCE_FORMAT,
    compat: bool = False,
) -> Scores:
    """What `role` gets right of at most `turns` of its turns in `rows`; empty where they hold none.

    A turn is written in at most `most` tokens. Its history loses its oldest steps where history and reference
    are longer than `max_length`, as in training; a turn that cannot be made to fit is left out. `max_tokens`
    bounds a batch, and `prompt_format` is that of the stage.
    """
    speaker = ASSISTANT if prompt_format.joined else prompt_format.names.get(role, role)
    header, close = tokenize(markers.header(speaker), True), tokenize(markers.close, True)

    def prompt(before: Transcript) -> list[int]:
        pieces = prompt_format.segments(before)
        return [*(i for piece in pieces for i in segment_ids(piece, tokenize, markers)), *header]

    chosen: list[EvalTask] = []
    prompts: list[list[int]] = []
    for case in sample_tasks(rows, role, turns):
        room = max_length - len(tokenize(segment(case.reference).content, False)) - len(close)
        history = drop_oldest(case.history, lambda shorter, room=room: len(prompt(shorter)) <= room)
        ids = prompt(history)
        if len(ids) <= room:
            chosen.append(replace(case, history=history))
            prompts.append(ids)
    read = load_detokenize(model.base)
    texts = [read(ids) for ids in generate(model, prompts, close[0], most, max_tokens=max_tokens)]
    if prompt_format.joined:
        texts = [part_of(text, role) for text in texts]
    return score_texts(role, chosen, texts, compat=compat)


def part_of(text: str, role: str) -> str:
    """What `role` would have written of the one assistant's `text`: thought and ending, or what follows them.

    Nothing, which is always wrong, where the assistant hands over to another role.
    """
    lines = text.split("\n")
    for at, line in enumerate(lines):
        ending = line.removeprefix("Next: ")
        if line != ending and ending in ENDINGS:
            if role == "planner":
                return "\n".join(lines[: at + 1])
            return "\n".join(lines[at + 1 :]) if ending == role else ""
    return text if role == "planner" else ""
