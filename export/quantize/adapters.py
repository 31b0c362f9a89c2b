"""Choosing the type of the adapters in a bundle of deltas: the smallest that costs no role any score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.evaluation.tasks import primary_metric
from export.gguf.adapter import AdapterType
from export.job import ExportJob
from export.quantize.selection import LimitExceededError, Selection

_SMALLER: Sequence[AdapterType] = ("q4_0", "q8_0")
"""The types that `auto` tries, the smallest first, in comparison with f16."""

Attempt = Callable[[AdapterType, Sequence[str]], Selection]
"""Puts a stage's model, built of its adapters in a type, into the bundle in one of some quantizations."""


def select_adapter_type(
    job: ExportJob, stage: str, types: Sequence[str], attempt: Attempt
) -> tuple[AdapterType, Selection]:
    """Return the type of a stage's adapters and the selection of the model that is built of them.

    With `auto`, a model of f16 adapters is quantized to the first of `types` within the limits; smaller
    adapters have to make a model of that type that is within the limits and scores no less on the held-out
    turns, which there have to be. Raise LimitExceededError as `select_quantization` does.
    """
    wanted = job.options.adapter_type
    if wanted != "auto":
        return wanted, attempt(wanted, types)
    selection = attempt("f16", types)
    if not all(divergence.cases for divergence in selection.best.divergences.values()):
        return "f16", selection
    file = selection.best.file
    aside = file.rename(job.build.scratch / f"{file.name}.f16-adapters")
    for kind in _SMALLER:
        try:
            smaller = attempt(kind, [selection.best.type])
        except LimitExceededError as error:
            job.say(f"{stage}: not with adapters in {kind}: {error.what}")
            continue
        if fallen := _fallen_scores(selection, smaller):
            job.say(f"{stage}: not with adapters in {kind}: {fallen}")
            smaller.best.file.unlink()
            continue
        aside.unlink()
        job.say(f"{stage}: adapters in {kind} cost nothing of its score")
        return kind, smaller
    aside.rename(file)
    return "f16", selection


def _fallen_scores(full: Selection, smaller: Selection) -> str:
    """Return the first score that is lower in `smaller`, for a message; empty if none is."""
    for role, divergence in smaller.best.divergences.items():
        metric = primary_metric(role)
        score, before = divergence.scores[metric], full.best.divergences[role].scores[metric]
        if score < before:
            return f"{metric} of {score:.3f} as the {role}, and {before:.3f} in f16"
    return ""
