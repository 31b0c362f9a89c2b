"""The report of an export in a bundle's metrics: what was measured of each file."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from agent.bundle import MANIFEST, Bundle
from agent.errors import BundleError, InputError
from agent.evaluation.tasks import primary_metric
from agent.llama.binding.quantize import TYPES
from agent.transcript import ROLES, Role
from agent.transcript.validation import InvalidFieldsError, validate
from export.layouts.unquantized import Proof, UnquantizedModel
from export.options import Limits, MergeBase
from export.proof.divergence import Divergence
from export.quantize.imatrix import Imatrix
from export.quantize.quantize import uses_imatrix
from export.quantize.selection import Selection


@dataclass(frozen=True)
class TokenizerReport:
    """The hash of the base's tokenization of fixed texts; see `proof.tokenizer.tokenization_sha256`."""

    sha256: str


@dataclass(frozen=True)
class CanaryReport:
    """The canary of a role: its unquantized model's greedy answer to a fixed prompt."""

    text: Annotated[str, Field(pattern=r"^[0-9]+( [0-9]+)*$", max_length=1000)]
    """Token ids, separated by spaces."""
    agreed: int
    """Tokens of the answer that the quantized file ranks first too."""


@dataclass(frozen=True)
class ModelReport:
    """A model file, of one role or of several."""

    file: str
    """Its name in the bundle's folder."""
    type: str
    """Its quantization."""
    merge_base: MergeBase = "auto"
    """The weights that the adapter was merged into."""


@dataclass(frozen=True)
class RoleReport(ModelReport):
    """The file of a role, model or adapter, and how it compares with the unquantized model."""

    _: KW_ONLY
    quantized: Divergence
    probe: CanaryReport


@dataclass(frozen=True)
class Report:
    """The part of an export's report that its verification needs."""

    tokenizer: TokenizerReport
    limits: Limits
    planner: RoleReport
    caller: RoleReport
    summarizer: RoleReport
    backbone: ModelReport | None = None
    """The model that all adapters belong to, in the shared layout."""

    def role(self, role: Role) -> RoleReport:
        """Return the report of a role's own file."""
        return {"planner": self.planner, "caller": self.caller, "summarizer": self.summarizer}[role]

    def model(self, role: Role) -> ModelReport:
        """Return the report of the model that a role runs on, in the shared layout the backbone."""
        return self.backbone or self.role(role)


def read_report(bundle: Bundle) -> Report | None:
    """Return a bundle's report; None if it has none. Raise BundleError if the report is damaged."""
    stored = bundle.metrics.get("export")
    if not isinstance(stored, dict) or "tokenizer" not in stored:
        return None
    try:
        report = validate(Report, stored)
    except InvalidFieldsError as invalid:
        raise _damaged(bundle, str(invalid)) from None
    except InputError as error:  # raised by `Limits`
        raise _damaged(bundle, error.what) from None
    for role in ROLES:
        if key := _inconsistent_field(bundle, report, role):
            raise _damaged(bundle, f"{role}.{key} cannot be")
    return report


def _damaged(bundle: Bundle, how: str) -> BundleError:
    return BundleError(f"the report in {bundle.folder / MANIFEST} is damaged: {how}", "export it again")


def _inconsistent_field(bundle: Bundle, report: Report, role: Role) -> str:
    """Return the first field of a role that contradicts another one or the manifest; empty if none does."""
    role_report, quantized = report.role(role), report.role(role).quantized
    file = bundle.adapter_path(role) or bundle.path(role)
    scores = [quantized.scores, quantized.full_scores]
    consistent = {
        "file": role_report.file == file.name,
        "type": role_report.type in TYPES and report.model(role).type in TYPES,
        "quantized.agreed": 0 <= quantized.agreed <= quantized.positions and quantized.positions > 0,
        "quantized.kl": 0 <= quantized.kl <= quantized.largest_kl < math.inf,
        "quantized.cases": quantized.cases >= 0 and bool(quantized.cases) == bool(quantized.scores),
        "quantized.scores": not quantized.cases or all(primary_metric(role) in metrics for metrics in scores),
        "quantized.full_scores": all(0 <= value <= 1 for metrics in scores for value in metrics.values()),
        "probe.agreed": 0 <= role_report.probe.agreed <= len(role_report.probe.text.split()),
    }
    return next((key for key, holds in consistent.items() if not holds), "")


def describe(role: Role, file: Path, kind: str, proof: Proof, selection: Selection) -> dict[str, Any]:
    """Return the report of a role and of its own file, as JSON."""
    return {
        "file": file.name,
        "type": kind,
        "f32": asdict(proof.parity),
        "quantized": asdict(selection.best.divergences[role]),
        "probe": {"text": " ".join(map(str, proof.canary.text)), "agreed": selection.canary_agreed[role]},
    }


def describe_stage(
    unquantized: UnquantizedModel, imatrix: Imatrix | None, selection: Selection
) -> dict[str, Any]:
    """Return the report of a stage's model, of one role or of several, as JSON.

    Its `imatrix` holds the source of the importance matrix, whether the selected file uses it, and the KL
    divergence of the files with and without it, in nats a token. `speeds` holds the tokens that each type
    reads and writes in a second of one processor thread here, where `auto` chose among types.
    """
    candidates = [selection.best, *selection.others]
    return {
        "file": selection.best.file.name,
        "type": selection.best.type,
        "merge_base": unquantized.merged.merge_base,
        "heldout_loss": unquantized.merged.losses,
        "imatrix": {
            "source": imatrix.source,
            "tokens": imatrix.tokens or None,  # absent from some imatrix files
            "used": selection.best.imatrix is not None,
            "kl": {"with" if candidate.imatrix else "without": candidate.kl for candidate in candidates},
        }
        if imatrix and uses_imatrix(selection.best.type)
        else None,
        "tried": list(selection.rejected),
        "speeds": {kind: asdict(speed) for kind, speed in selection.speeds.items()},
    }
