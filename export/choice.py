"""Which quantization a stage's file gets: the one asked for, or the first from a ladder that loses little."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from agent.encoding import load_detokenize
from agent.errors import InputError, UmiError
from agent.transcript import ROLES, Role
from export.checkpoint import list_tensors
from export.divergence import Divergence, Loss, diverge, losses
from export.full import Full, Proof, size_of
from export.imatrix import Imatrix
from export.job import Job
from export.options import Layout
from export.probe import agreed
from export.quantize import AUTO, default_type, finer, quantize
from export.run import Run


@dataclass(frozen=True)
class Chosen:
    """A stage's file as it is in the bundle."""

    file: Path
    kind: str
    found: Mapping[Role, Divergence]
    probed: Mapping[Role, int]
    """How many tokens of its probe each role likes best too."""
    tried: Sequence[Mapping[str, Any]]
    """What coarser types lost, where those were tried before."""


def ladder(run: Run, role: Role, wanted: str) -> list[str]:
    """The quantizations to try, one after the other: the one that is wanted, or by size and then finer."""
    if wanted != AUTO:
        return [wanted]
    kinds = [default_type(sum(prod(tensor.shape) for tensor in list_tensors(run.base)), role)]
    while kinds[-1] != "f16" and (next_one := finer(kinds[-1])):
        kinds.append(next_one)
    return kinds


def one_type(types: Mapping[Role, str], layout: Layout) -> str:
    """The quantization of the model that roles share. Raises InputError where they are to have several."""
    kinds = sorted(set(types.values()))
    if len(kinds) > 1:
        raise InputError(
            f"--quant names {' and '.join(kinds)}, and in a {layout} bundle the roles share one model",
            "give one --quant TYPE",
        )
    return kinds[0]


def choose(
    job: Job,
    full: Full,
    kinds: Sequence[str],
    proofs: Mapping[Role, Proof],
    imatrix: Imatrix | None,
    adapters: Mapping[Role, Path] | None = None,
) -> Chosen:
    """Put a stage's model into the bundle in the first of `kinds` that loses little in every role it plays.

    Raises UmiError naming the figure and the next finer type where none does.
    """
    detokenize = load_detokenize(job.run.base)
    tried: list[Mapping[str, Any]] = []
    for kind in kinds:
        file = job.work.bundle / f"{full.stage}-{kind}.gguf"
        if kind == "f32":
            full.file.rename(file)
        else:
            quantize(full.file, job.work.scratch / file.name, kind, imatrix).replace(file)
        found: dict[Role, Divergence] = {}
        for role, proof in proofs.items():
            found[role] = diverge(proof.reference, file, detokenize, job.say, (adapters or {}).get(role))
        lost: dict[Role, list[Loss]] = {
            role: losses(role, one, job.options.limits) for role, one in found.items()
        }
        job.say(f"{full.stage}: {kind}, {size_of(file)}, {told(found)}")
        if not any(lost.values()):
            probed: dict[Role, int] = {
                role: agreed(one.probe, file, (adapters or {}).get(role)) for role, one in proofs.items()
            }
            return Chosen(file, kind, found, probed, tried)
        file.unlink()
        worse: Role = next(role for role in ROLES if lost.get(role))
        beyond = lost[worse]
        if kind == kinds[-1]:
            alone = worse if worse == full.stage else None
            raise UmiError(f"{file.name} has {name_losses(beyond)}", remedy(alone, kind, beyond))
        tried.append({"type": kind, "kl": found[worse].kl, "lost": name_losses(beyond)})
        job.say(f"{full.stage}: {kind} has {name_losses(beyond)}; trying the next finer type")
    raise AssertionError("a ladder has a step")


def remedy(role: Role | None, kind: str, lost: Sequence[Loss]) -> str:
    """What a person can do where a file of `kind` loses too much; `role` has a file of its own, or None."""
    accept = f"accept it with {' '.join(loss.accept for loss in lost)}"
    better = finer(kind)
    return f"give --quant {f'{role}=' if role else ''}{better}, or {accept}" if better else accept


def name_losses(lost: Sequence[Loss]) -> str:
    """The figures of what was lost, as a message names them."""
    return " and ".join(loss.figure for loss in lost)


def told(found: Mapping[Role, Divergence]) -> str:
    """What quantizing costs, as progress tells it: the roles' worst."""
    kl, top1 = max(one.kl for one in found.values()), min(one.top1 for one in found.values())
    return f"KL divergence {kl:.2g} nats a token, the same best token {100 * top1:.1f} % of the time"


def describe(role: Role, file: Path, kind: str, proof: Proof, chosen: Chosen) -> dict[str, Any]:
    """What a bundle's metrics say of a role and the file that is its own."""
    return {
        "file": file.name,
        "type": kind,
        "f32": dataclasses.asdict(proof.exact),
        "quantized": dataclasses.asdict(chosen.found[role]),
        "probe": {"text": " ".join(map(str, proof.probe.text)), "agreed": chosen.probed[role]},
    }


def describe_stage(full: Full, imatrix: Imatrix | None, chosen: Chosen) -> dict[str, Any]:
    """What a bundle's metrics say of a stage's model, whichever roles it plays."""
    return {
        "file": chosen.file.name,
        "type": chosen.kind,
        "merge_base": full.merged.merge_base,
        "heldout_loss": full.merged.losses,
        "imatrix": {"source": imatrix.source, "tokens": imatrix.tokens} if imatrix else None,
        "tried": list(chosen.tried),
    }
