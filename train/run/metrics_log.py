"""The metrics of a run by step: lines of JSON, a picture of them, and TensorBoard on request.

RUN/metrics.jsonl    {"stage", "step", "loss", "learning_rate", "gradient_norm", "tokens_per_second"} or
                     {"stage", "step", "scores": {metric: value}}
RUN/curves.png       the losses and scores of each stage
RUN/tensorboard/     where asked for
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.paths import replacing
from train.run.files import CURVES, METRICS, TENSORBOARD


class MetricsLog:
    """Appends metrics to the log in a run folder, and with `tensorboard` to a TensorBoard file there."""

    def __init__(self, run: Path, *, tensorboard: bool = False) -> None:
        """Raise InputError where TensorBoard is asked for and not installed."""
        self._file = run / METRICS
        self._board: Any = _open_tensorboard(run / TENSORBOARD) if tensorboard else None

    def discard_after(self, stage: str, step: int) -> None:
        """Remove what was recorded of `stage` after `step`, from which it is trained again."""
        if not self._file.exists():
            return
        kept = [line for line in records(self._file) if line["stage"] != stage or line["step"] <= step]
        with replacing(self._file) as partial:
            partial.write_text("".join(map(_line, kept)), encoding="utf-8")

    def add(self, stage: str, step: int, **values: Any) -> None:
        """Append the values of a step; a mapping holds several values by name."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(_line({"stage": stage, "step": step, **values}))
        if self._board is not None:
            for name, value in _flat(values):
                self._board.add_scalar(f"{stage}/{name}", value, step)
            self._board.flush()

    def close(self) -> None:
        """Close the TensorBoard file."""
        if self._board is not None:
            self._board.close()


def records(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, without a last one that was cut off when the process was killed."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def draw(run: Path) -> Path | None:
    """Draw the losses and scores of a run; return the picture's path, None where nothing was recorded."""
    if not (run / METRICS).exists():
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    lines = records(run / METRICS)
    stages = list(dict.fromkeys(line["stage"] for line in lines))
    figure = Figure(figsize=(4.2 * max(1, len(stages)), 6.0), layout="constrained")
    axes: Any = figure.subplots(2, max(1, len(stages)), squeeze=False)
    for column, stage in enumerate(stages):
        losses = [line for line in lines if line["stage"] == stage and "loss" in line]
        upper, lower = axes[0][column], axes[1][column]
        upper.plot(
            [line["step"] for line in losses], [line["loss"] for line in losses], ".-", label="training"
        )
        scores = _scores(lines, stage)
        if "loss" in scores:
            upper.plot(*zip(*scores.pop("loss"), strict=True), "o--", label="held out")
        upper.set(title=stage, xlabel="step", ylabel="loss a token")
        upper.legend()
        for name, points in scores.items():
            lower.plot(*zip(*points, strict=True), "o-", label=name)
        lower.set(xlabel="step", ylabel="held-out score", ylim=(-0.03, 1.03))
        if lower.lines:
            lower.legend(fontsize="small")
    with replacing(run / CURVES) as partial:
        figure.savefig(partial, format="png", dpi=110)
    return run / CURVES


def _scores(lines: list[dict[str, Any]], stage: str) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        if line["stage"] == stage:
            for name, value in _flat(line.get("scores", {})):
                found.setdefault(name, []).append((line["step"], value))
    return found


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}/")
        else:
            yield f"{before}{name}", value


def _line(value: Mapping[str, Any]) -> str:
    # JSON has no NaN or infinity: they become null, a gap in the curve.
    numbers = {
        name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in value.items()
    }
    return json.dumps(numbers) + "\n"


def _open_tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "tensorboard is not installed", "pip install tensorboard, or leave tensorboard out"
        ) from None
    return SummaryWriter(folder)
