"""Which quantization a stage's file gets: the one asked for, or the first from a ladder that loses little.

An importance matrix makes layers better by their squared error and some models worse all the same, so the
file is made with the role's own matrix and without one, and the one that diverges less is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import mean
from typing import Any

from agent.bundle.manifest import Layout
from agent.errors import InputError, UmiError
from agent.prompting.encoding import load_detokenize
from agent.transcript import ROLES, Role
from export.gguf.checkpoint import list_tensors
from export.job import ExportJob
from export.layouts.unquantized import Proof, UnquantizedModel, size_of
from export.proof.canary import agreed
from export.proof.divergence import Divergence, Loss, diverge, losses
from export.quantize.imatrix import Imatrix
from export.quantize.quantize import AUTO, default_type, finer, quantize, uses_imatrix
from export.run import Run


@dataclass(frozen=True)
class Attempt:
    """A stage's model in one quantization, and what it loses in each role that it plays."""

    file: Path
    kind: str
    imatrix: Imatrix | None
    """What it was made with."""
    found: Mapping[Role, Divergence]

    @property
    def kl(self) -> float:
        """Mean KL divergence over the roles, in nats a token."""
        return mean(one.kl for one in self.found.values())


@dataclass(frozen=True)
class Selection:
    """A stage's file as it is in the bundle."""

    best: Attempt
    others: Sequence[Attempt]
    """The same quantization made otherwise; their files are gone."""
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
            f"--quant makes the roles {' and '.join(kinds)}, and in a {layout} bundle they share one model",
            "give one --quant TYPE",
        )
    return kinds[0]


def choose(
    job: ExportJob,
    full: UnquantizedModel,
    kinds: Sequence[str],
    proofs: Mapping[Role, Proof],
    imatrix: Imatrix | None,
    adapters: Mapping[Role, Path] | None = None,
) -> Selection:
    """Put a stage's model into the bundle in the first of `kinds` that loses little in every role it plays.

    Raises UmiError naming the figure and the next finer type where none does.
    """
    tried: list[Mapping[str, Any]] = []
    for kind in kinds:
        best, *others = _attempts(job, full, kind, proofs, imatrix, adapters)
        for other in others:
            other.file.unlink()
        job.say(f"{full.stage}: {kind}, {size_of(best.file)}, {told(best.found)}")
        lost: dict[Role, list[Loss]] = {
            role: losses(role, one, job.options.limits) for role, one in best.found.items()
        }
        if not any(lost.values()):
            file = best.file.rename(job.work.bundle / f"{full.stage}-{kind}.gguf")
            probed: dict[Role, int] = {
                role: agreed(proof.probe, file, (adapters or {}).get(role)) for role, proof in proofs.items()
            }
            return Selection(Attempt(file, kind, best.imatrix, best.found), others, probed, tried)
        best.file.unlink()
        figures = name_losses(lost)
        if kind == kinds[-1]:
            alone: Role | None = next((role for role in ROLES if role == full.stage), None)
            beyond = [one for figures in lost.values() for one in figures]
            raise UmiError(f"{full.stage}-{kind}.gguf has {figures}", remedy(alone, kind, beyond))
        tried.append({"type": kind, "kl": best.kl, "lost": figures})
        job.say(f"{full.stage}: {kind} has {figures}; trying the next finer type")
    raise AssertionError("a ladder has a step")


def remedy(role: Role | None, kind: str, lost: Sequence[Loss]) -> str:
    """What a person can do where a file of `kind` loses too much; `role` has a file of its own, or None."""
    most: dict[str, float] = {}
    for loss in lost:
        most[loss.option] = max(loss.accepted, most.get(loss.option, 0.0))
    accept = f"accept it with {' '.join(f'{option} {value:g}' for option, value in most.items())}"
    better = finer(kind)
    return f"give --quant {f'{role}=' if role else ''}{better}, or {accept}" if better else accept


def name_losses(lost: Mapping[Role, Sequence[Loss]]) -> str:
    """The figures of what each role lost, as a message names them."""
    return ", and ".join(
        f"{' and '.join(one.figure for one in beyond)} as the {role}"
        for role, beyond in lost.items()
        if beyond
    )


def told(found: Mapping[Role, Divergence]) -> str:
    """What quantizing costs, as progress tells it: the roles' worst."""
    kl, top1 = max(one.kl for one in found.values()), min(one.top1 for one in found.values())
    return f"KL divergence {kl:.2g} nats a token, the same best token {100 * top1:.1f} % of the time"


def _attempts(
    job: ExportJob,
    full: UnquantizedModel,
    kind: str,
    proofs: Mapping[Role, Proof],
    imatrix: Imatrix | None,
    adapters: Mapping[Role, Path] | None,
) -> list[Attempt]:
    """A stage's model in a quantization, made in each way that is worth a try; the closest one first."""
    detokenize = load_detokenize(job.run.base)
    if imatrix is None or not uses_imatrix(kind):
        ways: list[Imatrix | None] = [None]
    else:
        ways = [imatrix, None] if job.options.imatrix == AUTO else [imatrix]
    attempts = []
    for way in ways:
        file = job.work.scratch / f"{full.stage}-{kind}{'-imatrix' if way else ''}.gguf"
        if kind == "f32":
            full.file.rename(file)
        else:
            quantize(full.file, file, kind, way)
        found: dict[Role, Divergence] = {
            role: diverge(proof.reference, file, detokenize, job.say, (adapters or {}).get(role))
            for role, proof in proofs.items()
        }
        attempts.append(Attempt(file, kind, way, found))
        if len(ways) > 1:
            how = "with" if way else "without"
            job.say(f"{full.stage}: {kind} {how} an importance matrix diverges by {attempts[-1].kl:.2g} nats")
    return sorted(attempts, key=lambda attempt: attempt.kl)
