"""`umi export verify`: check a bundle against the report of its export, or against its run.

Without the run, the files' hashes, the tokenizer, the canary's answers and the report's limits are checked.
With it, the unquantized models are made again and proven, and every file is compared with them.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gguf import GGUFReader

from agent.bundle import Bundle, load_bundle
from agent.bundle.deltas.canary import CONTEXT, TOLERANCE, run_canary
from agent.errors import InputError, UmiError
from agent.llama.binding.gguf_model import open_gguf
from agent.llama.gguf.trial import require_loadable, trial_loads
from agent.prompting.encoding import load_detokenize
from agent.transcript import ROLES, Role
from export.build_folder import BuildFolder
from export.card.provenance import ADAPTER_FILES, adapter_files
from export.job import ExportJob
from export.layouts.shared import prove_adapters, read_role_adapter
from export.layouts.unquantized import Proof, build_unquantized, prove
from export.options import Limits, Options, Say
from export.pipeline import choose_layout
from export.proof.divergence import Divergence, exceeded_limits, measure_divergence
from export.proof.report import Report, read_report
from export.proof.tokenizer import tokenization_sha256
from export.quantize.quantize import finer
from export.quantize.selection import format_exceeded
from train.model.weights.adapter import LoraAdapter
from train.run.files import BACKBONE
from train.run.finished import Run, hash_base, load_run, require_own_adapters

_EXPORT_AGAIN = "export it again"


class Problem(NamedTuple):
    """A check that failed, and what a user can do about it."""

    what: str
    next_step: str


@dataclasses.dataclass(frozen=True)
class RoleCheck:
    """The result of checking a role's file."""

    role: Role
    file: str
    facts: Sequence[str]
    """Its measured figures, for a line of text."""
    problems: Sequence[Problem]
    report: Mapping[str, Any]
    """The same figures, as JSON."""


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
    """Check the bundle in `folder` and print the result for each role; return 0.

    Its files are loaded in a child process first. With the run folder `against`, each file is compared with
    the run's unquantized model on `prompts` held-out turns. `max_kl` and `max_drop` replace the limits that
    the bundle was exported with. Raise UmiError if a check fails, after printing.
    """
    if prompts < 1:
        raise InputError(f"--prompts is {prompts}", "give at least 1")
    bundle = load_bundle(folder, verify=True)
    if bundle.base:
        raise InputError(
            f"{bundle.name} holds deltas, and what can be verified is what is built of them",
            f"umi models build {shlex.quote(str(folder))}, and verify the folder that it names",
        )
    report = read_report(bundle)
    require_loadable(trial_loads(bundle), _EXPORT_AGAIN)
    exported_with = report.limits if report else Limits()
    limits = Limits(
        exported_with.kl if max_kl is None else max_kl,
        exported_with.drop if max_drop is None else max_drop,
    )
    if against:
        checks = verify_against(bundle, report, against, limits, prompts, say)
    elif report:
        checks = [_check_without_run(bundle, role, report, limits) for role in ROLES]
    else:
        raise UmiError(
            f"{bundle.name} carries no report of its export; its files are whole",
            "give --against RUN, or export it again",
        )
    if as_json:
        roles = {
            check.role: {**check.report, "problems": [problem.what for problem in check.problems]}
            for check in checks
        }
        print(json.dumps({"bundle": bundle.name, "limits": dataclasses.asdict(limits), "roles": roles}))
    else:
        width = max(len(check.file) for check in checks)
        for check in checks:
            facts = [*check.facts, *(problem.what for problem in check.problems)]
            print(f"{check.role:<10}  {check.file:<{width}}  {'; '.join(facts)}")
    problems = [problem for check in checks for problem in check.problems]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UmiError(f"{bundle.name} is not verified: {problems[0].what}{more}", problems[0].next_step)
    say(f"{bundle.name} is verified" + ("" if against else "; --against RUN compares with its run"))
    return 0


