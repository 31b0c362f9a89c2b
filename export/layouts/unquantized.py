"""A stage's model before it is quantized: merged, converted to f32, and proven to say what torch's says."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.transcript import ROLES, Role
from export.card.modelfile import role_template
from export.card.provenance import provenance
from export.gguf.convert import convert, read_config
from export.job import ExportJob
from export.merge.select import Merged, load_model, merge
from export.proof.canary import Canary, write_canary
from export.proof.gguf_model import open_gguf
from export.proof.parity import Parity, measure_parity, require_parity
from export.proof.reference import Reference, record, role_prompts
from export.proof.tokenizer import check_tokenizer
from export.quantize.calibration import calibration
from export.quantize.imatrix import Imatrix, collect, load, require_fit
from export.quantize.quantize import uses_imatrix


@dataclass(frozen=True)
class UnquantizedModel:
    """A stage's model in f32."""

    stage: str
    file: Path
    """The GGUF file, in the work folder's scratch."""
    merged: Merged


@dataclass(frozen=True)
class Proof:
    """What torch says in a role, and that a stage's f32 file says the same."""

    reference: Reference
    exact: Parity
    probe: Canary


def build_unquantized(job: ExportJob, stage: str) -> tuple[UnquantizedModel, Any]:
    """Merge a stage's adapters and convert the model to f32; returns it with the torch model.

    Raises UmiError where its tokenizer cuts text otherwise.
    """
    run, say = job.run, job.say
    merged = merge(run, stage, job.options.merge_base, job.work.scratch, say)
    tried = ", ".join(f"{name} {loss:.4f}" for name, loss in merged.losses.items())
    say(f"{stage}: merged into {merged.merge_base} weights" + (f" (held-out loss: {tried})" if tried else ""))
    file = job.work.scratch / f"{stage}-f32.gguf"
    speaker: Role | None = next((role for role in ROLES if role == stage), None)
    convert(
        merged.folder,
        file,
        "f32",
        name=f"{job.options.name}-{stage}",
        end=run.markers.close,
        template=role_template(run.markers, speaker or "planner"),
        extra=provenance(run, stage, job.base, merged.merge_base, job.options.license),
        say=say,
    )
    with open_gguf(file, 64) as gguf_model:
        texts = check_tokenizer(gguf_model, run.base)
    say(f"{stage}: GGUF of {size_of(file)}; {texts} tokenizations equal")
    model = load_model(merged.folder)
    shutil.rmtree(merged.folder)
    return UnquantizedModel(stage, file, merged), model


def prove(
    job: ExportJob,
    full: UnquantizedModel,
    model: Any,
    role: Role,
    *,
    adapter: Path | None = None,
    header: int = 0,
) -> Proof:
    """Record what `model` says in `role`, and compare the f32 file with it.

    With an activated `adapter` (a GGUF file), `model` is a peft model that has it too, and `header` the count
    of tokens that switch it on. Raises UmiError where the two say something else.
    """
    prompts = role_prompts(job.run, role, job.options.prompts)
    if not prompts[0].case:
        job.say(f"{role}: no held-out turn of it fits, so files are compared on a greeting only")
    reference = record(job.run, model, role, prompts, job.work.scratch, job.say, header)
    probe = write_canary(job.run, model, role, header)
    exact = measure_parity(reference, full.file, job.say, adapter)
    require_parity(exact, adapter or full.file)
    what = "adapter" if adapter else "f32 file"
    turns = f"{exact.prompts} turn{'s' if exact.prompts > 1 else ''}"
    job.say(
        f"{role}: the {what} equals torch on {exact.agreed} of {exact.positions} tokens of {turns},"
        f" {exact.near_ties} near-ties set aside"
    )
    return Proof(reference, exact, probe)


def importance(
    job: ExportJob, full: UnquantizedModel, model: Any, roles: Sequence[Role], kinds: Sequence[str]
) -> Imatrix | None:
    """The importance matrix that the quantizations `kinds` of a stage are made with, if they use one.

    Raises InputError where a matrix that was given is of another model.
    """
    wanted = job.options.imatrix
    if wanted == "none" or not any(map(uses_imatrix, kinds)):
        if isinstance(wanted, Path):
            job.say(f"{full.stage}: {kinds[0]} is made without an importance matrix, whichever there is")
        return None
    if isinstance(wanted, Path):
        imatrix = load(wanted)
        require_fit(imatrix, full.file)
    else:
        sequences, source = calibration(job.run, roles)
        if not sequences:
            job.say(f"{full.stage}: no importance matrix, since no row is left to compute one on")
            return None
        imatrix = collect(model, read_config(job.run.base), sequences, source, say=job.say)
    size = f" of {imatrix.tokens:,} tokens" if imatrix.tokens else ""
    job.say(f"{full.stage}: importance matrix{size} from {imatrix.source}")
    return imatrix


def size_of(file: Path) -> str:
    """A file's size for people."""
    return f"{file.stat().st_size / 1e6:.1f} MB"
