"""Choosing the quantization of a stage's file: the requested one, or the fastest within the limits.

An importance matrix lowers the squared error of each layer, but not always the divergence of the model. So by
default the file is made with the role's own matrix and without one, and the one that diverges less is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from agent.bundle.manifest import Layout
from agent.errors import InputError, UmiError
from agent.prompting.encoding import load_detokenize
from agent.transcript import ROLES, Role
from export.job import ExportJob
from export.layouts.unquantized import Proof, UnquantizedModel, format_size
from export.proof.canary import count_agreed_in_file
from export.proof.divergence import Divergence, ExceededLimit, exceeded_limits, measure_divergence
from export.quantize.imatrix import Imatrix
from export.quantize.quantize import AUTO, AUTO_TYPES, finer, quantize, uses_imatrix
from export.quantize.speed import Speed, fastest_first, measure_speeds


class LimitExceededError(UmiError):
    """A file loses more by its quantization than the limits allow."""


@dataclass(frozen=True)
class Candidate:
    """A stage's model in one quantization, and how it diverges in each role that it plays."""

    file: Path
    type: str
    imatrix: Imatrix | None
    """The importance matrix that it was made with."""
    divergences: Mapping[Role, Divergence]

    @property
    def kl(self) -> float:
        """Mean KL divergence over the roles, in nats a token."""
        return mean(divergence.kl for divergence in self.divergences.values())


@dataclass(frozen=True)
class Selection:
    """The quantization of a stage's file in the bundle."""

    best: Candidate
    others: Sequence[Candidate]
    """The same type made the other way, with or without the importance matrix; the files are removed."""
    canary_agreed: Mapping[Role, int]
    """Tokens of the canary's answer that the file also ranks first, by role."""
    rejected: Sequence[Mapping[str, Any]]
    """`type`, `kl` and `lost` of each type that was tried before."""
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    """That of each type that this export measured on this machine."""


def candidate_types(wanted: str) -> list[str]:
    """Return the quantizations to choose among: the one that is wanted, or those of `auto` and f16."""
    return [wanted] if wanted != AUTO else [*AUTO_TYPES, "f16"]


def shared_type(types: Mapping[Role, str], layout: Layout) -> str:
    """Return the quantization of the model that roles share. Raise InputError where `types` differ."""
    distinct = sorted(set(types.values()))
    if len(distinct) > 1:
        raise InputError(
            f"--quant makes the roles {' and '.join(distinct)}, and in a {layout} bundle they share one"
            " model",
            "give one --quant TYPE",
        )
    return distinct[0]


def select_quantization(
    job: ExportJob,
    unquantized: UnquantizedModel,
    types: Sequence[str],
    proofs: Mapping[Role, Proof],
    imatrix: Imatrix | None,
    adapters: Mapping[Role, Path] | None = None,
) -> Selection:
    """Put a stage's model into the bundle in one of `types` that stays within the limits in every role.

    It is the fastest such type on this machine, or the last one. `adapters` are the roles' activated
    adapters, GGUF files. Raise LimitExceededError naming the figure and the next finer type where none stays
    within the limits.
    """
    stage = unquantized.stage
    speeds = _measured_speeds(job, unquantized, types[:-1])
    rejected: list[Mapping[str, Any]] = []
    for kind in (types := [*fastest_first(speeds), types[-1]]):
        best, *others = _make_candidates(job, unquantized, kind, proofs, imatrix, adapters)
        for other in others:
            other.file.unlink()
        job.say(f"{stage}: {kind}, {format_size(best.file)}, {_format_worst(best.divergences)}")
        exceeded: dict[Role, list[ExceededLimit]] = {
            role: exceeded_limits(role, divergence, job.options.limits)
            for role, divergence in best.divergences.items()
        }
        if not any(exceeded.values()):
            file = best.file.rename(job.build.bundle / f"{stage}-{kind}.gguf")
            canary_agreed: dict[Role, int] = {
                role: count_agreed_in_file(proof.canary, file, (adapters or {}).get(role))
                for role, proof in proofs.items()
            }
            return Selection(
                Candidate(file, kind, best.imatrix, best.divergences),
                others,
                canary_agreed,
                rejected,
                dict(job.speeds),
            )
        best.file.unlink()
        figures = format_exceeded(exceeded)
        if kind == types[-1]:
            own_role: Role | None = next((role for role in ROLES if role == stage), None)
            all_exceeded = [limit for role_limits in exceeded.values() for limit in role_limits]
            hint = _limits_hint(own_role, kind, all_exceeded)
            raise LimitExceededError(f"{stage}-{kind}.gguf has {figures}", hint)
        rejected.append({"type": kind, "kl": best.kl, "lost": figures})
        job.say(f"{stage}: {kind} has {figures}; trying the next type")
    raise AssertionError("there is at least one type")


