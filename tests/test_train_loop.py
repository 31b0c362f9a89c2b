"""One stage's loop: too little memory, gradients without numbers, the best adapter, several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_base import TINY_RUN, make_base, tiny_rows

import train.loop.trainer
from agent.errors import UmiError
from agent.prompting.encoding import Encoded, load_tokenize
from train.data.views import view
from train.loop.batches import epoch_steps
from train.loop.out_of_memory import split_micro_batches
from train.loop.trainer import Evaluation, Trainer, TrainingResult, accumulate_gradients
from train.model.lora import AdapterState, LoraModel
from train.model.packing import IGNORE, split_in_two
from train.recipe import Recipe
from train.run.metrics_log import MetricsLog, draw, records

CLOSE = {"rtol": 1e-2, "atol": 2e-3}
"""Of weights that moved by a tenth: AdamW's first steps turn on the sign of what is nearly nothing."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("loop") / "base")


@pytest.fixture
def recipe(base: Path, tmp_path: Path) -> Recipe:
    fields = {**TINY_RUN, "backbone": {"learning_rate": 2e-2, "max_steps": 6}, "precision": "float32"}
    fields |= {"lora": {"rank": 2, "alpha": 4}, "evaluations": 3, "log_steps": 2}
    return Recipe.from_json({**fields, "base": str(base), "data": ["unused"], "out": str(tmp_path)})


def trainer_of(
    recipe: Recipe, model: LoraModel, say: Callable[[str], None] = lambda _: None, **given: Any
) -> Trainer:
    rows = view(tiny_rows(24), "backbone", load_tokenize(Path(recipe.base)), 512).rows
    return Trainer(model, rows, "backbone", recipe, Path(recipe.out) / "c.pt", say, **given)


def trained(
    recipe: Recipe, say: Callable[[str], None] = lambda _: None, **given: Any
) -> tuple[TrainingResult, AdapterState]:
    model = LoraModel(recipe)
    return trainer_of(recipe, model, say, **given).run(), model.adapter()


def assert_same(one: AdapterState, other: AdapterState, *, rtol: float = 0, atol: float = 0) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=rtol, atol=atol)


def test_halves_hold_the_same_rows_once(recipe: Recipe) -> None:
    rows = view(tiny_rows(24), "backbone", load_tokenize(Path(recipe.base)), 512).rows
    micro_batches = epoch_steps(rows, recipe, "backbone", 0)[0]
    model = LoraModel(recipe)
    gradients = []
    for times in range(4):
        parts = split_micro_batches(micro_batches, times)
        targets = sum(packed.label_count for batch in parts for packed in batch)
        accumulate_gradients(model, parts, targets)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters if p.grad is not None]))
        torch.testing.assert_close(gradients[-1], gradients[0], rtol=1e-3, atol=1e-6)
        assert targets == sum(packed.label_count for batch in micro_batches for packed in batch)
    assert len(split_micro_batches(micro_batches, 3)) > len(micro_batches)
    last = split_micro_batches(micro_batches, 20)
    assert all(packed.branch_ids.max() == 1 for batch in last for packed in batch)
    assert len(split_micro_batches(last, 1)) == len(last)


def test_the_passes_of_a_step_have_different_tool_lists(recipe: Recipe) -> None:
    def row(tools: int) -> Encoded:
        return Encoded(np.full(8, tools), np.arange(12), np.ones(12, np.bool_))

    recipe = replace(recipe, micro_batch_tokens=40, accumulation=4)
    rows = [row(tools) for tools, count in enumerate((16, 16, 12, 12, 4, 4)) for _ in range(count)]
    steps = epoch_steps(rows, recipe, "backbone", 0)
    assert sum(packed.label_count for step in steps for batch in step for packed in batch) == 12 * len(rows)
    assert len(steps) == 8
    for step in steps:
        lists = [int(batch[0].input_ids[0]) for batch in step]
        assert len(lists) == len(set(lists)) == 4
    again = epoch_steps(rows, recipe, "backbone", 0)
    for one, other in zip(steps, again, strict=True):
        assert [p.input_ids.tolist() for [p] in one] == [p.input_ids.tolist() for [p] in other]


def test_splitting_a_pack_keeps_its_labels_and_repeats_its_prefix(recipe: Recipe) -> None:
    rows = view(tiny_rows(24), "backbone", load_tokenize(Path(recipe.base)), 512).rows
    from train.model.packing import pack

    packed = max(pack(rows, 512), key=len)
    first, second = split_in_two(packed)
    assert first.label_count + second.label_count == packed.label_count
    assert (second.targets[second.branch_ids == 0] == IGNORE).all()
    assert np.concatenate([first.input_ids, second.input_ids[second.branch_ids > 0]]).tolist() == (
        packed.input_ids.tolist()
    )


