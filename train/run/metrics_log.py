"""The course of a run: a line of JSON per logged step and evaluation, a picture, TensorBoard on request.

RUN/metrics.jsonl    {"stage", "step", "loss", "learning_rate", "gradient_norm", "tokens_per_second"} or
                     {"stage", "step", "scores": {metric: value}}
RUN/curves.png       the losses and scores of each stage
RUN/tensorboard/     where asked for
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.errors import InputError

FILE = "metrics.jsonl"
PICTURE = "curves.png"


class MetricsLog:
    """Records what happens in the run folder. With `tensorboard`, there too."""

    def __init__(self, run: Path, *, tensorboard: bool = False) -> None:
        """Raises InputError where TensorBoard is asked for and not installed."""
        self._file = run / FILE
        self._board: Any = _board(run / "tensorboard") if tensorboard else None

    def go_on_from(self, stage: str, step: int) -> None:
        """Forget what was recorded of `stage` after `step`: it will be done again."""
        if not self._file.exists():
            return
        kept = [line for line in records(self._file) if line["stage"] != stage or line["step"] <= step]
        part = self._file.with_name(FILE + ".part")
        part.write_text("".join(map(_line, kept)), encoding="utf-8")
        os.replace(part, self._file)

    def add(self, stage: str, step: int, **values: Any) -> None:
        """Record what a step came to; values that are mappings hold several by name."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(_line({"stage": stage, "step": step, **values}))
        if self._board is not None:
            for name, value in _flat(values):
                self._board.add_scalar(f"{stage}/{name}", value, step)
            self._board.flush()

    def close(self) -> None:
        """Finish the TensorBoard file."""
        if self._board is not None:
            self._board.close()


def records(file: Path) -> list[dict[str, Any]]:
    """What was recorded. A last line that was cut off when the process died is left out."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def draw(run: Path) -> Path | None:
    """Draw the run's curves; returns the picture, or None where nothing was recorded."""
    if not (run / FILE).exists():
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    lines = records(run / FILE)
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
    part = run / f"{PICTURE}.part"
    figure.savefig(part, format="png", dpi=110)
    os.replace(part, run / PICTURE)
    return run / PICTURE


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
    # JSON has no NaN: what is no number is null, and a gap in the curve.
    numbers = {
        name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in value.items()
    }
    return json.dumps(numbers) + "\n"


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "tensorboard is not installed", "pip install tensorboard, or leave tensorboard out"
        ) from None
    return SummaryWriter(folder)
