"""How a stage's model does on held-out rows: its loss, and the task itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.evaluation.tasks import Scores, baselines, primary_metric
from agent.prompting import Tokenize
from agent.transcript import ROLES, Row
from train.data.prompt_format import prompt_format_of
from train.data.views import View, view
from train.loop.batches import fill
from train.loop.loop import Scored
from train.loop.scoring import score_stage
from train.model.lora import LoraModel
from train.model.packing import Packed, pack
from train.recipe import STAGES, Recipe

LONGEST_TURN = 160
"""Tokens that a turn may have in a trial; a longer one is cut off there, and so is hardly right."""


class HeldOutEvaluation:
    """The held-out rows of a stage, and the model to try on them."""

    def __init__(
        self, model: LoraModel, stage: str, rows: Sequence[Row], recipe: Recipe, tokenize: Tokenize
    ) -> None:
        self._model, self._stage, self._rows = model, stage, rows
        self._recipe, self._tokenize = recipe, tokenize
        parts = ROLES if stage == STAGES[0] and recipe.method != "one-model" else (stage,)
        passes = {part: self._passes(stage_view(rows, part, stage, recipe, tokenize)) for part in parts}
        self._passes_of = {part: batches for part, batches in passes.items() if batches}

    @property
    def can_score(self) -> bool:
        """Whether the rows hold a turn that the stage learns."""
        return bool(self._passes_of)

    def losses(self) -> dict[str, float]:
        """The mean loss a label of each role that the stage learns."""
        return {part: self._model.mean_loss(batches) for part, batches in self._passes_of.items()}

    def scored(self) -> Scored:
        """The task's measures and the mean loss. The first of them ranks, the loss decides between equals."""
        losses = self.losses()
        loss = sum(losses.values()) / len(losses)
        scores: Scores = score_stage(
            self._model,
            self._rows,
            self._stage,
            self._tokenize,
            self._recipe.markers,
            turns=self._recipe.evaluation_turns,
            most=LONGEST_TURN,
            max_length=self._recipe.max_length,
            max_tokens=self._recipe.micro_batch_tokens,
            prompt_format=prompt_format_of(self._recipe.method, self._stage),
        )
        firsts = [primary_metric(self._stage), *(f"{role}.{primary_metric(role)}" for role in ROLES)]
        told = [f"{name} {scores[name]:.3f}" for name in firsts if name in scores]
        rank = (scores.get(firsts[0], 0.0), -loss if math.isfinite(loss) else -math.inf)
        return Scored(rank, {**scores, "loss": loss}, "  ".join([*told, f"loss {loss:.4f}"]))

    def baselines(self) -> Scores:
        """What needs no model scores on the same turns."""
        return baselines(self._rows, self._stage, turns=self._recipe.evaluation_turns)

    def _passes(self, seen: View) -> list[list[Packed]]:
        size = self._recipe.micro_batch_tokens
        return fill(list(pack(seen.rows, size)), size)


def stage_view(rows: Sequence[Row], part: str, stage: str, recipe: Recipe, tokenize: Tokenize) -> View:
    """`rows` as a stage reads them, with the turns of `part` (`backbone` or a role) to learn."""
    return view(
        rows,
        part,
        tokenize,
        recipe.max_length,
        recipe.markers,
        by_turn=recipe.by_turn(stage),
        prompt_format=prompt_format_of(recipe.method, stage),
    )
