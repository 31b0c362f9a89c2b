"""What an export proved, as a bundle's metrics hold it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.transcript import Role
from export.choice import Chosen
from export.full import Full, Proof
from export.imatrix import Imatrix


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
        if imatrix
        else None,
        "tried": list(chosen.tried),
    }
