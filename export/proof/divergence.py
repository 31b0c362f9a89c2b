"""What quantizing costs a role: divergence, agreement and task scores against its unquantized model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.evaluation.tasks import Scores, primary_metric, score_texts
from agent.transcript import Role
from export.options import Limits, Say
from export.progress import ThrottledProgress
from export.proof.gguf_model import GgufModel, open_gguf
from export.proof.reference import LONGEST_TURN, Reference, Written

_LEAST_TURNS_LOST = 1.5
"""One turn that turns out otherwise is chance, not a loss."""


@dataclass(frozen=True)
class Divergence:
    """How a quantized file compares with the unquantized model."""

    positions: int
    """Tokens of the unquantized model's own texts, which both were led along."""
    agreed: int
    """Positions where both like the same token best."""
    kl: float
    """Mean over positions of KL(unquantized ‖ quantized), the Kullback-Leibler divergence, in nats."""
    largest_kl: float
    cases: int
    """Held-out turns that both wrote by themselves."""
    scores: Scores = field(default_factory=dict)
    """What the quantized file gets right of them, as `agent.evaluation.tasks.score_texts` tells it."""
    full_scores: Scores = field(default_factory=dict)
    """The same of the unquantized model."""

    @property
    def top1(self) -> float:
        """The share of positions where both like the same token best."""
        return self.agreed / self.positions


def diverge(
    reference: Reference,
    gguf_file: Path,
    detokenize: Callable[[Sequence[int]], str],
    say: Say,
    adapter: Path | None = None,
) -> Divergence:
    """Compare a GGUF file, with an activated adapter where there is one, with what torch wrote."""
    divergences: list[NDArray[np.float64]] = []
    agreed = 0
    texts: list[Sequence[int]] = []
    progress = ThrottledProgress(say)
    with open_gguf(gguf_file, reference.longest, adapter) as gguf_model:
        for written in reference:
            ours = gguf_model.logits(written.ids, written.first, adapter_start=written.adapter_start)
            best = ours.argmax(-1)
            divergences.append(kl_divergence(written.logits, ours))
            agreed += int((best == np.array(written.text)).sum())
            texts.append(_own_text(gguf_model, written, best, reference.end))
            progress(
                f"{reference.role}: {gguf_file.name}, {len(texts)} of {len(reference.prompts)} turns compared"
            )
    kl = np.concatenate(divergences)
    cases = [prompt.case for prompt in reference.prompts if prompt.case]

    def scores(said: Sequence[Sequence[int]]) -> Scores:
        plain = [text[:-1] if text[-1] == reference.end else text for text in said]
        return score_texts(reference.role, cases, [detokenize(text) for text in plain]) if cases else {}

    return Divergence(
        positions=len(kl),
        agreed=agreed,
        kl=float(kl.mean()),
        largest_kl=float(kl.max()),
        cases=len(cases),
        scores=scores(texts),
        full_scores=scores(reference.texts),
    )


def kl_divergence(full: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """KL(full ‖ other) in nats of each row of logits, [rows, vocabulary] to [rows]; never below 0."""
    p, q = _log_softmax(full), _log_softmax(other)
    return np.maximum((np.exp(p) * (p - q)).sum(-1), 0.0)


@dataclass(frozen=True)
class Loss:
    """A figure beyond its limit, and the value of an option that accepts it."""

    figure: str
    option: str
    accepted: float


def losses(role: Role, found: Divergence, limits: Limits) -> list[Loss]:
    """What is lost beyond `limits`; empty where nothing is."""
    lost = []
    if not found.kl <= limits.kl:
        figure = f"a KL divergence of {found.kl:.2g} nats a token, over {limits.kl:g}"
        lost.append(Loss(figure, "--max-kl", _above(found.kl)))
    name = primary_metric(role)
    if found.scores:
        before, after = found.full_scores[name], found.scores[name]
        drop = before - after
        if drop > limits.drop and drop * found.cases > _LEAST_TURNS_LOST:
            figure = f"{name} of {after:.2f} against {before:.2f} unquantized, a loss over {limits.drop:g}"
            lost.append(Loss(figure, "--max-drop", _above(drop)))
    return lost


def _above(figure: float) -> float:
    """A limit that `figure` keeps, with two digits."""
    return float(f"{figure * 1.1:.2g}")


def _own_text(gguf_model: GgufModel, written: Written, best: NDArray[np.int64], end: int) -> list[int]:
    """What the file writes after a prompt: torch's text as far as it likes the same best, then its own."""
    text = list(written.text)
    other = np.flatnonzero(best != np.array(text))
    if not len(other):
        return text
    text = [*text[: other[0]], int(best[other[0]])]
    while text[-1] != end and len(text) < LONGEST_TURN:
        ids = [*written.prompt.ids, *text]
        (last,) = gguf_model.logits(ids, len(ids) - 1, adapter_start=written.adapter_start)
        text.append(int(last.argmax()))
    return text


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
