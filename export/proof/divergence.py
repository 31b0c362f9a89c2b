"""The cost of quantizing: KL divergence, top-1 agreement and task scores against the unquantized model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.evaluation.tasks import Scores, primary_metric, score_texts
from agent.llama.binding.gguf_model import GgufModel, open_gguf
from agent.transcript import Role
from export.options import Limits, Say
from export.progress import ThrottledProgress
from export.proof.reference import MAX_TURN_TOKENS, GeneratedTurn, Reference

_MIN_TURNS_LOST = 1.5
"""A drop in score worth at most this many turns is within the limits: one turn may be chance."""


@dataclass(frozen=True)
class Divergence:
    """How a quantized file compares with the unquantized model."""

    positions: int
    """Tokens of the unquantized model's turns; both models' logits are compared at each of them."""
    agreed: int
    """Positions where both models rank the same token first."""
    kl: float
    """Mean over positions of KL(unquantized ‖ quantized), the Kullback-Leibler divergence, in nats."""
    largest_kl: float
    """Largest KL divergence at a position, in nats."""
    cases: int
    """Held-out turns that both models generated and that are scored."""
    scores: Scores = field(default_factory=dict)
    """Scores of the quantized file on those turns; see `agent.evaluation.tasks.score_texts`."""
    full_scores: Scores = field(default_factory=dict)
    """Scores of the unquantized model on the same turns."""

    @property
    def top1(self) -> float:
        """The share of positions where both models rank the same token first."""
        return self.agreed / self.positions


def measure_divergence(
    reference: Reference,
    gguf_file: Path,
    detokenize: Callable[[Sequence[int]], str],
    say: Say,
    adapter: Path | None = None,
) -> Divergence:
    """Compare a GGUF file, with an activated `adapter` if given, with torch's reference turns.

    `detokenize` turns token ids into the text that is scored.
    """
    divergences: list[NDArray[np.float64]] = []
    agreed = 0
    texts: list[Sequence[int]] = []
    progress = ThrottledProgress(say)
    with open_gguf(gguf_file, reference.longest, adapter) as gguf_model:
        for turn in reference:
            logits = gguf_model.logits(turn.ids, turn.first, adapter_start=turn.adapter_start)
            best = logits.argmax(-1)
            divergences.append(kl_divergence(turn.logits, logits))
            agreed += int((best == np.array(turn.text)).sum())
            texts.append(_generate_turn(gguf_model, turn, best, reference.end))
            progress(
                f"{reference.role}: {gguf_file.name}, {len(texts)} of {len(reference.prompts)} turns compared"
            )
    kl = np.concatenate(divergences)
    cases = [prompt.case for prompt in reference.prompts if prompt.case]

    def scores(turns: Sequence[Sequence[int]]) -> Scores:
        contents = [ids[:-1] if ids[-1] == reference.end else ids for ids in turns]
        return score_texts(reference.role, cases, [detokenize(ids) for ids in contents]) if cases else {}

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
    """Return KL(full ‖ other) of each row of logits, in nats, at least 0: (rows, vocabulary) to (rows,)."""
    p, q = _log_softmax(full), _log_softmax(other)
    return np.maximum((np.exp(p) * (p - q)).sum(-1), 0.0)


@dataclass(frozen=True)
class ExceededLimit:
    """A measured figure that exceeds its limit."""

    figure: str
    """The figure and its limit, for a message."""
    option: str
    """The command line option that sets the limit."""
    accepted: float
    """A value of the option that accepts the figure."""


def exceeded_limits(role: Role, divergence: Divergence, limits: Limits) -> list[ExceededLimit]:
    """Return which of `limits` a role's quantized file exceeds; a NaN exceeds every limit."""
    exceeded = []
    if not divergence.kl <= limits.kl:
        figure = f"a KL divergence of {divergence.kl:.2g} nats a token, over {limits.kl:g}"
        exceeded.append(ExceededLimit(figure, "--max-kl", _accepted_limit(divergence.kl)))
    name = primary_metric(role)
    if divergence.scores:
        full, quantized = divergence.full_scores[name], divergence.scores[name]
        drop = full - quantized
        if drop > limits.drop and drop * divergence.cases > _MIN_TURNS_LOST:
            figure = f"{name} of {quantized:.2f} against {full:.2f} unquantized, a loss over {limits.drop:g}"
            exceeded.append(ExceededLimit(figure, "--max-drop", _accepted_limit(drop)))
    return exceeded


def _accepted_limit(value: float) -> float:
    """Return a limit about a tenth above `value`, rounded to two significant digits."""
    return float(f"{value * 1.1:.2g}")


def _generate_turn(
    gguf_model: GgufModel, turn: GeneratedTurn, best: NDArray[np.int64], end: int
) -> list[int]:
    """Return the ids that a GGUF model generates greedily after a turn's prompt.

    `best` holds its best token at each position of torch's turn, so only what follows the first difference
    has to be generated.
    """
    text = list(turn.text)
    differing = np.flatnonzero(best != np.array(text))
    if not len(differing):
        return text
    text = [*text[: differing[0]], int(best[differing[0]])]
    while text[-1] != end and len(text) < MAX_TURN_TOKENS:
        ids = [*turn.prompt.ids, *text]
        (last,) = gguf_model.logits(ids, len(ids) - 1, adapter_start=turn.adapter_start)
        text.append(int(last.argmax()))
    return text


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log-probabilities of each row of logits, computed in float64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
