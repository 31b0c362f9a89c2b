"""Task scores of the model in training, on a sample of held-out turns.

Each turn is generated after the reference history, without the grammar that constrains it at inference.
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
from train.model.lora import LoraModel


def score_stage(
    model: LoraModel,
    rows: Sequence[Row],
    stage: str,
    tokenize: Tokenize,
    markers: Markers = CHATML,
    *,
    turns: int,
    max_new_tokens: int,
    max_length: int,
    max_batch_tokens: int = 4096,
    prompt_format: PromptFormat = INFERENCE_FORMAT,
) -> Scores:
    """Return the scores of the role that a stage trains, or of all three roles for `backbone`.

    Empty where the rows hold no turn to score. The parameters are those of `score_role`.
    """
    scores = {
        role: score_role(
            model,
            rows,
            role,
            tokenize,
            markers,
            turns=turns,
            max_new_tokens=max_new_tokens,
            max_length=max_length,
            max_batch_tokens=max_batch_tokens,
            prompt_format=prompt_format,
        )
        for role in (ROLES if stage == "backbone" else (stage,))
    }
    return combine_scores(scores) if stage == "backbone" else scores[stage]


def score_role(
    model: LoraModel,
    rows: Sequence[Row],
    role: str,
    tokenize: Tokenize,
    markers: Markers = CHATML,
    *,
    turns: int,
    max_new_tokens: int,
    max_length: int,
    max_batch_tokens: int = 4096,
    prompt_format: PromptFormat = INFERENCE_FORMAT,
    compat: bool = False,
) -> Scores:
    """Return the scores of `role` on at most `turns` of its turns in `rows`; empty where they hold none.

    A turn is generated in at most `max_new_tokens` tokens. Its history is trimmed where history and reference
    are longer than `max_length`, as in training; a turn that still does not fit is left out.
    `max_batch_tokens` bounds a batch of prompts, and `prompt_format` is that of the stage.
    """
    header_role = ASSISTANT if prompt_format.joined else prompt_format.names.get(role, role)
    header, close = tokenize(markers.header(header_role), True), tokenize(markers.close, True)

    def prompt(before: Transcript) -> list[int]:
        pieces = prompt_format.segments(before)
        return [*(i for piece in pieces for i in segment_ids(piece, tokenize, markers)), *header]

    tasks: list[EvalTask] = []
    prompts: list[list[int]] = []
    for task in sample_tasks(rows, role, turns):
        max_prompt = max_length - len(tokenize(segment(task.reference).content, False)) - len(close)
        history = drop_oldest(task.history, lambda shorter, most=max_prompt: len(prompt(shorter)) <= most)
        ids = prompt(history)
        if len(ids) <= max_prompt:
            tasks.append(replace(task, history=history))
            prompts.append(ids)
    detokenize = load_detokenize(model.base)
    generated = model.generate(prompts, close[0], max_new_tokens, max_batch_tokens=max_batch_tokens)
    texts = [detokenize(ids) for ids in generated]
    if prompt_format.joined:
        texts = [role_part(text, role) for text in texts]
    return score_texts(role, tasks, texts, compat=compat)


def role_part(text: str, role: str) -> str:
    """Return the part of `role` in a turn of the one assistant: thought and ending, or what follows them.

    Return an empty text, which is always wrong, where the assistant hands over to another role.
    """
    lines = text.split("\n")
    for at, line in enumerate(lines):
        ending = line.removeprefix("Next: ")
        if line != ending and ending in ENDINGS:
            if role == "planner":
                return "\n".join(lines[: at + 1])
            return "\n".join(lines[at + 1 :]) if ending == role else ""
    return text if role == "planner" else ""
