"""`umi export verify`: is a bundle what its report says, and does it still say what its run says?

Without the run: the files' hashes, the tokenizer on hard texts, the probe's answers, and the report against
its limits. With the run the unquantized models are made again and proven, and every file compared with them.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gguf import GGUFReader

from agent.bundle import Bundle, load_bundle
from agent.errors import InputError, UmiError
from agent.prompting.encoding import load_detokenize
from agent.transcript import ROLES, Role
from export.build_folder import BuildFolder
from export.card.provenance import ADAPTER_FILES, adapter_files
from export.job import ExportJob
from export.layouts.shared import prove_adapters, read_role_adapter
from export.layouts.unquantized import Proof, build_unquantized, prove
from export.options import Limits, Options, Say
from export.pipeline import fitting_layout
from export.proof.canary import Canary, canary_prompt, count_agreed
from export.proof.divergence import Divergence, diverge, losses
from export.proof.gguf_model import open_gguf
from export.proof.report import Report, read_report
from export.proof.tokenizer import digest
from export.quantize.quantize import finer
from export.quantize.selection import format_losses
from train.model.weights.adapter import LoraAdapter
from train.run.files import BACKBONE
from train.run.finished import Run, hash_base, load_run, require_own_adapters

_AGAIN = "export it again"
_PROBE_SLACK = 2
"""Tokens of a probe that another processor's rounding may turn."""


class Problem(NamedTuple):
    """What does not hold, and what a person can do about it."""

    what: str
    step: str


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found of a role."""

    role: Role
    file: str
    facts: Sequence[str]
    """What holds, for people."""
    problems: Sequence[Problem]
    report: Mapping[str, Any]


def verify(
    folder: Path,
    say: Say,
    *,
    against: Path | None = None,
    prompts: int = Options.prompts,
    max_kl: float | None = None,
    max_drop: float | None = None,
    as_json: bool = False,
) -> int:
    """Prove the bundle in `folder` again and print what was found: its files, its tokenizer and its answers.

    With the run `against`, every figure, on `prompts` held-out turns of each role. `max_kl` and `max_drop`
    stand for the limits that the bundle was made with. Returns 0; raises UmiError where something does not
    hold.
    """
    if prompts < 1:
        raise InputError(f"--prompts is {prompts}", "give at least 1")
    bundle = load_bundle(folder, verify=True)
    report = read_report(bundle)
    stated = report.limits if report else Limits()
    limits = Limits(
        stated.kl if max_kl is None else max_kl,
        stated.drop if max_drop is None else max_drop,
    )
    if against:
        found = verify_against(bundle, report, against, limits, prompts, say)
    elif report:
        found = [_check_alone(bundle, role, report, limits) for role in ROLES]
    else:
        raise UmiError(
            f"{bundle.name} carries no report of its export; its files are whole",
            "give --against RUN, or export it again",
        )
    if as_json:
        roles = {
            one.role: {**one.report, "problems": [problem.what for problem in one.problems]} for one in found
        }
        print(json.dumps({"bundle": bundle.name, "limits": dataclasses.asdict(limits), "roles": roles}))
    else:
        width = max(len(one.file) for one in found)
        for one in found:
            told = [*one.facts, *(problem.what for problem in one.problems)]
            print(f"{one.role:<10}  {one.file:<{width}}  {'; '.join(told)}")
    problems = [problem for one in found for problem in one.problems]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UmiError(f"{bundle.name} is not verified: {problems[0].what}{more}", problems[0].step)
    say(f"{bundle.name} is verified" + ("" if against else "; --against RUN compares with its run"))
    return 0


def verify_against(
    bundle: Bundle, report: Report | None, folder: Path, limits: Limits, prompts: int, say: Say
) -> list[Checked]:
    """Make the unquantized models of the run in `folder` again, and compare each role's file with them.

    Raises InputError where the bundle is of another run, and UmiError where a model cannot be proven or the
    folder for temporary files is full.
    """
    run = load_run(folder)
    layout = fitting_layout(run, None)
    if layout != bundle.layout:
        raise InputError(
            f"{bundle.name} is {bundle.layout}, and {folder} makes a bundle that is {layout}",
            "give the run that it was made of",
        )
    require_own_adapters(run)
    for role in ROLES:
        _require_same_adapters(bundle, run, role)
    base = hash_base(run, say)
    detokenize = load_detokenize(run.base)
    found = []
    try:
        with tempfile.TemporaryDirectory(prefix="umi-verify-") as place:
            work = BuildFolder(Path(place), {}, {})
            work.scratch.mkdir()
            job = ExportJob(run, base, work, Options({}, bundle.name, prompts=prompts), say)
            for role, proof in _proofs(bundle, report, job):
                adapter = bundle.adapter_path(role)
                diverged = diverge(proof.reference, bundle.path(role), detokenize, say, adapter)
                equal = f"f32 equals torch on {proof.parity.agreed} of {proof.parity.positions} tokens"
                facts = [equal, *_figures(diverged)]
                told = {"f32": dataclasses.asdict(proof.parity), "quantized": dataclasses.asdict(diverged)}
                problems = _beyond(bundle, report, role, diverged, limits)
                found.append(Checked(role, (adapter or bundle.path(role)).name, facts, problems, told))
    except OSError as error:
        raise UmiError(
            f"{error.filename or tempfile.gettempdir()} cannot be written: {error.strerror or error}",
            "free space, or name another folder for temporary files in TMPDIR",
        ) from None
    return found


def _require_same_adapters(bundle: Bundle, run: Run, role: Role) -> None:
    """Raise InputError where a role's file says that it was made of other adapters than the run has."""
    file = bundle.adapter_path(role) or bundle.path(role)
    said = GGUFReader(file).fields.get(ADAPTER_FILES)
    wanted = adapter_files(run, BACKBONE if bundle.layout == "single" else role)
    if said and said.contents() != wanted:
        raise InputError(
            f"{file} was made of other adapters than those of the {role} in {run.folder}",
            "give the run that it was made of, or export this one",
        )


