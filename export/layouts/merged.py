"""The merged and single layouts: adapters folded into weights, a GGUF file for each role or one for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.transcript import ROLES, Role
from export.build_folder import hash_of
from export.card.provenance import adapter_files
from export.job import ExportJob
from export.layouts.unquantized import Proof, build_unquantized, importance, prove, size_of
from export.merge.lora import read_updates
from export.options import LayoutFiles, Options
from export.proof.divergence import Divergence, losses
from export.proof.report import describe, describe_stage
from export.quantize.select import choose, ladder, one_type
from export.run import BACKBONE, Run, sha256


def export_merged(job: ExportJob) -> LayoutFiles:
    """Make the three models of a run of plain adapters; roles that are finished before stay as they are.

    Raises UmiError where one does not say what its model says, or loses too much when quantized.
    """
    for role in ROLES:
        read_updates(job.run, role)  # a mistake in the last role shows before the first is made
    finished = job.work.finished
    for role in ROLES:
        if role in finished and not _holds(job, role, finished[role]):
            job.work.discard(role)
        if role in finished:
            file = job.work.bundle / finished[role]["file"]
            job.say(f"{role}: {file.name}, {size_of(file)}, was made before")
        else:
            job.work.finish(role, _export(job, role, [role], job.options.types[role])[role])
    return LayoutFiles({role: finished[role]["file"] for role in ROLES}, None, finished)


def export_single(job: ExportJob) -> LayoutFiles:
    """Make the one model of a run whose one adapter plays all roles, told apart by the headers.

    Raises InputError where several quantizations are asked for, and UmiError as `export_merged` does.
    """
    made = _export(job, BACKBONE, ROLES, one_type(job.options.types, "single"))
    return LayoutFiles({role: made[role]["file"] for role in ROLES}, None, made)


def role_keys(run: Run, options: Options, base: Mapping[str, str]) -> dict[str, str]:
    """For each role a hash of what decides its file, but for the limits; `base` holds its base's hashes."""
    held_out = sha256(run.folder / "heldout.jsonl")
    imatrix = str(options.imatrix) if isinstance(options.imatrix, str) else sha256(options.imatrix)
    keys = {}
    for role in ROLES:
        adapters = adapter_files(run, role)
        told = options.types[role], options.merge_base, options.name, options.license, options.prompts
        keys[role] = hash_of(
            [dict(run.recipe), dict(run.inputs), run.stages[role], base, adapters, held_out, imatrix, told]
        )
    return keys


def _holds(job: ExportJob, role: Role, made: Mapping[str, Any]) -> bool:
    """Whether a file that was made under other limits would be made, and kept, under these."""
    limits = job.options.limits
    within = [not losses(role, Divergence(**made["quantized"]), limits)]
    within += [one["kl"] > limits.kl for one in made["tried"]]
    return all(within)


def _export(job: ExportJob, stage: str, roles: Sequence[Role], wanted: str) -> dict[str, dict[str, Any]]:
    """Make a stage's model for the `roles` that it plays, and return what is to be known of it in each."""
    # A model that several roles share is as fine as the most delicate one of them, the caller, needs.
    kinds = ladder(job.run, roles[0] if len(roles) == 1 else "caller", wanted)
    full, model = build_unquantized(job, stage)
    imatrix = importance(job, full, model, roles, kinds)
    proofs: dict[Role, Proof] = {role: prove(job, full, model, role) for role in roles}
    del model
    chosen = choose(job, full, kinds, proofs, imatrix)
    full.file.unlink(missing_ok=True)
    for proof in proofs.values():
        proof.reference.file.unlink()
    about, best = describe_stage(full, imatrix, chosen), chosen.best
    return {role: {**about, **describe(role, best.file, best.kind, proofs[role], chosen)} for role in roles}
