"""A finished run as a bundle that `umi` loads: merged, converted, compared, quantized, described.

Everything is made in a folder beside the bundle's and moved into its place at the end, so a bundle that is
there is whole.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.bundle import MANIFEST, Bundle, Sampling, load_bundle, write_bundle
from agent.encoding import load_tokenize
from agent.errors import InputError
from agent.transcript import ROLES, Role
from export.check import check_tokenizer, compare, marker_id, require_agreement, role_prompts
from export.convert import convert, read_config
from export.merge import MergeBase, merge
from export.native import opened
from export.quantize import quantize
from export.run import Run, load_run

Say = Callable[[str], None]
MAX_TOKENS: Mapping[Role, int] = {"planner": 256, "caller": 512, "summarizer": 512}
"""The longest turn of each role, in tokens."""
LONGEST_CONTEXT = 32768
"""Tokens a bundle declares at most, whatever its base could hold: the cache grows with it."""


@dataclass(frozen=True)
class Options:
    """What `umi export bundle` can be told."""

    types: Mapping[Role, str]
    """The quantization of each role."""
    name: str
    merge_base: MergeBase = "auto"
    grounded: Collection[Role] = ()
    """Roles whose digits are bound to those of the question and its observations."""
    context_length: int = 0
    """In tokens; 0 takes what the base was made for."""
    license: str = ""
    prompts: int = 8
    """Held-out prompts each file is compared on."""


def export_bundle(folder: Path, out: Path, options: Options, say: Say) -> Bundle:
    """Make a bundle of the run in `folder` at `out`, replacing a bundle that is there.

    Raises InputError where the run is not finished or `out` is something else, and UmiError where a file that
    was made does not say what its model says.
    """
    run, out = load_run(folder), out.resolve()
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there and no bundle", "give another --out, or remove it")
    declared = read_config(run.base)["max_position_embeddings"]
    if options.context_length > declared:
        raise InputError(
            f"--context is {options.context_length} and {run.base} was made for {declared} tokens",
            f"give at most {declared}",
        )
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        made: dict[str, Any] = {}
        for role in ROLES:
            made[role] = export_role(run, role, part, options, say)
        write_bundle(
            part,
            name=options.name,
            context_length=options.context_length or min(declared, LONGEST_CONTEXT),
            files={role: made[role]["file"] for role in ROLES},
            sampling={role: Sampling(max_tokens=MAX_TOKENS[role]) for role in ROLES},
            grounded=options.grounded,
            markers=run.markers,
            license=options.license,
            recipe={**run.recipe, "inputs": run.inputs},
            metrics={"train": run.stages, "export": made},
        )
        move(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return load_bundle(out, verify=True)


def export_role(run: Run, role: Role, part: Path, options: Options, say: Say) -> dict[str, Any]:
    """Make a role's file in `part` and return what is to be known of it."""
    merged = merge(run, role, options.merge_base)
    tried = ", ".join(f"{name} {loss:.4f}" for name, loss in merged.losses.items())
    say(f"{role}: merged into {merged.merge_base} weights" + (f" (held-out loss: {tried})" if tried else ""))
    checkpoint, full = part / "checkpoint", part / f"{role}-f32.gguf"
    merged.model.save_pretrained(checkpoint)
    for file in (*run.base.glob("tokenizer*.json"), *run.base.glob("chat_template.jinja")):
        shutil.copy(file, checkpoint)
    convert(checkpoint, full, "f32", name=f"{options.name}-{role}", end=run.markers.close)
    shutil.rmtree(checkpoint)
    with opened(full, 64) as native:
        texts = check_tokenizer(native, run.base)
    tokenize, end = load_tokenize(run.base), marker_id(run.base, run.markers)
    prompts = role_prompts(run.held_out(), role, tokenize, run.markers, options.prompts)
    exact = compare(full, merged.model, prompts, end)
    require_agreement(exact, full)
    say(
        f"{role}: GGUF equals its model on {exact.agreed} of {exact.positions} tokens,"
        f" {exact.near_ties} near-ties set aside; {texts} tokenizations equal"
    )
    kind = options.types[role]
    made, found = full, exact
    if kind != "f32":
        made = quantize(full, part / f"{role}-{kind}.gguf", kind)
        full.unlink()
        found = compare(made, merged.model, prompts, end)
        say(
            f"{role}: {kind}, {made.stat().st_size / 1e6:.1f} MB, agrees on {found.agreed} of"
            f" {found.positions - found.near_ties} clear tokens"
        )
    return {
        "file": made.name,
        "type": kind,
        "merge_base": merged.merge_base,
        "heldout_loss": merged.losses,
        "f32": dataclasses.asdict(exact),
        "quantized": dataclasses.asdict(found),
    }


def move(part: Path, out: Path) -> None:
    """Put `part` in the place of `out`; the old folder is there until the new one is."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)
