"""What the metrics of a bundle say of its training and its export, as sections of the model card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from agent.bundle import Bundle
from agent.transcript import ROLES
from export.card.markdown import code, number, paragraphs, table, text
from export.card.provenance import base_name
from train.run.files import BACKBONE

STAGES = (BACKBONE, *ROLES)
"""The parts of an export's report."""
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


def training(bundle: Bundle) -> str:
    """Return how a bundle was trained: its recipe, its stages and their scores."""
    recipe, stages = bundle.recipe, _mapping(_mapping(bundle.metrics).get("train"))
    lora, method = _mapping(recipe.get("lora")), string(recipe.get("method"))
    data, longest = recipe.get("data"), number(recipe.get("max_length"), ",d")
    names = [PurePath(file).name for file in data if isinstance(file, str)] if isinstance(data, list) else []
    fields = {
        "base": code(base_name(string(recipe.get("base")))) if recipe.get("base") else "",
        "data": ", ".join(map(code, names)),
        "method": f"{code(method)}: {_METHOD[method]}" if method in _METHOD else code(method),
        "hand-over": code(recipe.get("hand_over")),
        "adapters": _ADAPTERS.get(string(recipe.get("adapter")), ""),
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


def comparison(bundle: Bundle) -> str:
    """Return what the export compared, with the limits that it was held to."""
    report = export_report(bundle)
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


def export_report(bundle: Bundle) -> dict[str, Mapping[str, Any]]:
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


def string(value: Any) -> str:
    """Return a value of JSON where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""