def verify_against(
    bundle: Bundle, report: Report | None, folder: Path, limits: Limits, prompts: int, say: Say
) -> list[RoleCheck]:
    """Make the unquantized models of the run in `folder` again, and compare each role's file with its own.

    Raise InputError if the bundle is of another run, and UmiError if a model cannot be proven or the folder
    for temporary files is full.
    """
    run = load_run(folder)
    layout = choose_layout(run, None)
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
    checks = []
    try:
        with tempfile.TemporaryDirectory(prefix="umi-verify-") as temporary:
            build = BuildFolder(Path(temporary), {}, {})
            build.scratch.mkdir()
            job = ExportJob(run, base, build, Options({}, bundle.name, prompts=prompts), say)
            for role, proof in _prove_roles(bundle, report, job):
                adapter, parity = bundle.adapter_path(role), proof.parity
                divergence = measure_divergence(proof.reference, bundle.path(role), detokenize, say, adapter)
                f32_fact = f"f32 equals torch on {parity.agreed} of {parity.positions} tokens"
                facts = [f32_fact, *_format_divergence(divergence)]
                figures = {"f32": dataclasses.asdict(parity), "quantized": dataclasses.asdict(divergence)}
                problems = _limit_problems(bundle, report, role, divergence, limits)
                checks.append(RoleCheck(role, (adapter or bundle.path(role)).name, facts, problems, figures))
    except OSError as error:
        raise UmiError(
            f"{error.filename or tempfile.gettempdir()} cannot be written: {error.strerror or error}",
            "free space, or name another folder for temporary files in TMPDIR",
        ) from None
    return checks


def _require_same_adapters(bundle: Bundle, run: Run, role: Role) -> None:
    """Raise InputError if the metadata of a role's file names other adapters than those of the run."""
    file = bundle.adapter_path(role) or bundle.path(role)
    recorded = GGUFReader(file).fields.get(ADAPTER_FILES)
    expected = adapter_files(run, BACKBONE if bundle.layout == "single" else role)
    if recorded and recorded.contents() != expected:
        raise InputError(
            f"{file} was made of other adapters than those of the {role} in {run.folder}",
            "give the run that it was made of, or export this one",
        )


def _prove_roles(bundle: Bundle, report: Report | None, job: ExportJob) -> Iterator[tuple[Role, Proof]]:
    """Make each stage's unquantized model, merged as for the bundle; yield the proof of each role."""
    stage_roles: Mapping[str, Sequence[Role]] = {BACKBONE: ROLES}
    if bundle.layout == "merged":
        stage_roles = {role: [role] for role in ROLES}
    for stage, roles in stage_roles.items():
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


def _check_without_run(bundle: Bundle, role: Role, report: Report, limits: Limits) -> RoleCheck:
    """Check a role's tokenizer, its answer to the canary's prompt, and the report's figures."""
    role_report = report.role(role)
    path, adapter = bundle.path(role), bundle.adapter_path(role)
    file = (adapter or path).name
    problems: list[Problem] = []
    with open_gguf(path, CONTEXT, adapter) as gguf_model:
        if tokenization_sha256(gguf_model.tokenize) != report.tokenizer.sha256:
            problems.append(
                Problem(f"{path.name} cuts the hard texts otherwise than its base", _EXPORT_AGAIN)
            )
        text = [int(token) for token in role_report.probe.text.split()]
        agreed = run_canary(gguf_model, role, bundle.markers, text)
    if agreed < role_report.probe.agreed - TOLERANCE:
        what = (
            f"{file} answers as its model on {agreed} tokens of {len(text)},"
            f" and did on {role_report.probe.agreed}"
        )
        problems.append(Problem(what, _EXPORT_AGAIN))
    divergence = role_report.quantized
    problems += _limit_problems(bundle, report, role, divergence, limits)
    facts = [f"answers as its model on {agreed} of {len(text)} tokens", *_format_divergence(divergence)]
    figures = {"probe": {"agreed": agreed}, "quantized": dataclasses.asdict(divergence)}
    return RoleCheck(role, file, facts, problems, figures)


def _format_divergence(divergence: Divergence) -> list[str]:
    """Return the figures of a divergence as text."""
    full = divergence.full_scores
    scores = [f"{name} {score:.2f} ({full.get(name, 0):.2f})" for name, score in divergence.scores.items()]
    return [
        f"KL {divergence.kl:.2g} nats a token",
        f"same best token {100 * divergence.top1:.1f} %",
        *([f"{', '.join(scores)} on {divergence.cases} turns, in brackets unquantized"] if scores else []),
    ]


def _limit_problems(
    bundle: Bundle, report: Report | None, role: Role, divergence: Divergence, limits: Limits
) -> list[Problem]:
    """Return a problem if a role's file exceeds one of the limits."""
    exceeded = exceeded_limits(role, divergence, limits)
    if not exceeded:
        return []
    finer_type = finer(report.model(role).type) if report else None
    next_step = f"export it with --quant {finer_type}" if finer_type else _EXPORT_AGAIN
    return [Problem(f"{bundle.path(role).name} has {format_exceeded({role: exceeded})}", next_step)]
