"""A benchmark of trainers that run in turns on the same rows, from the same weights.

Every system has an adapter of the same shape, AdamW at the same rate, and about as many target tokens an
optimizer step. Before anything is timed, each computes the loss of all rows with its own code; the benchmark
ends if the number of target tokens or the loss of a system differs from umi's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from agent.errors import InputError, UmiError
from agent.prompting import segments
from agent.prompting.encoding import Encoded, load_tokenize
from train.data.views import view
from train.loop.progress import Say
from train.recipe import Recipe, load_recipe
from train.run.files import BACKBONE

OURS = "umi"
STEPS = "trl-steps"
CONVERSATIONS = "trl-conversations"
TITLES: Mapping[str, str] = {
    OURS: "umi",
    STEPS: "TRL, prompt and completion a turn",
    CONVERSATIONS: "TRL, whole conversations",
}
"""The systems' names in reports. On whole conversations TRL's assistant-only loss is on all roles' turns."""
ARRANGEMENTS = ("single", "grouped", "packed")
TRIAL_ROWS = 8
TOKENIZER_SIZE = 2048
"""Entries of the tokenizer, as in the shipped models; the model may have more."""
LOSS_TOLERANCE = {False: 1e-3, True: 1e-2}
"""The largest relative difference of losses between systems: in float32, and with bfloat16 products."""


@dataclass(frozen=True)
class Task:
    """The input of all systems."""

    recipe: Recipe
    conversations: Sequence[Encoded]
    """Whole trajectories."""
    turns: Sequence[Encoded]
    """The same data with one row for each target turn, which is the last of its row."""
    parameters: int
    """Parameters of the model."""

    @property
    def targets(self) -> int:
        """Target tokens in an epoch."""
        return sum(row.targets for row in self.conversations)


def prepare(
    file: Path | None, count: int, tools: int, dimensions: Any, overrides: Sequence[str], folder: Path
) -> Task:
    """Read or generate rows, and make a base of random weights for them in `folder`.

    `overrides` are `key=value` fields of the recipe. Raise InputError where no row fits.
    """
    from train.benchmark.checkpoints import write_checkpoint
    from train.benchmark.trajectories import trajectories
    from train.model.tokenizer import save_tokenizer, train_tokenizer

    base = folder / "base"
    recipe_file = folder / "bench.toml"
    recipe_file.write_text(
        f'base = "{base.as_posix()}"\ndata = ["none"]\nout = "{(folder / "out").as_posix()}"\n'
        'quantization = "none"\noptimizer = "adamw"\n',
        encoding="utf-8",
    )
    recipe = load_recipe(recipe_file, overrides)
    if recipe.base != base.as_posix():
        raise InputError(f"base is {recipe.base}", "leave it out: the benchmark makes random weights itself")
    rows = trajectories(file, count, tools, seed=1)
    parameters = write_checkpoint(dimensions, base)
    texts = (piece.content for row in rows for piece in segments(row.transcript))
    save_tokenizer(train_tokenizer(texts, TOKENIZER_SIZE), base)
    tokenize = load_tokenize(base)
    conversations, turns = (
        view(rows, BACKBONE, tokenize, recipe.max_length, recipe.markers, by_turn=by_turn).rows
        for by_turn in (False, True)
    )
    if not conversations:
        raise InputError(
            f"no row fits into {recipe.max_length} tokens", "raise max_length, or name other rows"
        )
    return Task(recipe, conversations, turns, parameters)


