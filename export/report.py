"""What an export proved, as a bundle's metrics hold it; and the reading of it, every field checked."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError

from agent.bundle import MANIFEST, Bundle
from agent.errors import BundleError
from agent.transcript import Role
from export.choice import Chosen
from export.divergence import Divergence
from export.full import Full, Proof
from export.imatrix import Imatrix
from export.options import Limits, MergeBase
from export.quantize import uses_imatrix


@dataclass(frozen=True)
class Tokenizer:
    """What texts become: see `export.tokenization.digest`."""

    sha256: str


@dataclass(frozen=True)
class Probed:
    """A role's answer to the probe, ids with spaces between them, and how much of it its file agreed to."""

    text: Annotated[str, StringConstraints(pattern=r"^[0-9]+( [0-9]+)*$", max_length=1000)]
    agreed: int


@dataclass(frozen=True)
class Part:
    """What is told of a model, whichever roles it plays."""

    type: str
    merge_base: MergeBase = "auto"


@dataclass(frozen=True)
class Spoken(Part):
    """What is told of a role besides."""

    _: KW_ONLY
    quantized: Divergence
    probe: Probed


@dataclass(frozen=True)
class Report:
    """What a bundle tells of its export, as far as it is needed to verify it."""

    tokenizer: Tokenizer
    limits: Limits
    planner: Spoken
    caller: Spoken
    summarizer: Spoken
    backbone: Part | None = None

    def role(self, role: Role) -> Spoken:
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
        return TypeAdapter(Report).validate_python(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"the report in {bundle.folder / MANIFEST} is damaged: {where}: {first['msg']}", "export it again"
        ) from None


def describe(role: Role, file: Path, kind: str, proof: Proof, chosen: Chosen) -> dict[str, Any]:
    """What is to be known of a role and of the file that is its own."""
    return {
        "file": file.name,
        "type": kind,
        "f32": asdict(proof.exact),
        "quantized": asdict(chosen.best.found[role]),
        "probe": {"text": " ".join(map(str, proof.probe.text)), "agreed": chosen.probed[role]},
    }


def describe_stage(full: Full, imatrix: Imatrix | None, chosen: Chosen) -> dict[str, Any]:
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
            "tokens": imatrix.tokens,
            "used": chosen.best.imatrix is not None,
            "kl": {"with" if one.imatrix else "without": one.kl for one in attempts},
        }
        if imatrix and uses_imatrix(chosen.best.kind)
        else None,
        "tried": list(chosen.tried),
    }
