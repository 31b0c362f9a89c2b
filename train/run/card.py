"""The model card of a finished run: its data, its results on held-out rows, and how to use it.

RUN/README.md, as the Hugging Face hub shows it (metadata as YAML between two lines of dashes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.paths import write_atomically
from train.run.files import CARD


def write_card(run: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the card of the run that `manifest` (its manifest.json) describes; return its path."""
    recipe, stages = manifest["recipe"], manifest["stages"]
    parts = [
        _metadata(recipe),
        f"# {run.name}",
        "Adapters for [umi](https://arxiv.org/abs/2401.07324)'s three roles, planner, caller and summarizer: "
        f"{_method(recipe)} They are LoRA adapters of rank {recipe['lora']['rank']} for `{recipe['base']}`.",
        "## Data\n\n" + _data(stages),
        "## On held-out rows\n\n" + _results(stages),
        '## Use\n\n```\numi export bundle RUN --out BUNDLE\numi ask --models BUNDLE "…"\n```',
        "## Recipe\n\n```json\n" + json.dumps(recipe, indent=2, ensure_ascii=False) + "\n```",
    ]
    write_atomically(run / CARD, "\n\n".join(parts) + "\n")
    return run / CARD


def _metadata(recipe: Mapping[str, Any]) -> str:
    return (
        f"---\nlibrary_name: peft\nbase_model: {json.dumps(recipe['base'])}\ntags: [umi, tool-use, lora]\n---"
    )


def _method(recipe: Mapping[str, Any]) -> str:
    method = recipe.get("method", "two-stage")
    kind = "activated LoRA over one frozen backbone" if recipe["adapter"] == "alora" else recipe["hand_over"]
    return f"method `{method}`, hand-over `{kind}`." if method.startswith("two") else f"method `{method}`."


def _data(stages: Mapping[str, Any]) -> str:
    lines = ["| stage | rows | target tokens | steps | minutes |", "|---|---|---|---|---|"]
    for name, stage in stages.items():
        minutes = stage["seconds"] / 60
        lines.append(
            f"| {name} | {stage['rows']:,} | {stage['targets']:,} | {stage['steps']:,} | {minutes:,.1f} |"
        )
    sources: dict[str, int] = {}
    for stage in stages.values():
        for source, count in stage.get("sources", {}).items():
            sources[source] = max(sources.get(source, 0), count)
    listed = ", ".join(f"{source} ({count:,} rows)" for source, count in sorted(sources.items()))
    return "\n".join(lines) + (f"\n\nSources: {listed}." if listed else "")


def _results(stages: Mapping[str, Any]) -> str:
    losses = ["| stage | step kept | loss before | loss after |", "|---|---|---|---|"]
    scores = ["| stage | measure | score | without a model |", "|---|---|---|---|"]
    for name, stage in stages.items():
        before, after = stage["heldout_loss_before"], stage["heldout_loss"]
        losses.append(f"| {name} | {stage['kept_step']:,} | {_losses(before)} | {_losses(after)} |")
        for measure, value in stage["scores"].items():
            if measure != "loss":
                baseline = stage["baselines"].get(measure)
                without_model = "" if baseline is None else f"{baseline:.3f}"
                scores.append(f"| {name} | {measure} | {value:.3f} | {without_model} |")
    tables = [losses, scores] if len(scores) > 2 else [losses]
    note = (
        "Without a model: always calling; the first tool, or the right one without arguments; the last"
        " observation again. Turns are written freely, without the grammars that hold them in use."
    )
    return "\n\n".join(["\n".join(table) for table in tables] + [note] * (len(tables) - 1))


def _losses(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{role} {loss:.3f}" for role, loss in losses.items()) or "-"
