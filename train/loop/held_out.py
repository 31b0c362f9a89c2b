"""Evaluation of a stage's model on held-out rows: its loss and its task scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.evaluation.tasks import Scores, baselines, primary_metric
from agent.prompting import Tokenize
from agent.transcript import ROLES, Row
from train.data.prompt_format import prompt_format_of
from train.data.views import View, view
from train.loop.batches import make_micro_batches
from train.loop.scoring import score_stage
from train.loop.trainer import Evaluation
from train.model.lora import LoraModel
from train.model.packing import Packed, pack
from train.recipe import STAGES, Recipe
from train.stored.rows import Rows

MAX_TURN_TOKENS = 160
"""Maximum length of a generated turn, in tokens."""


class HeldOutEvaluator:
    """Evaluates the model of a stage on held-out rows."""

    def __init__(
        self,
        model: LoraModel,
        stage: str,
        rows: Sequence[Row],
        recipe: Recipe,
        tokenize: Tokenize,
        *,
        generates: bool = True,
    ) -> None:
        """Without `generates` turns are not written, and evaluations have the loss alone."""
        self._model, self._stage, self._rows = model, stage, rows
        self._generates = generates
        self._recipe, self._tokenize = recipe, tokenize
        parts = ROLES if stage == STAGES[0] and recipe.method != "one-model" else (stage,)
        micro_batches = {
            part: self._micro_batches(stage_view(rows, part, stage, recipe, tokenize)) for part in parts
        }
        self._micro_batches_of = {part: batches for part, batches in micro_batches.items() if batches}

    @property
    def can_score(self) -> bool:
        """Whether the rows contain a target turn of the stage."""
        return bool(self._micro_batches_of)

    def losses(self) -> dict[str, float]:
        """Return the mean cross-entropy, in nats a label, of each role that the stage trains."""
        return {part: self._model.mean_loss(batches) for part, batches in self._micro_batches_of.items()}

    def evaluate(self) -> Evaluation:
        """Return the task scores and the mean loss, ranked by the primary metric, then by loss."""
        losses = self.losses()
        loss = sum(losses.values()) / len(losses)
        if not self._generates:
            return Evaluation(
                (-loss if math.isfinite(loss) else -math.inf,), {"loss": loss}, f"loss {loss:.4f}"
            )
        scores: Scores = score_stage(
            self._model,
            self._rows,
            self._stage,
            self._tokenize,
            self._recipe.markers,
            turns=self._recipe.evaluation_turns,
            max_new_tokens=MAX_TURN_TOKENS,
            max_length=self._recipe.max_length,
            max_batch_tokens=self._recipe.micro_batch_tokens,
            prompt_format=prompt_format_of(self._recipe.method, self._stage),
        )
        metrics = [primary_metric(self._stage), *(f"{role}.{primary_metric(role)}" for role in ROLES)]
        listed = [f"{name} {scores[name]:.3f}" for name in metrics if name in scores]
        rank = (scores.get(metrics[0], 0.0), -loss if math.isfinite(loss) else -math.inf)
        return Evaluation(rank, {**scores, "loss": loss}, "  ".join([*listed, f"loss {loss:.4f}"]))

    def baselines(self) -> Scores:
        """Return the scores of baselines without a model on the same turns."""
        return baselines(self._rows, self._stage, turns=self._recipe.evaluation_turns)

    def _micro_batches(self, stage_rows: View) -> list[list[Packed]]:
        size = self._recipe.micro_batch_tokens
        return make_micro_batches(list(pack(stage_rows.rows, size)), size)


def stage_view(rows: Rows, part: str, stage: str, recipe: Recipe, tokenize: Tokenize) -> View:
    """Return `rows` in the format of a stage, with the turns of `part` (`backbone` or a role) as targets."""
    return view(
        rows,
        part,
        tokenize,
        recipe.max_length,
        recipe.markers,
        by_turn=recipe.by_turn(stage),
        prompt_format=prompt_format_of(recipe.method, stage),
    )
