"""What an export proved, as a bundle's metrics hold it; and the reading of it, every field checked."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError

from agent.bundle import MANIFEST, Bundle
from agent.errors import BundleError, InputError
from agent.evaluation.tasks import headline
from agent.transcript import ROLES, Role
from export.layouts.unquantized import Proof, UnquantizedModel
from export.options import Limits, MergeBase
from export.proof.divergence import Divergence
from export.quantize.imatrix import Imatrix
from export.quantize.quantize import TYPES, uses_imatrix
from export.quantize.select import Selection


@dataclass(frozen=True)
class Tokenizer:
    """What texts become: see `export.proof.tokenizer.digest`."""

    sha256: str


@dataclass(frozen=True)
class CanaryReport:
    """A role's answer to the probe, ids with spaces between them, and how much of it its file agreed to."""

    text: Annotated[str, StringConstraints(pattern=r"^[0-9]+( [0-9]+)*$", max_length=1000)]
    agreed: int


@dataclass(frozen=True)
class Part:
    """What is told of a model, whichever roles it plays."""

    file: str
    type: str
    merge_base: MergeBase = "auto"


@dataclass(frozen=True)
class RoleReport(Part):
    """What is told of a role besides."""

    _: KW_ONLY
    quantized: Divergence
    probe: CanaryReport


@dataclass(frozen=True)
class Report:
    """What a bundle tells of its export, as far as it is needed to verify it."""

    tokenizer: Tokenizer
    limits: Limits
    planner: RoleReport
    caller: RoleReport
    summarizer: RoleReport
    backbone: Part | None = None

    def role(self, role: Role) -> RoleReport:
        """What is told of a role."""
        return {"planner": self.planner, "caller": self.caller, "summarizer": self.summarizer}[role]

    def model(self, role: Role) -> Part:
        """What is told of the model that a role runs on, which in the shared layout is the backbone."""
        return self.backbone or self.role(role)


def read_report(bundle: Bundle) -> Report | None:
    """A bundle's report; None where it has none. Raises BundleError where it is damaged."""
    told = bundle.metrics.get("export")
    if not isinstance(told, dict) or "tokenizer" not in told:
        return None
    try:
        report = TypeAdapter(Report).validate_python(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _damaged(bundle, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except InputError as error:  # of limits that limit nothing
        raise _damaged(bundle, error.what) from None
    for role in ROLES:
        if wrong := _impossible(bundle, report, role):
            raise _damaged(bundle, wrong)
    return report


def _damaged(bundle: Bundle, how: str) -> BundleError:
    return BundleError(f"the report in {bundle.folder / MANIFEST} is damaged: {how}", "export it again")


def _impossible(bundle: Bundle, report: Report, role: Role) -> str:
    """What is told of a role and cannot be, or is not of the files that the manifest names."""
    told, figures = report.role(role), report.role(role).quantized
    file = bundle.adapter_path(role) or bundle.path(role)
    scores = [figures.scores, figures.full_scores]
    possible = {
        "file": told.file == file.name,
        "type": told.type in TYPES and report.model(role).type in TYPES,
        "quantized.agreed": 0 <= figures.agreed <= figures.positions and figures.positions > 0,
        "quantized.kl": 0 <= figures.kl <= figures.largest_kl < math.inf,
        "quantized.cases": figures.cases >= 0 and bool(figures.cases) == bool(figures.scores),
        "quantized.scores": not figures.cases or all(headline(role) in one for one in scores),
        "quantized.full_scores": all(0 <= value <= 1 for one in scores for value in one.values()),
        "probe.agreed": 0 <= told.probe.agreed <= len(told.probe.text.split()),
    }
    return next((f"{role}.{key} cannot be" for key, fits in possible.items() if not fits), "")


def describe(role: Role, file: Path, kind: str, proof: Proof, chosen: Selection) -> dict[str, Any]:
    """What is to be known of a role and of the file that is its own."""
    return {
        "file": file.name,
        "type": kind,
        "f32": asdict(proof.exact),
        "quantized": asdict(chosen.best.found[role]),
        "probe": {"text": " ".join(map(str, proof.probe.text)), "agreed": chosen.probed[role]},
    }


def describe_stage(full: UnquantizedModel, imatrix: Imatrix | None, chosen: Selection) -> dict[str, Any]:
    """What is to be known of a stage's model, whichever roles it plays.

    `imatrix` tells which one was made, whether the file was made with it, and how much the file made with it
    and the one made without it diverge, in nats.
    """
    attempts = [chosen.best, *chosen.others]
    return {
        "file": chosen.best.file.name,
        "type": chosen.best.kind,
        "merge_base": full.merged.merge_base,
        "heldout_loss": full.merged.losses,
        "imatrix": {
            "source": imatrix.source,
            "tokens": imatrix.tokens or None,  # a file may not say
            "used": chosen.best.imatrix is not None,
            "kl": {"with" if one.imatrix else "without": one.kl for one in attempts},
        }
        if imatrix and uses_imatrix(chosen.best.kind)
        else None,
        "tried": list(chosen.tried),
    }
