"""The shared layout: one backbone, and for each role an activated adapter that is on from the role's header.

The backbone is base + stage 1, merged; the adapters were trained over just that. Each is compared with peft's
own activated adapter: the history is read without it, the header and what follows with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.card.provenance import provenance
from export.deltas import build_from_deltas
from export.gguf.adapter import AdapterType, write_adapter
from export.gguf.backbone_fingerprint import add_fingerprint, write_fingerprint
from export.job import ExportJob
from export.layouts.unquantized import Proof, UnquantizedModel, build_unquantized, make_imatrix, prove
from export.options import LayoutFiles
from export.proof.report import describe, describe_stage
from export.quantize.adapters import select_adapter_type
from export.quantize.selection import Selection, candidate_types, select_quantization, shared_type
from train.model.loading import peft_warnings_ignored, silence_bitsandbytes
from train.model.weights.adapter import LoraAdapter, read_adapter
from train.run.files import BACKBONE
from train.run.finished import Run


def export_shared(job: ExportJob) -> LayoutFiles:
    """Make the backbone and the three adapters of a run of activated adapters.

    Raise InputError where several quantizations are asked for or an adapter is not its role's, and UmiError
    where a file differs from its torch model, or loses too much when quantized.
    """
    types = candidate_types(shared_type(job.options.types, "shared"))
    adapters: dict[Role, LoraAdapter] = {role: read_role_adapter(job.run, role) for role in ROLES}
    unquantized, model = build_unquantized(job, BACKBONE)
    backbone_proof = prove(job, unquantized, model, "planner")
    imatrix = make_imatrix(job, unquantized, model, ROLES, types)
    proofs = prove_adapters(job, unquantized, model, adapters)
    del model  # its memory is free before the file is quantized

    def write_adapters(kind: AdapterType, fingerprint: str) -> dict[Role, Path]:
        return {
            role: _write_adapter(job, unquantized, role, adapter, job.build.bundle, kind, fingerprint)
            for role, adapter in adapters.items()
        }

    built: dict[str, Any] = {}
    kind: AdapterType
    if deltas := job.deltas:
        files: dict[Role, Path] = {}

        def attempt(kind: AdapterType, types: Sequence[str]) -> Selection:
            merged = build_from_deltas(
                deltas, job.run, BACKBONE, kind, unquantized.merged.merge_base, unquantized.file
            )
            write_fingerprint(merged[-1], fingerprint := add_fingerprint(unquantized.file))
            files.update(write_adapters(kind, fingerprint))
            return select_quantization(job, unquantized, types, proofs, imatrix, files)

        kind, selection = select_adapter_type(job, BACKBONE, types, attempt)
        files = {role: _adapter_file(job.build.bundle, role, kind) for role in ROLES}
        built["adapter_type"] = kind
    else:
        # On x86 a 135M model in Q8_0 writes 1.13 times as fast as with adapters in f16, whose products round
        # their inputs first.
        kind = "f32"
        files = write_adapters(kind, add_fingerprint(unquantized.file))
        selection = select_quantization(job, unquantized, types, proofs, imatrix, files)
    metrics: dict[str, Any] = {
        BACKBONE: {
            **describe_stage(unquantized, imatrix, selection),
            **built,
            "f32": dataclasses.asdict(backbone_proof.parity),
        }
    }
    metrics |= {role: describe(role, files[role], kind, proofs[role], selection) for role in ROLES}
    return LayoutFiles(
        dict.fromkeys(ROLES, selection.best.file.name), {role: files[role].name for role in ROLES}, metrics
    )


def prove_adapters(
    job: ExportJob, unquantized: UnquantizedModel, model: Any, adapters: Mapping[Role, LoraAdapter]
) -> dict[Role, Proof]:
    """Compare each role's adapter in f32, over the f32 backbone, with peft's over `model`, which it changes.

    Raise UmiError where one differs.
    """
    peft_model = load_peft_adapters(model, adapters)
    proofs: dict[Role, Proof] = {}
    for role, adapter in adapters.items():
        peft_model.set_adapter(role)
        file = _write_adapter(job, unquantized, role, adapter, job.build.scratch, "f32")
        header_tokens = len(adapter.invocation)
        proofs[role] = prove(job, unquantized, peft_model, role, adapter=file, header_tokens=header_tokens)
    return proofs


def _write_adapter(
    job: ExportJob,
    unquantized: UnquantizedModel,
    role: Role,
    adapter: LoraAdapter,
    folder: Path,
    kind: AdapterType,
    fingerprint: str = "",
) -> Path:
    out = _adapter_file(folder, role, kind)
    extra = provenance(job.run, role, job.base, unquantized.merged.merge_base, job.options.license)
    return write_adapter(adapter, job.run.base, out, kind, backbone=fingerprint, extra=extra)


def _adapter_file(folder: Path, role: Role, kind: AdapterType) -> Path:
    """Return the path of a role's adapter in a folder."""
    return folder / f"{role}-adapter-{kind}.gguf"


def read_role_adapter(run: Run, role: Role) -> LoraAdapter:
    """Read a role's adapter. Raise InputError where another header than the role's activates it."""
    adapter = read_adapter(run.folder / role)
    header = load_tokenize(run.base)(run.markers.header(role), True)
    if list(adapter.invocation) != header:
        raise InputError(
            f"{adapter.folder} is switched on by tokens {list(adapter.invocation)},"
            f" and the header of {role} is {header}",
            "train that role again with this base",
        )
    return adapter


def load_peft_adapters(model: Any, adapters: Mapping[Role, LoraAdapter]) -> Any:
    """Return `model` with the saved adapters as peft loads them, each under its role's name."""
    silence_bitsandbytes()
    from peft import PeftModel

    peft_model: Any = None
    with peft_warnings_ignored():
        for role, adapter in adapters.items():
            if peft_model is None:
                peft_model = PeftModel.from_pretrained(model, adapter.folder, role)
            else:
                peft_model.load_adapter(adapter.folder, role)
    return peft_model.eval()
