"""The model card of a finished run: what was trained on what, how it did, how to use it.

RUN/README.md, in the form that the Hugging Face hub shows (metadata as YAML between two lines of dashes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "README.md"


def write_card(run: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the card of the run that `manifest` (its manifest.json) describes, and return its path."""
    recipe, stages = manifest["recipe"], manifest["stages"]
    parts = [
        _head(recipe),
        f"# {run.name}",
        "Adapters for [umi](https://arxiv.org/abs/2401.07324)'s three roles, planner, caller and summarizer: "
        f"{_what(recipe)} They are LoRA adapters of rank {recipe['lora']['rank']} for `{recipe['base']}`.",
        "## Data\n\n" + _data(stages),
        "## On held-out rows\n\n" + _results(stages),
        '## Use\n\n```\numi export bundle RUN --out BUNDLE\numi ask --models BUNDLE "…"\n```',
        "## Recipe\n\n```json\n" + json.dumps(recipe, indent=2, ensure_ascii=False) + "\n```",
    ]
    path = run / FILE
    part = path.with_name(FILE + ".part")
    part.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def _head(recipe: Mapping[str, Any]) -> str:
    return (
        f"---\nlibrary_name: peft\nbase_model: {json.dumps(recipe['base'])}\ntags: [umi, tool-use, lora]\n---"
    )


def _what(recipe: Mapping[str, Any]) -> str:
    method = recipe.get("method", "two-stage")
    kind = "activated LoRA over one frozen backbone" if recipe["adapter"] == "alora" else recipe["hand_over"]
    return f"method `{method}`, hand-over `{kind}`." if method.startswith("two") else f"method `{method}`."


def _data(stages: Mapping[str, Any]) -> str:
    lines = ["| stage | rows | tokens learnt | steps | minutes |", "|---|---|---|---|---|"]
    for name, stage in stages.items():
        minutes = stage["seconds"] / 60
        lines.append(
            f"| {name} | {stage['rows']:,} | {stage['targets']:,} | {stage['steps']:,} | {minutes:,.1f} |"
        )
    sources: dict[str, int] = {}
    for stage in stages.values():
        for source, count in stage.get("sources", {}).items():
            sources[source] = max(sources.get(source, 0), count)
    told = ", ".join(f"{source} ({count:,} rows)" for source, count in sorted(sources.items()))
    return "\n".join(lines) + (f"\n\nSources: {told}." if told else "")


def _results(stages: Mapping[str, Any]) -> str:
    lines = ["| stage | step kept | loss before | loss after | scores |", "|---|---|---|---|---|"]
    for name, stage in stages.items():
        before, after = stage["heldout_loss_before"], stage["heldout_loss"]
        scores = ", ".join(f"{metric} {value:.3f}" for metric, value in stage.get("scores", {}).items())
        kept = stage.get("kept_step", stage["steps"])
        lines.append(f"| {name} | {kept:,} | {_losses(before)} | {_losses(after)} | {scores or '-'} |")
    return "\n".join(lines)


def _losses(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{role} {loss:.3f}" for role, loss in losses.items()) or "-"
