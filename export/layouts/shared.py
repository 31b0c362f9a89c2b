"""The shared layout: one backbone, and for each role an activated adapter that is on from the role's header.

The backbone is base + stage 1, merged; the adapters were trained over just that. Each is compared with peft's
own activated adapter: the history is read without it, the header and what follows with it.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.card.provenance import provenance
from export.gguf.adapter import Adapter, load_adapter, write_adapter
from export.gguf.backbone_mark import sign
from export.gguf.tensors import FloatType
from export.job import ExportJob
from export.layouts.unquantized import Proof, UnquantizedModel, build_unquantized, importance, prove
from export.options import LayoutFiles
from export.proof.report import describe, describe_stage
from export.quantize.select import choose, ladder, one_type
from export.run import BACKBONE, Run


def export_shared(job: ExportJob) -> LayoutFiles:
    """Make the backbone and the three adapters of a run of activated adapters.

    Raises InputError where several quantizations are asked for or an adapter is not its role's, and UmiError
    where a file does not say what its model says, or loses too much when quantized.
    """
    kinds = ladder(job.run, "caller", one_type(job.options.types, "shared"))
    adapters: dict[Role, Adapter] = {role: role_adapter(job.run, role) for role in ROLES}
    full, model = build_unquantized(job, BACKBONE)
    mark = sign(full.file)
    alone = prove(job, full, model, "planner")
    imatrix = importance(job, full, model, ROLES, kinds)
    proofs = prove_adapters(job, full, model, adapters)
    del model
    kind: FloatType = "f32" if kinds == ["f32"] else "f16"
    files: dict[Role, Path] = {
        role: _write(job, full, role, adapter, job.work.bundle, kind, mark)
        for role, adapter in adapters.items()
    }
    chosen = choose(job, full, kinds, proofs, imatrix, files)
    made: dict[str, Any] = {
        BACKBONE: {**describe_stage(full, imatrix, chosen), "f32": dataclasses.asdict(alone.exact)}
    }
    made |= {role: describe(role, files[role], kind, proofs[role], chosen) for role in ROLES}
    return LayoutFiles(
        dict.fromkeys(ROLES, chosen.best.file.name), {role: files[role].name for role in ROLES}, made
    )


def prove_adapters(
    job: ExportJob, full: UnquantizedModel, model: Any, adapters: Mapping[Role, Adapter]
) -> dict[Role, Proof]:
    """Compare each role's adapter in f32, over the f32 backbone, with peft's, whose part `model` becomes.

    Raises UmiError where one says something else.
    """
    adapted = with_adapters(model, adapters)
    proofs: dict[Role, Proof] = {}
    for role, adapter in adapters.items():
        adapted.set_adapter(role)
        exact = _write(job, full, role, adapter, job.work.scratch, "f32")
        proofs[role] = prove(job, full, adapted, role, adapter=exact, header=len(adapter.invocation))
    return proofs


def _write(
    job: ExportJob,
    full: UnquantizedModel,
    role: Role,
    adapter: Adapter,
    place: Path,
    kind: FloatType,
    mark: str = "",
) -> Path:
    out = place / f"{role}-adapter-{kind}.gguf"
    about = provenance(job.run, role, job.base, full.merged.merge_base, job.options.license)
    return write_adapter(adapter, job.run.base, out, kind, backbone=mark, extra=about)


def role_adapter(run: Run, role: Role) -> Adapter:
    """A role's adapter. Raises InputError where the role's header is not what switches it on."""
    adapter = load_adapter(run.folder / role)
    header = load_tokenize(run.base)(run.markers.header(role), True)
    if list(adapter.invocation) != header:
        raise InputError(
            f"{adapter.folder} is switched on by tokens {list(adapter.invocation)},"
            f" and the header of {role} is {header}",
            "train that role again with this base",
        )
    return adapter


def with_adapters(model: Any, adapters: Mapping[Role, Adapter]) -> Any:
    """`model` with the saved adapters as peft loads them, named after their roles."""
    # On a CPU bitsandbytes warns of an optional kernel package as soon as peft imports it.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from peft import PeftModel

    adapted: Any = None
    with warnings.catch_warnings():
        # peft 0.21 reads an attribute that transformers 5 renamed.
        warnings.simplefilter("ignore", FutureWarning)
        for role, adapter in adapters.items():
            if adapted is None:
                adapted = PeftModel.from_pretrained(model, adapter.folder, role)
            else:
                adapted.load_adapter(adapter.folder, role)
    return adapted.eval()