def _proofs(bundle: Bundle, report: Report | None, job: ExportJob) -> Iterator[tuple[Role, Proof]]:
    """What torch says in each role, one at a time; weights are merged as they were for the bundle."""
    played: Mapping[str, Sequence[Role]] = {BACKBONE: ROLES}
    if bundle.layout == "merged":
        played = {role: [role] for role in ROLES}
    for stage, roles in played.items():
        merge_base = report.model(roles[0]).merge_base if report else "auto"
        options = dataclasses.replace(job.options, merge_base=merge_base)
        unquantized, model = build_unquantized(dataclasses.replace(job, options=options), stage)
        if bundle.layout == "shared":
            adapters: dict[Role, LoraAdapter] = {role: read_role_adapter(job.run, role) for role in roles}
            yield from prove_adapters(job, unquantized, model, adapters).items()
        else:
            for role in roles:
                yield role, prove(job, unquantized, model, role)
        unquantized.file.unlink()


def _check_alone(bundle: Bundle, role: Role, report: Report, limits: Limits) -> Checked:
    """A role's tokenizer, probe and report."""
    told = report.role(role)
    path, adapter = bundle.path(role), bundle.adapter_path(role)
    file = (adapter or path).name
    problems: list[Problem] = []
    with open_gguf(path, 1024, adapter) as gguf_model:
        if digest(gguf_model.tokenize) != report.tokenizer.sha256:
            problems.append(Problem(f"{path.name} cuts the hard texts otherwise than its base", _AGAIN))
        header = len(gguf_model.tokenize(bundle.markers.header(role), True)) if adapter else 0
        text = [int(token) for token in told.probe.text.split()]
        probe = Canary(canary_prompt(role, gguf_model.tokenize, bundle.markers), text, header)
        agrees = count_agreed(gguf_model, probe)
    if agrees < told.probe.agreed - _PROBE_SLACK:
        what = (
            f"{file} answers as its model on {agrees} tokens of {len(text)}, and did on {told.probe.agreed}"
        )
        problems.append(Problem(what, _AGAIN))
    problems += _beyond(bundle, report, role, told.quantized, limits)
    facts = [f"answers as its model on {agrees} of {len(text)} tokens", *_figures(told.quantized)]
    found = {"probe": {"agreed": agrees}, "quantized": dataclasses.asdict(told.quantized)}
    return Checked(role, file, facts, problems, found)


def _figures(found: Divergence) -> list[str]:
    """What quantizing cost, for people."""
    before = found.full_scores
    scores = [f"{name} {score:.2f} ({before.get(name, 0):.2f})" for name, score in found.scores.items()]
    return [
        f"KL {found.kl:.2g} nats a token",
        f"same best token {100 * found.top1:.1f} %",
        *([f"{', '.join(scores)} on {found.cases} turns, in brackets unquantized"] if scores else []),
    ]


def _beyond(
    bundle: Bundle, report: Report | None, role: Role, found: Divergence, limits: Limits
) -> list[Problem]:
    """What a role's file loses beyond the limits."""
    lost = losses(role, found, limits)
    if not lost:
        return []
    better = finer(report.model(role).type) if report else None
    step = f"export it with --quant {better}" if better else _AGAIN
    return [Problem(f"{bundle.path(role).name} has {format_losses({role: lost})}", step)]
