"""The merged and single layouts: adapters merged into weights, a GGUF file for each role or one for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.transcript import ROLES, Role
from export.build_folder import build_key
from export.card.provenance import adapter_files
from export.deltas import build_from_deltas
from export.gguf.adapter import AdapterType
from export.job import ExportJob
from export.layouts.unquantized import Proof, build_unquantized, format_size, make_imatrix, prove
from export.merge.checkpoint import stage_updates
from export.options import LayoutFiles, Options
from export.proof.divergence import Divergence, exceeded_limits
from export.proof.report import describe, describe_stage
from export.quantize.adapters import select_adapter_type
from export.quantize.selection import Selection, candidate_types, select_quantization, shared_type
from train.run.files import BACKBONE, HELD_OUT, hash_file
from train.run.finished import Run


def export_merged(job: ExportJob) -> LayoutFiles:
    """Make the models of the three roles of a run of plain adapters; finished ones are reused.

    Raise UmiError where a file differs from its torch model, or loses too much when quantized.
    """
    for role in ROLES:
        stage_updates(job.run, role)  # an error in the last role is raised before the first model is made
    finished = job.build.finished
    for role in ROLES:
        if role in finished and not _within_limits(job, role, finished[role]):
            job.build.discard(role)
        if role in finished:
            file = job.build.bundle / finished[role]["file"]
            job.say(f"{role}: {file.name}, {format_size(file)}, was made before")
        else:
            job.build.finish(role, _export_stage(job, role, [role], job.options.types[role])[role])
    return LayoutFiles({role: finished[role]["file"] for role in ROLES}, None, finished)


def export_single(job: ExportJob) -> LayoutFiles:
    """Make the one model of a run whose adapter serves all roles, which differ in their headers only.

    Raise InputError where several quantizations are asked for, and UmiError as `export_merged` does.
    """
    metrics = _export_stage(job, BACKBONE, ROLES, shared_type(job.options.types, "single"))
    return LayoutFiles({role: metrics[role]["file"] for role in ROLES}, None, metrics)


def role_keys(run: Run, options: Options, base: Mapping[str, str]) -> dict[str, str]:
    """Return for each role a hash of all that decides its file except the limits.

    `base` holds the sha256 of the base's files by name.
    """
    held_out = hash_file(run.folder / HELD_OUT)
    imatrix = str(options.imatrix) if isinstance(options.imatrix, str) else hash_file(options.imatrix)
    keys = {}
    for role in ROLES:
        adapters = adapter_files(run, role)
        fields = options.types[role], options.merge_base, options.name, options.license, options.prompts
        if options.deltas:
            fields = *fields, "deltas", options.adapter_type
        keys[role] = build_key(
            [dict(run.recipe), dict(run.inputs), run.stages[role], base, adapters, held_out, imatrix, fields]
        )
    return keys


def _within_limits(job: ExportJob, role: Role, metrics: Mapping[str, Any]) -> bool:
    """Return whether an export with the current limits would select the same quantization again."""
    limits = job.options.limits
    within = not exceeded_limits(role, Divergence(**metrics["quantized"]), limits)
    return within and all(faster["kl"] > limits.kl for faster in metrics["tried"])


def _export_stage(
    job: ExportJob, stage: str, roles: Sequence[Role], wanted: str
) -> dict[str, dict[str, Any]]:
    """Make a stage's model for the `roles` that it plays, and return its metrics in each of them."""
    types = candidate_types(wanted)
    unquantized, model = build_unquantized(job, stage)
    imatrix = make_imatrix(job, unquantized, model, roles, types)
    proofs: dict[Role, Proof] = {role: prove(job, unquantized, model, role) for role in roles}
    del model  # its memory is free before the file is quantized
    built: dict[str, Any] = {}
    if deltas := job.deltas:

        def attempt(kind: AdapterType, types: Sequence[str]) -> Selection:
            build_from_deltas(deltas, job.run, stage, kind, unquantized.merged.merge_base, unquantized.file)
            return select_quantization(job, unquantized, types, proofs, imatrix)

        built["adapter_type"], selection = select_adapter_type(job, stage, types, attempt)
    else:
        selection = select_quantization(job, unquantized, types, proofs, imatrix)
    unquantized.file.unlink(missing_ok=True)
    for proof in proofs.values():
        proof.reference.file.unlink()
    stage_metrics, best = describe_stage(unquantized, imatrix, selection), selection.best
    return {
        role: {**stage_metrics, **built, **describe(role, best.file, best.type, proofs[role], selection)}
        for role in roles
    }
