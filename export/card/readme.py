"""The model card of a bundle: README.md as the Hugging Face hub shows it, from the bundle's manifest alone.

A figure that the manifest lacks is left out. Names and texts in it are the users', so they are escaped in
YAML and Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from agent.bundle import Bundle
from agent.bundle.manifest import TableFile
from agent.transcript import ROLES
from export.card.markdown import argument, code, number, paragraphs, section, slug, table, text
from export.card.provenance import base_name, hub_id
from train.run.files import BACKBONE

STAGES = (BACKBONE, *ROLES)
"""The parts of an export's report."""
_HUB_LICENSES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "mpl-2.0", "unlicense", "cc0-1.0"),
        *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gemma"),
        *("llama3", "llama3.1", "llama3.2", "llama3.3", "openrail"),
    )
)
"""Licence names that the hub accepts; any other is declared as `other`."""
_METHOD = {
    "two-stage": "a backbone on all turns, then each role from it on its own turns",
    "one-stage": "each role straight from the base, on its own turns",
    "multi-task": "one adapter on all turns, which plays all three roles",
}
_ADAPTERS = {"lora": "LoRA", "alora": "activated LoRA"}
_COMPARED = """\
Compared on held-out turns. `f32` is the file before it was quantized, against the torch model that it was
made from: tokens of torch's own answers where both like the same token best; near-ties are set aside.
`quantized` is the file in this folder, against the model before it was quantized."""
_SCORED = """\
Held-out turns written freely, without the grammars that hold models in use: by the model before it was
quantized, and by the file in this folder."""
_SPEEDS = """\
Tokens that a model of this shape reads and writes in a second on one thread of the machine that exported it,
by the type of its weights: the fastest type within the limits was chosen."""
_TRAINED = """\
Scores on held-out turns while training, written freely, without the grammars that hold models in use. Without
a model: always calling; the first tool, or the right one without arguments; the last observation again."""
_ABOUT = """\
Models for the terminal agent umi, in three roles: a planner says what to do next, a caller writes the tool
call, a summarizer writes the answer. This is {layout}, as GGUF, for {context:,} tokens of context. The method
is that of [arXiv 2401.07324](https://arxiv.org/abs/2401.07324)."""
_USE = """\
umi runs the three roles and the tools:

```
umi models pull OWNER/NAME
umi ask --models FOLDER "…"    # where the files are in a folder already
```
"""
_DELTAS = """\
The files are adapters. umi builds the models of them and of the base {base} when they are first used, or with
`umi models build NAME`; the base comes with `umi models pull`."""
_ELSEWHERE = """\
Other programs answer one turn in one role; what calls tools and goes on is left to you. The files hold a
chat template: the message with the role `system` comes first and holds the tools, one compact JSON line
each (`{"name":…,"description":…,"parameters":…}`), sorted by name; then come `user`, `planner`, `caller`,
`tool` and `summarizer`. llama-completion reads it with `--jinja` only. No message may hold the models' own
control tokens: these programs do not keep them apart from text, as umi does.
"""
_SINGLE = """\
The template writes the planner's turn; with `"chat_template_kwargs": {"umi_role": "caller"}` in a request to
llama-server it writes the caller's, and likewise the summarizer's."""
_SHARED = """\
Each request to llama-server has to name the role and its adapter, as
`"lora": [{"id": 1, "scale": 1.0}], "chat_template_kwargs": {"umi_role": "caller"}` does for the caller; `id`
counts the adapters as they are given, from 0. It switches an adapter on one token before its role's header,
so its answers can differ a little from umi's. Programs that apply an adapter to every token get these wrong,
so the Modelfiles take the model without them."""


