"""`--plan`: what it counts is what training does, and it reads no weight."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_base import TINY_RUN, make_base, tiny_rows

import train.plan.measurement
import train.plan.run_plan
from agent.errors import InputError
from agent.prompting.encoding import Encoded
from train.data.rows import write_rows
from train.data.splits import hold_out
from train.loop.batches import steps_from, total_steps
from train.loop.held_out import stage_view
from train.loop.pipeline import train as train_run
from train.model.lora import LoraModel
from train.model.packing import Packed, join
from train.model.special_tokens import marked_tokenize
from train.plan.measurement import cut, measure_speed
from train.plan.memory import (
    MicroBatchSize,
    adapter_parameters,
    estimate,
    saved_tensors_of_layer,
    size_of,
    weight_bytes,
)
from train.plan.run_plan import Plan, plan_run
from train.plan.shape import read_shape
from train.plan.speed import head_flops, layer_flops, workload_of
from train.recipe import STAGES, Recipe

GIGABYTE = 10**9


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and data."""
    folder = tmp_path_factory.mktemp("plan")
    make_base(folder / "base")
    write_rows(folder / "data.jsonl", [*tiny_rows(24), *tiny_rows(6, "valid")])
    return folder


@pytest.fixture(autouse=True)
def brief_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step is enough where no time is looked at."""
    monkeypatch.setattr(train.plan.measurement, "MEASURED_SECONDS", 0.0)
    monkeypatch.setattr(train.plan.measurement, "MEASURED_MICRO_BATCHES", 1)


def recipe_in(place: Path, out: Path, **fields: Any) -> Recipe:
    paths = {"base": str(place / "base"), "data": [str(place / "data.jsonl")], "out": str(out)}
    return Recipe.from_json({**TINY_RUN, **paths, "evaluations": 0, **fields})


def a_pass(vocabulary: int, branches: int = 7) -> list[Packed]:
    """Two sequences with branches of several lengths."""
    rng = np.random.default_rng(0)
    sequences = []
    for prefix, count in ((40, branches), (25, 2)):
        ids = rng.integers(0, vocabulary, prefix)
        lengths = rng.integers(20, 40, count)
        rows = [Encoded(ids, rng.integers(0, vocabulary, n), np.arange(n) >= n // 2) for n in lengths]
        sequences.append(join(rows))
    return sequences


def kept_by_autograd(model: LoraModel, batch: list[Packed]) -> int:
    """Bytes of all tensors that a forward pass keeps for the backward pass, parameters aside."""
    parameters = {p.untyped_storage().data_ptr() for p in model._peft.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in parameters:
            # Held, so that no other tensor gets its address.
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model.loss_sum(batch)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("quantization", ["nf4", "none"])
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("lora", [{}, {"dropout": 0.1}, {"targets": ["q_proj", "v_proj"]}])
def test_activations_are_what_autograd_keeps(
    place: Path, tmp_path: Path, quantization: str, precision: str, lora: dict[str, Any]
) -> None:
    fields = {"quantization": quantization, "precision": precision, "lora": {"rank": 4, **lora}}
    recipe = recipe_in(place, tmp_path, **fields)
    shape, mixed = read_shape(place / "base"), precision == "bfloat16"
    batch = a_pass(shape.vocabulary)
    size = size_of(batch)
    blocks = list(saved_tensors_of_layer(recipe, shape, size, "cpu", mixed))
    counted = shape.layers * sum(count * each for count, each in blocks)
    counted += 4 * (size.tokens + size.targets) * shape.width
    if recipe.lora.dropout:
        counted += mixed * 2 * adapter_parameters(recipe, shape)
    assert counted == pytest.approx(kept_by_autograd(LoraModel(recipe), batch), rel=0.1)


@pytest.mark.parametrize("double_quant", [True, False])
@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_weights_and_adapter_are_counted(
    place: Path, tmp_path: Path, quantization: str, double_quant: bool
) -> None:
    recipe = recipe_in(place, tmp_path, quantization=quantization, double_quant=double_quant)
    shape = read_shape(place / "base")
    model = LoraModel(recipe)
    frozen: dict[int, int] = {}
    for module in model._peft.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                continue
            frozen[parameter.data_ptr()] = parameter.nbytes
            state = getattr(parameter, "quant_state", None)
            if state is not None:
                frozen[state.absmax.data_ptr()] = state.absmax.nbytes
                if state.nested:
                    frozen[state.state2.absmax.data_ptr()] = state.state2.absmax.nbytes
    assert weight_bytes(recipe, shape, "cpu") == pytest.approx(sum(frozen.values()), rel=0.01)
    assert adapter_parameters(recipe, shape) == sum(p.numel() for p in model.parameters)


def test_the_counts_are_those_of_training(place: Path, tmp_path: Path) -> None:
    recipe = recipe_in(place, tmp_path / "run", caller={"epochs": 1.5}, adapter="alora")
    result = plan_run(recipe)
    tokenize = marked_tokenize(place / "base", recipe.markers)
    train_rows, _ = hold_out([*tiny_rows(24), *tiny_rows(6, "valid")], recipe.heldout_rows)
    assert [stage.stage for stage in result.stages] == list(STAGES)
    for stage in result.stages:
        rows = stage_view(train_rows, stage.stage, stage.stage, recipe, tokenize).rows
        steps = total_steps(rows, recipe, stage.stage)
        micro_batches = itertools.chain(*itertools.islice(steps_from(rows, recipe, stage.stage, 0), steps))
        tokens = sum(len(packed) for batch in micro_batches for packed in batch)
        assert (stage.steps, stage.done, stage.tokens) == (steps, 0, tokens)
    assert "measured" in result.timed_by
    assert not (tmp_path / "run").exists()


def test_a_plan_reads_no_weight(place: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for file in (place / "base").iterdir():
        content = file.read_bytes()
        if file.suffix == ".safetensors":
            content = content[: 8 + int.from_bytes(content[:8], "little")]
        (base / file.name).write_bytes(content)
    result = plan_run(recipe_in(place, tmp_path / "run", base=str(base)))
    assert result.parameters == plan_run(recipe_in(place, tmp_path / "run")).parameters


def test_a_plan_counts_the_remaining_steps(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_in(
        place, tmp_path / "run", backbone={"learning_rate": 1e-3, "max_steps": 2}, caller={"max_steps": 5}
    )
    train_run(recipe, lambda _: None, "backbone")
    whole = plan_run(recipe)
    assert whole.finished == ("backbone",)
    assert [stage.stage for stage in whole.stages] == list(STAGES[1:])

    def stop(line: str) -> None:
        if "step 5/5" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, stop, "caller")
    rest = plan_run(recipe, "caller").stages[0]
    before = next(stage for stage in whole.stages if stage.stage == "caller")
    assert (rest.steps, rest.done) == (5, 4)
    assert 0 < rest.tokens < before.tokens


def test_the_time_is_estimated_from_the_logged_speed(place: Path, tmp_path: Path) -> None:
    recipe = recipe_in(place, tmp_path / "run")
    run = tmp_path / "run"
    run.mkdir()
    lines = [
        {"stage": name, "step": 1, "loss": 1.0, "tokens_per_second": speed}
        for name, speed in (("backbone", 10.0), ("caller", 50.0))
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = plan_run(recipe)
    by_stage = {stage.stage: stage.tokens / stage.seconds for stage in result.stages}
    assert by_stage["backbone"] == pytest.approx(10)
    assert by_stage["caller"] == pytest.approx(50)
    assert "logged" in result.timed_by


def test_a_plan_warns(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.plan.run_plan, "available_bytes", lambda: GIGABYTE // 10)
    recipe = recipe_in(
        place, tmp_path / "run", max_length=90, caller={"learning_rate": 1e-6}, quantization="none"
    )
    warnings = "\n".join(plan_run(recipe).warnings)
    assert "caller.learning_rate = 1e-06 is low" in warnings
    assert "too long" in warnings
    for field in ("micro_batch_tokens", "gradient_checkpointing", "quantization"):
        assert field in warnings
    monkeypatch.setattr(train.plan.run_plan, "available_bytes", lambda: 1000 * GIGABYTE)
    assert plan_run(recipe_in(place, tmp_path / "run")).warnings == ()


def test_a_plan_is_printed_as_text_and_json(place: Path, tmp_path: Path) -> None:
    result = plan_run(recipe_in(place, tmp_path / "run"))
    value = json.loads(json.dumps(result.to_json()))
    assert value["memory"] == max(stage["memory"]["total"] for stage in value["stages"])
    text = "\n".join(result.lines())
    for stage in result.stages:
        assert f"{stage.stage}: {stage.steps} steps, {stage.tokens:,} tokens" in text
    assert f"{result.parameters:,} parameters" in text


def test_following_the_warning_lowers_the_memory(place: Path, tmp_path: Path) -> None:
    def memory(**fields: Any) -> int:
        recipe = recipe_in(place, tmp_path, **fields)
        return estimate(recipe, replace(shape, layers=24), [a_pass(shape.vocabulary)], "cpu", True).total

    shape = read_shape(place / "base")
    assert memory(gradient_checkpointing=True) < memory()
    quantized, plain = (recipe_in(place, tmp_path, quantization=kind) for kind in ("nf4", "none"))
    assert weight_bytes(quantized, shape, "cpu") < weight_bytes(plain, shape, "cpu")


def test_operations_grow_as_the_formula_says(place: Path, tmp_path: Path) -> None:
    shape = read_shape(place / "base")
    recipe = recipe_in(place, tmp_path, lora={"rank": 1})
    one = layer_flops(recipe, shape, MicroBatchSize(100, 0, (), ()))
    assert one == 100 * (4 * shape.linear_parameters + 6 * adapter_parameters(recipe, shape))
    again = replace(recipe, gradient_checkpointing=True)
    assert layer_flops(again, shape, MicroBatchSize(100, 0, (), ())) > 1.4 * one
    assert head_flops(shape, MicroBatchSize(100, 10, (), ())) == 40 * shape.vocabulary * shape.width


@pytest.mark.parametrize(("layer", "rest"), [(2e-9, 1e-9), (3e-9, 5e-8)])
def test_the_time_of_layers_and_of_the_rest_are_told_apart(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: float, rest: float
) -> None:
    """Where time is linear in operations, the line is found, and other micro-batches are predicted by it."""
    recipe, shape = recipe_in(place, tmp_path), read_shape(place / "base")
    clock = 0.0

    def run(model: LoraModel, micro_batches: list[list[Packed]], labels: int) -> float:
        nonlocal clock
        work = workload_of(recipe, shape, micro_batches)
        depth = model._causal.config.num_hidden_layers / shape.layers
        clock += layer * depth * work.layer_flops + rest * work.head_flops
        return 1.0

    monkeypatch.setattr(train.plan.measurement, "accumulate_gradients", run)
    monkeypatch.setattr(train.plan.measurement, "take_step", lambda *_: None)
    monkeypatch.setattr(train.plan.measurement, "perf_counter", lambda: clock)
    measured = measure_speed(recipe, shape, [a_pass(shape.vocabulary), a_pass(shape.vocabulary, branches=3)])
    assert (measured.layer, measured.head) == pytest.approx((layer, rest))
    other = workload_of(recipe, shape, [a_pass(shape.vocabulary, branches=20)])
    expected = layer * other.layer_flops + rest * other.head_flops
    assert measured.seconds(other) == pytest.approx(expected)


def test_fewer_layers_are_computed_while_they_are_measured(place: Path, tmp_path: Path) -> None:
    model = LoraModel(recipe_in(place, tmp_path, lora={"rank": 2}))
    batch = a_pass(read_shape(place / "base").vocabulary)
    whole = model.mean_loss([batch])
    with model.first_layers(1):
        assert abs(model.mean_loss([batch]) - whole) > 1e-5 * whole
    assert model.mean_loss([batch]) == whole


def test_a_pass_is_cut_where_a_step_would_take_long(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, shape = recipe_in(place, tmp_path), read_shape(place / "base")
    batch = a_pass(shape.vocabulary)
    whole = sum(map(len, batch))
    assert sum(map(len, cut(recipe, shape, batch, "cpu"))) == whole
    monkeypatch.setattr(train.plan.measurement, "MAX_FLOPS", 1.0)
    assert len(cut(recipe, shape, batch, "cpu")) == 1
    assert sum(map(len, cut(recipe, shape, batch, "cpu"))) < whole / 2
    assert sum(map(len, cut(recipe, shape, batch, "cuda"))) == whole


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "is not a checkpoint folder"),
        ("config.json", b"{", r"config\.json cannot be read"),
        ("config.json", b"{}", "describes no causal language model"),
        ("model.safetensors", None, "has no safetensors files"),
        ("model.safetensors", b"\xff" * 20, "is not a safetensors file"),
        ("model.safetensors", b"\x03\0\0\0\0\0\0\0{,}", r"model\.safetensors cannot be read"),
    ],
)
def test_a_damaged_base_is_named(
    place: Path, tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for part in (place / "base").iterdir():
        (base / part.name).write_bytes(part.read_bytes())
    (base / file).unlink()
    if content is not None:
        (base / file).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_shape(base)


def test_only_a_plan_of_a_known_stage(place: Path, tmp_path: Path) -> None:
    recipe = recipe_in(place, tmp_path / "run", method="multi-task")
    assert [stage.stage for stage in plan_run(recipe).stages] == ["backbone"]
    with pytest.raises(InputError, match="trains no caller"):
        plan_run(recipe, "caller")


def test_a_plan_without_rows_of_a_role_says_so(place: Path, tmp_path: Path) -> None:
    result: Plan = plan_run(recipe_in(place, tmp_path / "run", max_length=5))
    assert result.stages == ()
    assert result.memory == 0
    assert sum("no training row" in warning for warning in result.warnings) == len(STAGES)
