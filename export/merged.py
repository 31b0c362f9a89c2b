"""The merged layout: each role's adapter folded into weights of its own, one GGUF file a role."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.check import Agreement, check_tokenizer, compare, marker_id, require_agreement, role_prompts
from export.convert import convert
from export.merge import Merged, load_model, merge
from export.merged_checkpoint import read_updates
from export.native import opened
from export.options import Made, Options, Say
from export.quantize import quantize
from export.run import Run, sha256
from export.work import Work, hash_of


@dataclass(frozen=True)
class Full:
    """A stage's model before it is quantized, in torch and as a GGUF file that was proven to say the same."""

    stage: str
    model: Any
    """A transformers causal LM in float32."""
    file: Path
    """The GGUF file in f32, in the work folder's scratch."""
    merged: Merged
    exact: Agreement
    prompts: Sequence[Sequence[int]]
    """What both were compared on."""
    end: int
    """The id of the token that ends a turn."""


def export_merged(run: Run, work: Work, options: Options, say: Say) -> Made:
    """Make the three models of a run of plain adapters; roles that are finished in `work` stay as they are.

    Raises UmiError where one does not say what its model says.
    """
    for role in ROLES:
        read_updates(run, role)  # a mistake in the last role shows before the first is made
    for role in ROLES:
        if role in work.finished:
            file = work.bundle / work.finished[role]["file"]
            say(f"{role}: {file.name}, {size_of(file)}, was made before")
        else:
            work.finish(role, export_model(run, role, [role], options.types[role], work, options, say))
    files: dict[Role, str] = {role: work.finished[role]["file"] for role in ROLES}
    return Made(files, None, {role: work.finished[role] for role in ROLES})


def role_keys(run: Run, options: Options, base: Mapping[str, str]) -> dict[str, str]:
    """For each role a hash of all that decides its file. `base` holds the hashes of the base's files."""
    held_out = sha256(run.folder / "heldout.jsonl")
    keys = {}
    for role in ROLES:
        adapters = [
            sha256(folder / name)
            for folder in run.adapters(role)
            for name in ("adapter_config.json", "adapter_model.safetensors")
        ]
        told = options.types[role], options.merge_base, options.name, options.prompts
        keys[role] = hash_of([dict(run.recipe), run.stages[role], base, adapters, held_out, told])
    return keys


def export_model(
    run: Run, stage: str, roles: Sequence[Role], kind: str, work: Work, options: Options, say: Say
) -> dict[str, Any]:
    """Make a stage's model in the quantization `kind`, and return what is to be known of it.

    It is compared on prompts of the `roles` that it plays. Raises UmiError where it does not say what its
    model says.
    """
    full = make_full(run, stage, roles, work, options, say)
    file, found = make_quantized(full, kind, work, say)
    full.file.unlink(missing_ok=True)
    return describe(full, file, kind, found)


def make_full(run: Run, stage: str, roles: Sequence[Role], work: Work, options: Options, say: Say) -> Full:
    """Merge a stage's adapters, convert the model to f32 and prove that it says what torch's does.

    It is compared on prompts of `roles`. Raises UmiError where it says something else.
    """
    merged = merge(run, stage, options.merge_base, work.scratch, say)
    tried = ", ".join(f"{name} {loss:.4f}" for name, loss in merged.losses.items())
    say(f"{stage}: merged into {merged.merge_base} weights" + (f" (held-out loss: {tried})" if tried else ""))
    file = work.scratch / f"{stage}-f32.gguf"
    convert(merged.folder, file, "f32", name=f"{options.name}-{stage}", end=run.markers.close, say=say)
    with opened(file, 64) as native:
        texts = check_tokenizer(native, run.base)
    model = load_model(merged.folder)
    shutil.rmtree(merged.folder)
    tokenize, end = load_tokenize(run.base), marker_id(run.base, run.markers)
    rows = run.held_out()
    prompts = [
        prompt
        for role in roles
        for prompt in role_prompts(rows, role, tokenize, run.markers, options.prompts)
    ]
    exact = compare(file, model, prompts, end)
    require_agreement(exact, file)
    say(f"{stage}: GGUF of {size_of(file)} equals its model on {told(exact)}; {texts} tokenizations equal")
    return Full(stage, model, file, merged, exact, prompts, end)


def make_quantized(full: Full, kind: str, work: Work, say: Say) -> tuple[Path, Agreement]:
    """Put a model into the bundle in the quantization `kind`, and compare it with torch's again.

    The f32 file is moved there where that is asked for, else it stays in place.
    """
    file = work.bundle / f"{full.stage}-{kind}.gguf"
    if kind == "f32":
        return full.file.replace(file), full.exact
    quantize(full.file, work.scratch / file.name, kind).replace(file)
    found = compare(file, full.model, full.prompts, full.end)
    say(f"{full.stage}: {kind}, {size_of(file)}, {agreement(found)}")
    return file, found


def describe(full: Full, file: Path, kind: str, found: Agreement) -> dict[str, Any]:
    """What a bundle's metrics say of a model."""
    return {
        "file": file.name,
        "type": kind,
        "merge_base": full.merged.merge_base,
        "heldout_loss": full.merged.losses,
        "f32": dataclasses.asdict(full.exact),
        "quantized": dataclasses.asdict(found),
    }


def told(exact: Agreement) -> str:
    """An f32 comparison as progress tells it."""
    return f"{exact.agreed} of {exact.positions} tokens, {exact.near_ties} near-ties set aside"


def agreement(found: Agreement) -> str:
    """A quantized file's comparison as progress tells it."""
    return f"agrees on {found.agreed} of {found.positions - found.near_ties} clear tokens"


def size_of(file: Path) -> str:
    """A file's size for people."""
    return f"{file.stat().st_size / 1e6:.1f} MB"