def bundle_readme(bundle: Bundle) -> str:
    """Return the text of a bundle's README.md."""
    parts = [
        _metadata(bundle),
        f"# {text(bundle.name) or 'A bundle of umi'}",
        _about(bundle),
        "## Files\n\n" + _files(bundle),
        "## Use\n\n" + _use(bundle),
        section("How it was trained", _training(bundle)),
        section("What export compared", _comparison(bundle)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(bundle: Bundle) -> str:
    lines = []
    if bundle.license:
        known = bundle.license.strip().lower()
        lines.append(f"license: {known}" if known in _HUB_LICENSES else "license: other")
        if known not in _HUB_LICENSES:
            lines.append(f"license_name: {slug(bundle.license)}")
    hub = hub_id(_string(bundle.recipe.get("base")))
    if hub:
        lines.append(f"base_model: {json.dumps(hub)}")
    lines += ["library_name: gguf", "pipeline_tag: text-generation", "tags: [umi, gguf, agent, tool-use]"]
    return "\n".join(["---", *lines, "---"])


def _about(bundle: Bundle) -> str:
    layout = {
        "merged": "a model for each role",
        "shared": "one model and three activated adapters, each of which is on only from its role's header",
        "single": "one model that plays all three roles",
    }[bundle.layout]
    about = _ABOUT.format(layout=layout, context=bundle.context_length)
    return about + (f"\n\nLicence: {text(bundle.license)}." if bundle.license else "")


def _files(bundle: Bundle) -> str:
    report = _report(bundle)
    types = {row.get("file"): row.get("type") for row in report.values()}
    roles_of: dict[str, list[str]] = {}
    for role, file in bundle.roles.items():
        for entry in (*(file.deltas or (file,)), file.adapter, file.table):
            if entry:
                roles_of.setdefault(entry.file, []).append(role)
    rows = [
        (
            code(file.file),
            ", ".join(roles_of[file.file]),
            "table of n-grams" if isinstance(file, TableFile) else text(types.get(file.file)),
            f"{file.size / 1e6:,.1f} MB",
        )
        for file in bundle.files
    ]
    return table(("file", "for", "type", "size"), rows)


def _use(bundle: Bundle) -> str:
    if bundle.dialect == "chat":
        return _USE
    if bundle.base:
        return paragraphs(_USE.strip(), _DELTAS.format(base=code(bundle.base.name)).strip())
    adapters = [argument(file.adapter.file) for file in bundle.roles.values() if file.adapter]
    options = "".join(f" --lora {file}" for file in adapters)
    options += " --lora-init-without-apply" if adapters else ""
    commands = [
        f"llama-server -m {argument(bundle.roles['planner'].file)}{options} --temp 0",
        f"ollama create {slug(bundle.name)}-planner -f planner.Modelfile",
    ]
    listing = "\n".join(["```", *commands, "```"])
    notes = {"single": _SINGLE, "shared": _SHARED}.get(bundle.layout, "")
    return paragraphs(_USE.strip(), _ELSEWHERE.strip(), listing, notes)


def _training(bundle: Bundle) -> str:
    recipe, stages = bundle.recipe, _mapping(_mapping(bundle.metrics).get("train"))
    lora, method = _mapping(recipe.get("lora")), _string(recipe.get("method"))
    data, longest = recipe.get("data"), number(recipe.get("max_length"), ",d")
    names = [PurePath(file).name for file in data if isinstance(file, str)] if isinstance(data, list) else []
    fields = {
        "base": code(base_name(_string(recipe.get("base")))) if recipe.get("base") else "",
        "data": ", ".join(map(code, names)),
        "method": f"{code(method)}: {_METHOD[method]}" if method in _METHOD else code(method),
        "hand-over": code(recipe.get("hand_over")),
        "adapters": _ADAPTERS.get(_string(recipe.get("adapter")), ""),
        "rank, alpha": ", ".join(filter(None, (number(lora.get(key), "d") for key in ("rank", "alpha")))),
        "base held as": code(recipe.get("quantization")),
        "longest conversation": f"{longest} tokens" if longest else "",
        "seed": number(recipe.get("seed"), "d"),
    }
    rows = [(key, value) for key, value in fields.items() if value]
    return paragraphs(table(("", ""), rows), _stages(stages), _scores(stages))


def _stages(stages: Mapping[str, Any]) -> str:
    rows = []
    for name in STAGES:
        stage = _mapping(stages.get(name))
        counts = [number(stage.get(key), ",d") for key in ("rows", "targets", "steps", "kept_step")]
        losses = [_losses(stage.get(key)) for key in ("heldout_loss_before", "heldout_loss")]
        rows.append((name, *counts, *losses))
    head = ("stage", "rows", "target tokens", "steps", "step kept", "held-out loss before", "after")
    return table(head, (row for row in rows if any(row[1:])))


def _scores(stages: Mapping[str, Any]) -> str:
    rows = []
    for name in STAGES:
        stage = _mapping(stages.get(name))
        baselines = _mapping(stage.get("baselines"))
        for measure, value in _mapping(stage.get("scores")).items():
            if measure != "loss":
                rows.append(
                    (name, code(measure), number(value, ".3f"), number(baselines.get(measure), ".3f"))
                )
    return table(("stage", "measure", "score", "without a model"), rows, _TRAINED)


def _comparison(bundle: Bundle) -> str:
    report = _report(bundle)
    limits = _mapping(_mapping(_mapping(bundle.metrics).get("export")).get("limits"))
    listed = [f"{text(key)} {number(value, 'g')}" for key, value in limits.items() if number(value, "g")]
    return paragraphs(
        _agreements(report),
        f"Limits that the export was held to: {', '.join(listed)}." if listed else "",
        _task_scores(report),
        _speeds(report),
        "\n".join(line for name, row in report.items() for line in _notes(name, row)),
    )


def _agreements(report: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, row in report.items():
        exact, quantized = _mapping(row.get("f32")), _mapping(row.get("quantized"))
        rows.append(
            (
                name,
                code(row.get("type")),
                _of(exact.get("agreed"), exact.get("positions")),
                number(exact.get("near_ties"), ",d"),
                number(exact.get("largest_difference"), ".2g"),
                _of(quantized.get("agreed"), quantized.get("positions")),
                number(quantized.get("kl"), ".2g"),
                number(quantized.get("largest_kl"), ".2g"),
            )
        )
    head = (
        *("part", "type", "f32: same best token", "near-ties", "largest difference of a logit"),
        *("quantized: same best token", "mean KL divergence, nats", "largest"),
    )
    return table(head, (row for row in rows if any(row[2:])), _COMPARED)


def _task_scores(report: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, row in report.items():
        quantized = _mapping(row.get("quantized"))
        before = _mapping(quantized.get("full_scores"))
        for measure, value in _mapping(quantized.get("scores")).items():
            scores = number(before.get(measure), ".3f"), number(value, ".3f")
            rows.append((name, code(measure), *scores, number(quantized.get("cases"), ",d")))
    return table(("part", "measure", "before quantizing", "this file", "turns"), rows, _SCORED)


def _speeds(report: Mapping[str, Mapping[str, Any]]) -> str:
    measured = {
        kind: _mapping(speed)
        for row in report.values()
        for kind, speed in _mapping(row.get("speeds")).items()
    }
    rows = [
        (code(kind), number(speed.get("read"), ".1f"), number(speed.get("write"), ".1f"))
        for kind, speed in measured.items()
    ]
    return table(("type", "read", "written"), rows, _SPEEDS)


def _notes(name: str, row: Mapping[str, Any]) -> Iterable[str]:
    """Yield the remarks on a part of the report beside its figures, as items of a list."""
    merged, losses = text(row.get("merge_base")), _losses(row.get("heldout_loss"))
    if merged:
        yield f"- {name}: merged into {merged} weights" + (f" (held-out loss: {losses})" if losses else "")
    if _mapping(row.get("quantized")).get("cases") == 0:
        yield f"- {name}: no held-out turn fitted, so it was compared on a greeting only"
    imatrix = _mapping(row.get("imatrix"))
    if imatrix:
        tokens = number(imatrix.get("tokens"), ",d")
        verb = "made with" if imatrix.get("used") is True else "compared with one made with"
        losses = {way: number(kl, ".2g") for way, kl in _mapping(imatrix.get("kl")).items()}
        listed = ", ".join(f"{text(way)} it {kl}" for way, kl in losses.items() if kl)
        yield (
            f"- {name}: {verb} an importance matrix"
            + (f" of {tokens} tokens" if tokens else "")
            + (f" from {text(imatrix['source'])}" if imatrix.get("source") else "")
            + (f" (mean KL divergence: {listed})" if listed else "")
        )
    tried = row.get("tried")
    for attempt in map(_mapping, tried if isinstance(tried, Sequence) else ()):
        kind, why = code(attempt.get("type")), text(attempt.get("lost"))
        kl = number(attempt.get("kl"), ".2g")
        reason = why or (f"a mean KL divergence of {kl} nats" if kl else "")
        if kind:
            yield f"- {name}: {kind} was tried and given up" + (f": {reason}" if reason else "")


def _report(bundle: Bundle) -> dict[str, Mapping[str, Any]]:
    """Return the export's metrics of each part, in order."""
    export = _mapping(_mapping(bundle.metrics).get("export"))
    return {part: _mapping(export[part]) for part in STAGES if _mapping(export.get(part))}


def _losses(value: Any) -> str:
    losses = {key: number(loss, ".4f") for key, loss in _mapping(value).items()}
    return ", ".join(f"{text(key)} {loss}" for key, loss in losses.items() if loss)


def _of(part: Any, whole: Any) -> str:
    counts = number(part, ",d"), number(whole, ",d")
    return f"{counts[0]} of {counts[1]}" if all(counts) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
