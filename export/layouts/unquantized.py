"""A stage's model before it is quantized: merged, converted to f32, and compared with torch's."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.llama.binding.gguf_model import open_gguf
from agent.transcript import ROLES, Role
from export.card.modelfile import role_template
from export.card.provenance import provenance
from export.gguf.convert import convert
from export.job import ExportJob
from export.merge.selection import MergedCheckpoint, load_model, merge_stage
from export.proof.canary import Canary, generate_canary
from export.proof.parity import Parity, measure_parity, require_parity
from export.proof.reference import Reference, record_reference, role_prompts
from export.proof.tokenizer import check_tokenizer
from export.quantize.calibration import calibration_sequences
from export.quantize.imatrix import Imatrix, collect, load, require_fit
from export.quantize.quantize import uses_imatrix
from train.model.weights.reader import read_config


@dataclass(frozen=True)
class UnquantizedModel:
    """A stage's model in f32."""

    stage: str
    file: Path
    """The GGUF file, in the scratch folder of the export."""
    merged: MergedCheckpoint


@dataclass(frozen=True)
class Proof:
    """The torch model's own turns in a role, and how a stage's f32 file compares with them."""

    reference: Reference
    parity: Parity
    canary: Canary


def build_unquantized(job: ExportJob, stage: str) -> tuple[UnquantizedModel, Any]:
    """Merge a stage's adapters and convert the model to f32; return it and the torch model.

    Raise UmiError where the file's tokenizer differs from the base's.
    """
    run, say = job.run, job.say
    merged = merge_stage(
        run, stage, job.options.merge_base, job.build.scratch, say, portable=job.deltas is not None
    )
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in merged.losses.items())
    say(
        f"{stage}: merged into {merged.merge_base} weights"
        + (f" (held-out loss: {losses})" if losses else "")
    )
    file = job.build.scratch / f"{stage}-f32.gguf"
    own_role: Role | None = next((role for role in ROLES if role == stage), None)
    convert(
        merged.folder,
        file,
        "f32",
        name=f"{job.options.name}-{stage}",
        end=run.markers.close,
        template=role_template(run.markers, own_role or "planner"),
        extra=provenance(run, stage, job.base, merged.merge_base, job.options.license),
        say=say,
    )
    with open_gguf(file, 64) as gguf_model:
        texts = check_tokenizer(gguf_model, run.base)
    say(f"{stage}: GGUF of {format_size(file)}; {texts} tokenizations equal")
    model = load_model(merged.folder)
    shutil.rmtree(merged.folder)
    return UnquantizedModel(stage, file, merged), model


def prove(
    job: ExportJob,
    unquantized: UnquantizedModel,
    model: Any,
    role: Role,
    *,
    adapter: Path | None = None,
    header_tokens: int = 0,
) -> Proof:
    """Let the torch `model` generate turns of `role`, and compare the f32 file with it.

    With an activated `adapter` (a GGUF file), `model` is a peft model that has it too, and `header_tokens` is
    the length of the header that activates it. Raise UmiError where the two differ.
    """
    prompts = role_prompts(job.run, role, job.options.prompts)
    if not prompts[0].case:
        job.say(f"{role}: no held-out turn of it fits, so files are compared on a greeting only")
    reference = record_reference(job.run, model, role, prompts, job.build.scratch, job.say, header_tokens)
    canary = generate_canary(job.run, model, role, header_tokens)
    parity = measure_parity(reference, unquantized.file, job.say, adapter)
    require_parity(parity, adapter or unquantized.file)
    what = "adapter" if adapter else "f32 file"
    turns = f"{parity.prompts} turn{'s' if parity.prompts > 1 else ''}"
    job.say(
        f"{role}: the {what} equals torch on {parity.agreed} of {parity.positions} tokens of {turns},"
        f" {parity.near_ties} near-ties set aside"
    )
    return Proof(reference, parity, canary)


def make_imatrix(
    job: ExportJob, unquantized: UnquantizedModel, model: Any, roles: Sequence[Role], types: Sequence[str]
) -> Imatrix | None:
    """Return the importance matrix for quantizing a stage to `types`; None where none of them uses one.

    Raise InputError where the matrix that was given is of another model.
    """
    option, stage = job.options.imatrix, unquantized.stage
    if option == "none" or not any(map(uses_imatrix, types)):
        if isinstance(option, Path):
            job.say(f"{stage}: {types[0]} uses no importance matrix; --imatrix is ignored")
        return None
    if isinstance(option, Path):
        imatrix = load(option)
        require_fit(imatrix, unquantized.file)
    else:
        sequences, source = calibration_sequences(job.run, roles)
        if not sequences:
            job.say(f"{stage}: no importance matrix, since no row is left to compute one on")
            return None
        imatrix = collect(model, read_config(job.run.base), sequences, source, say=job.say)
    size = f" of {imatrix.tokens:,} tokens" if imatrix.tokens else ""
    job.say(f"{stage}: importance matrix{size} from {imatrix.source}")
    return imatrix


def format_size(file: Path) -> str:
    """Return a file's size in MB as text."""
    return f"{file.stat().st_size / 1e6:.1f} MB"
