"""The merged layout: each role's adapter folded into weights of its own, one GGUF file a role."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.check import Agreement, check_tokenizer, compare, marker_id, require_agreement, role_prompts
from export.convert import convert
from export.merge import Merged, merge
from export.native import opened
from export.options import Made, Options, Say
from export.quantize import quantize
from export.run import Run


def export_merged(run: Run, part: Path, options: Options, say: Say) -> Made:
    """Make the three models of a run of plain adapters in `part`.

    Raises UmiError where one does not say what its model says.
    """
    made = {role: export_model(run, role, [role], options.types[role], part, options, say) for role in ROLES}
    return Made({role: made[role]["file"] for role in ROLES}, None, made)


def export_model(
    run: Run, stage: str, roles: Sequence[Role], kind: str, part: Path, options: Options, say: Say
) -> dict[str, Any]:
    """Make a stage's model in `part`, in the quantization `kind`, and return what is to be known of it.

    It is compared on prompts of the `roles` that it plays. Raises UmiError where it does not say what its
    model says.
    """
    merged = merge(run, stage, options.merge_base)
    full, texts = write_full(merged, run, stage, part, options, say)
    tokenize, end = load_tokenize(run.base), marker_id(run.base, run.markers)
    rows = run.held_out()
    prompts = [
        prompt
        for role in roles
        for prompt in role_prompts(rows, role, tokenize, run.markers, options.prompts)
    ]
    exact = compare(full, merged.model, prompts, end)
    require_agreement(exact, full)
    say(f"{stage}: GGUF equals its model on {told(exact)}; {texts} tokenizations equal")
    made, found = full, exact
    if kind != "f32":
        made = quantize(full, part / f"{stage}-{kind}.gguf", kind)
        full.unlink()
        found = compare(made, merged.model, prompts, end)
        say(f"{stage}: {kind}, {size_of(made)}, {agreement(found)}")
    return {
        "file": made.name,
        "type": kind,
        "merge_base": merged.merge_base,
        "heldout_loss": merged.losses,
        "f32": dataclasses.asdict(exact),
        "quantized": dataclasses.asdict(found),
    }


def write_full(
    merged: Merged, run: Run, stage: str, part: Path, options: Options, say: Say
) -> tuple[Path, int]:
    """Write a merged model to `part` in f32; returns the file and how many tokenizations were compared."""
    tried = ", ".join(f"{name} {loss:.4f}" for name, loss in merged.losses.items())
    say(f"{stage}: merged into {merged.merge_base} weights" + (f" (held-out loss: {tried})" if tried else ""))
    checkpoint, full = part / "checkpoint", part / f"{stage}-f32.gguf"
    merged.model.save_pretrained(checkpoint)
    for file in (*run.base.glob("tokenizer*.json"), *run.base.glob("chat_template.jinja")):
        shutil.copy(file, checkpoint)
    convert(checkpoint, full, "f32", name=f"{options.name}-{stage}", end=run.markers.close)
    shutil.rmtree(checkpoint)
    with opened(full, 64) as native:
        return full, check_tokenizer(native, run.base)


def told(exact: Agreement) -> str:
    """An f32 comparison as progress tells it."""
    return f"{exact.agreed} of {exact.positions} tokens, {exact.near_ties} near-ties set aside"


def agreement(found: Agreement) -> str:
    """A quantized file's comparison as progress tells it."""
    return f"agrees on {found.agreed} of {found.positions - found.near_ties} clear tokens"


def size_of(file: Path) -> str:
    """A file's size for people."""
    return f"{file.stat().st_size / 1e6:.1f} MB"