def _measured_speeds(job: ExportJob, unquantized: UnquantizedModel, types: Sequence[str]) -> dict[str, Speed]:
    """Return the speed of a stage's model in `types`.

    Each is measured once in an export, whose stages are of one shape.
    """
    if missing := [kind for kind in types if kind not in job.speeds]:
        files = {kind: job.build.scratch / f"speed-{kind}.gguf" for kind in missing}
        try:
            for kind, file in files.items():
                job.say(f"measuring how fast {kind} is on this machine")
                quantize(unquantized.file, file, kind)
            job.speeds.update(measure_speeds(files))
        finally:
            for file in files.values():
                file.unlink(missing_ok=True)
    return {kind: job.speeds[kind] for kind in types}


def format_exceeded(exceeded: Mapping[Role, Sequence[ExceededLimit]]) -> str:
    """Return the figures that exceed a limit in each role, for a message."""
    return ", and ".join(
        f"{' and '.join(limit.figure for limit in limits)} as the {role}"
        for role, limits in exceeded.items()
        if limits
    )


def _limits_hint(role: Role | None, kind: str, exceeded: Sequence[ExceededLimit]) -> str:
    """Return the options to give where a file of type `kind`, `role`'s own or shared, loses too much."""
    accepted: dict[str, float] = {}
    for limit in exceeded:
        accepted[limit.option] = max(limit.accepted, accepted.get(limit.option, 0.0))
    accept = f"accept it with {' '.join(f'{option} {value:g}' for option, value in accepted.items())}"
    better = finer(kind)
    return f"give --quant {f'{role}=' if role else ''}{better}, or {accept}" if better else accept


def _format_worst(divergences: Mapping[Role, Divergence]) -> str:
    """Return the worst figures of all roles, for a line of progress."""
    kl = max(divergence.kl for divergence in divergences.values())
    top1 = min(divergence.top1 for divergence in divergences.values())
    return f"KL divergence {kl:.2g} nats a token, the same best token {100 * top1:.1f} % of the time"


def _make_candidates(
    job: ExportJob,
    unquantized: UnquantizedModel,
    kind: str,
    proofs: Mapping[Role, Proof],
    imatrix: Imatrix | None,
    adapters: Mapping[Role, Path] | None,
) -> list[Candidate]:
    """Quantize a stage's model to `kind` with and without an importance matrix; the closest one first."""
    detokenize, stage = load_detokenize(job.run.base), unquantized.stage
    if imatrix is None or not uses_imatrix(kind):
        matrices: list[Imatrix | None] = [None]
    else:
        matrices = [imatrix, None] if job.options.imatrix == AUTO else [imatrix]
    candidates = []
    for matrix in matrices:
        file = job.build.scratch / f"{stage}-{kind}{'-imatrix' if matrix else ''}.gguf"
        if kind == "f32":
            unquantized.file.rename(file)
        else:
            quantize(unquantized.file, file, kind, matrix)
        divergences: dict[Role, Divergence] = {
            role: measure_divergence(proof.reference, file, detokenize, job.say, (adapters or {}).get(role))
            for role, proof in proofs.items()
        }
        candidates.append(Candidate(file, kind, matrix, divergences))
        if len(matrices) > 1:
            how = "with" if matrix else "without"
            job.say(f"{stage}: {kind} {how} an importance matrix diverges by {candidates[-1].kl:.2g} nats")
    return sorted(candidates, key=lambda candidate: candidate.kl)