def compare(
    task: Task, names: Sequence[str], arrangement: str | None, rounds: int, seconds: float, say: Say
) -> dict[str, Any]:
    """Let the systems take turns; return the figures that `--json` prints.

    A turn is as many epochs as fill `seconds`. Raise UmiError where a system has other target tokens or
    losses.
    """
    from train.benchmark.machine import PACKAGES, machine
    from train.benchmark.systems import Epoch, System, Umi

    scratch = Path(task.recipe.out)
    steps = _steps(task)
    trial_rates: dict[str, float] = {}
    if arrangement is None and len(names) > 1:
        trial_rates = _try_arrangements(task, scratch, say)
        arrangement = max(trial_rates, key=lambda name: trial_rates[name])
    systems: dict[str, System] = {}
    for name in names:
        if name == OURS:
            systems[name] = Umi(task.recipe, task.conversations)
        else:
            rows = task.turns if name == STEPS else task.conversations
            systems[name] = _trl(task, rows, arrangement or ARRANGEMENTS[0], steps, scratch)
    untrained = {}
    for name, system in systems.items():
        untrained[name] = system.untrained()
        say(f"{TITLES[name]}: {untrained[name].targets:,} target tokens, loss {untrained[name].loss:.4f}")
    require_comparable(untrained, task)
    turns_of: dict[str, list[list[Epoch]]] = {name: [] for name in systems}
    for number in range(1, rounds + 1):
        for name, system in systems.items():
            epochs = [system.epoch()]
            while sum(epoch.seconds for epoch in epochs) < seconds:
                epochs.append(system.epoch())
            turns_of[name].append(epochs)
            say(f"round {number}/{rounds}, {TITLES[name]}: {_rate(task, epochs):,.0f} tokens/s")
    return {
        "machine": machine((*PACKAGES, "trl")),
        "recipe": {**task.recipe.to_json(), "base": "random weights", "data": [], "out": ""},
        "model_parameters": task.parameters,
        "rows": len(task.conversations),
        "tool_lists": len({row.prefix.tobytes() for row in task.conversations}),
        "target_tokens": task.targets,
        "trl_arrangement": arrangement,
        "trial_tokens_per_second": {name: round(rate, 1) for name, rate in trial_rates.items()},
        "systems": {
            name: _figures(task, untrained[name], turns, turns_of[OURS]) for name, turns in turns_of.items()
        },
    }


def require_comparable(untrained: Mapping[str, Any], task: Task) -> None:
    """Raise UmiError if the target tokens of a system, or its loss before training, differ from umi's."""
    from train.model.base_model import mixed_precision, pick_device

    ours = untrained[OURS]
    allowed = LOSS_TOLERANCE[mixed_precision(task.recipe.precision, pick_device(task.recipe.device))]
    for name, other in untrained.items():
        if other.targets != task.targets:
            raise UmiError(
                f"{TITLES[name]} has {other.targets:,} target tokens, umi {task.targets:,}",
                "its figures would not compare",
            )
        if not abs(other.loss - ours.loss) <= allowed * ours.loss:
            raise UmiError(
                f"{TITLES[name]} begins with a loss of {other.loss:.4f}, umi with {ours.loss:.4f}",
                "its figures would not compare",
            )


def _steps(task: Task) -> int:
    from train.loop.batches import epoch_steps

    return len(epoch_steps(task.conversations, task.recipe, BACKBONE, 0))


def _trl(task: Task, rows: Sequence[Encoded], arrangement: str, steps: int, scratch: Path) -> Any:
    from train.benchmark.trl_systems import Trl

    mean = sum(map(len, rows)) / len(rows)
    batch_size = max(2, int(task.recipe.micro_batch_tokens / mean)) if arrangement == "grouped" else 1
    return Trl(task.recipe, rows, steps, scratch, packing=arrangement == "packed", batch_size=batch_size)


def _try_arrangements(task: Task, scratch: Path, say: Say) -> dict[str, float]:
    """Return TRL's target tokens a second by arrangement: the faster of two epochs over a few rows."""
    rows = task.conversations[:TRIAL_ROWS]
    targets = sum(row.targets for row in rows)
    rates = {}
    for name in ARRANGEMENTS:
        system = _trl(task, rows, name, 1, scratch)
        rates[name] = targets / min(system.epoch().seconds for _ in range(2))
        say(f"trial, TRL's rows {name}: {rates[name]:,.0f} tokens/s")
    return rates


def _rate(task: Task, epochs: Sequence[Any], clock: str = "seconds") -> float:
    return task.targets * len(epochs) / sum(getattr(epoch, clock) for epoch in epochs)


def _figures(
    task: Task, untrained: Any, turns: Sequence[Sequence[Any]], ours: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    rates = [_rate(task, epochs) for epochs in turns]
    cpu_rates = [_rate(task, epochs, "cpu_seconds") for epochs in turns]
    ratios = [_rate(task, mine) / rate for mine, rate in zip(ours, rates, strict=True)]
    cpu_ratios = [_rate(task, mine, "cpu_seconds") / rate for mine, rate in zip(ours, cpu_rates, strict=True)]
    every = [epoch for epochs in turns for epoch in epochs]
    return {
        **asdict(untrained),
        "steps_an_epoch": every[0].steps,
        "epochs": len(every),
        "tokens_per_second": [round(rate, 1) for rate in rates],
        "median_tokens_per_second": round(median(rates), 1),
        "umi_times_as_fast": round(median(ratios), 2),
        "median_tokens_per_cpu_second": round(median(cpu_rates), 1),
        "umi_times_as_fast_by_cpu_seconds": round(median(cpu_ratios), 2),
        "first_epoch_loss": round(every[0].loss, 4),
        "last_epoch_loss": round(every[-1].loss, 4),
    }