def test_passes_that_do_not_fit_are_halved_to_the_same_result(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, expected = trained(recipe)
    real = train.loop.trainer.accumulate_gradients

    def small(model: LoraModel, micro_batches: Any, targets: int) -> float:
        if any(sum(map(len, batch)) > 300 for batch in micro_batches):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
        return real(model, micro_batches, targets)

    monkeypatch.setattr(train.loop.trainer, "accumulate_gradients", small)
    (Path(recipe.out) / "c.pt").unlink()
    output: list[str] = []
    _, halved_to = trained(recipe, output.append)
    assert any("out of memory: micro-batches are split into 2" in line for line in output)
    assert_same(expected, halved_to, **CLOSE)


def test_a_row_that_never_fits_ends_the_run(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> float:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(train.loop.trainer, "accumulate_gradients", never)
    with pytest.raises(UmiError, match=r"one row does not fit into memory at step 1; lower max_length"):
        trained(recipe)


def test_other_errors_are_not_taken_for_out_of_memory(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> float:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(train.loop.trainer, "accumulate_gradients", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        trained(recipe)


def spoilt_at(steps: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = train.loop.trainer.accumulate_gradients, 0

    def spoilt(model: LoraModel, *given: Any) -> float:
        nonlocal calls
        calls += 1
        loss = real(model, *given)
        if calls in steps:
            assert model.parameters[0].grad is not None
            model.parameters[0].grad.fill_(float("nan"))
        return loss

    monkeypatch.setattr(train.loop.trainer, "accumulate_gradients", spoilt)


def test_a_step_without_numbers_is_left_out(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt_at({2, 3}, monkeypatch)
    output: list[str] = []
    _, adapter = trained(recipe, output.append)
    assert sum("the step is skipped" in line for line in output) == 2
    assert all(torch.isfinite(tensor).all() for tensor in adapter.values())


def test_steps_without_numbers_end_the_run(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt_at({3, 4, 5}, monkeypatch)
    with pytest.raises(UmiError, match=r"3 steps in a row, up to step 5; lower backbone\.learning_rate"):
        trained(recipe)


def test_the_best_adapter_is_kept(recipe: Recipe) -> None:
    model, seen = LoraModel(recipe), []

    def evaluate() -> Evaluation:
        seen.append(model.adapter())
        score = [0.2, 0.9, 0.5][len(seen) - 1]
        return Evaluation((score,), {"plan_acc": score}, "")

    outcome = trainer_of(recipe, model, evaluate=evaluate).run()
    assert (outcome.kept_step, outcome.scores) == (4, {"plan_acc": 0.9})
    assert_same(seen[1], model.adapter())


def test_an_adapter_that_scored_best_before_a_kill_is_kept(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.9, 0.5, 0.2])

    def evaluate() -> Evaluation:
        score = next(scores)
        return Evaluation((score,), {"plan_acc": score}, "")

    expected, _ = trained(replace(recipe, out=str(Path(recipe.out) / "whole")), evaluate=evaluate)
    real, calls = train.loop.trainer.accumulate_gradients, 0

    def dying(*given: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return real(*given)

    scores = iter([0.9, 0.5, 0.2])
    monkeypatch.setattr(train.loop.trainer, "accumulate_gradients", dying)
    metrics_log = MetricsLog(Path(recipe.out))
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, evaluate=evaluate, metrics_log=metrics_log)
    monkeypatch.setattr(train.loop.trainer, "accumulate_gradients", real)
    outcome, _ = trained(recipe, evaluate=evaluate, metrics_log=metrics_log)
    assert outcome.kept_step == expected.kept_step == 2
    steps = [line["step"] for line in records(Path(recipe.out) / "metrics.jsonl") if "loss" in line]
    assert steps == [1, 2, 4, 6]


def test_the_learning_curves_are_drawn(tmp_path: Path) -> None:
    metrics_log = MetricsLog(tmp_path)
    assert draw(tmp_path) is None
    for step in range(1, 5):
        metrics_log.add("backbone", step, loss=1 / step, learning_rate=1e-3)
    metrics_log.add("backbone", 4, scores={"planner": {"plan_acc": 0.5}})
    metrics_log.add("caller", 1, loss=0.1)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "caller", "st')
    picture = draw(tmp_path)
    assert picture is not None
    assert picture.read_bytes().startswith(b"\x89PNG")
    metrics_log.discard_after("caller", 0)
    assert {line["stage"] for line in records(tmp_path / "metrics.jsonl")} == {"backbone"}


PROGRAM = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
from test_train_loop import trainer_of
from train.model.lora import LoraModel
from train.loop.processes import Processes
from train.recipe import Recipe
recipe = Recipe.from_json(json.loads(Path({file!r}).read_text()))
processes = Processes("cpu")
model = LoraModel(recipe)
trainer_of(recipe, model, processes=processes).run()
torch.save(model.adapter(), Path({out!r}) / f"{{processes.rank}}.pt")
"""


@pytest.mark.slow
def test_two_processes_train_the_same_adapter(recipe: Recipe, tmp_path: Path) -> None:
    _, expected = trained(replace(recipe, out=str(tmp_path / "one")))
    two = tmp_path / "two"
    two.mkdir()
    file, program = tmp_path / "recipe.json", tmp_path / "program.py"
    file.write_text(json.dumps(replace(recipe, out=str(two)).to_json()))
    tests = str(Path(__file__).parent)
    program.write_text(PROGRAM.format(tests=tests, file=str(file), out=str(two)))
    launch = [sys.executable, "-P", "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*launch, "--main_process_port", "0", str(program)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for index in range(2):
        assert_same(expected, torch.load(two / f"{index}.pt"), **CLOSE)
