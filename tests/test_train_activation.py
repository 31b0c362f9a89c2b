"""Activated roles: packed turns have the loss and gradients of peft's own activated LoRA, and they train."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_base import TINY_RUN, make_base, tiny_rows

import train.loop.trainer
from agent.errors import InputError
from agent.prompting import CHATML, prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, PlannerTurn, Transcript
from train.data.rows import write_rows
from train.data.views import view
from train.loop.pipeline import train as train_run
from train.model.alora import active_positions, role_headers
from train.model.lora import LoraModel, load_adapter
from train.model.packing import join, pack
from train.recipe import STAGES, Recipe
from train.run.folder import recipe_record, write_json


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and data."""
    folder = tmp_path_factory.mktemp("activation")
    make_base(folder / "base")
    write_rows(folder / "data.jsonl", [*tiny_rows(24), *tiny_rows(6, "valid")])
    return folder


def recipe_in(place: Path, out: Path, **fields: Any) -> Recipe:
    paths = {"base": str(place / "base"), "data": [str(place / "data.jsonl")], "out": str(out)}
    return Recipe.from_json({**TINY_RUN, **paths, "adapter": "alora", "precision": "float32", **fields})


@pytest.fixture(scope="module")
def finished(place: Path) -> Path:
    return train_run(recipe_in(place, place / "run"), lambda _: None)


def test_each_turn_is_a_row_that_is_the_prompt_of_use_and_the_turn(place: Path) -> None:
    tokenize = load_tokenize(place / "base")
    row = tiny_rows(1)[0]
    seen = view([row], "planner", tokenize, 512, by_turn=True).rows
    at = [i for i, turn in enumerate(row.transcript.turns) if isinstance(turn, PlannerTurn)]
    assert len(seen) == len(at) == 2
    for step, turn in zip(seen, at, strict=True):
        before = Transcript(row.transcript.tools, row.transcript.turns[:turn])
        prompt = prompt_ids(before, "planner", tokenize)
        assert step.ids[: len(prompt)].tolist() == prompt
        assert step.target_positions.tolist() == list(range(len(prompt), len(step)))
        assert step.ids[-1] == 2
    together = view([row], "planner", tokenize, 512).rows
    assert sum(step.targets for step in seen) == sum(row.targets for row in together)


def test_the_adapter_is_on_from_the_last_header_of_each_branch(place: Path) -> None:
    tokenize = load_tokenize(place / "base")
    header = role_headers(tokenize, CHATML)["planner"]
    rows = [row for row in tiny_rows(6) if len(row.transcript.tools) == 2]
    turns = view(rows, "planner", tokenize, 512, by_turn=True).rows
    packed = join(turns)
    on = active_positions(packed, len(header))
    for branch, turn in enumerate(sorted(turns, key=len), start=1):
        inside = packed.branch_ids == branch
        start = len(turn.rest) - turn.targets - len(header)
        assert np.flatnonzero(on[inside]).tolist() == list(range(start, len(turn.rest)))
        assert packed.input_ids[inside][start : start + len(header)].tolist() == header
    assert not on[packed.branch_ids == 0].any()


def random_adapter(like: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Random numbers that float16, in which adapters are saved, holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (0.2 * torch.randn(t.shape, generator=generator)).half().float() for name, t in like.items()
    }


def pefts_own(recipe: Recipe, backbone: Path, role: Path) -> Any:
    """The base with both saved adapters, as peft loads them; the role's can be trained."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {}
    if recipe.quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
        )
    base = AutoModelForCausalLM.from_pretrained(recipe.base, dtype=torch.float32, **options)
    model: Any = PeftModel.from_pretrained(base, backbone, "backbone")
    model.load_adapter(role, "role", is_trainable=True)
    model.set_adapter("role")
    model.base_model.set_adapter(["backbone", "role"])
    return model.train()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_packed_turns_have_the_loss_and_gradients_of_peft(
    place: Path, tmp_path: Path, quantization: str
) -> None:
    plain = {"lora": {"rank": 4, "alpha": 8}, "quantization": quantization}
    recipe = recipe_in(place, tmp_path / "run", **plain)
    tokenize = load_tokenize(place / "base")
    header = role_headers(tokenize, CHATML)["planner"]
    turns = view(tiny_rows(8), "planner", tokenize, 512, by_turn=True).rows
    model = LoraModel(recipe)
    backbone = random_adapter(model.adapter(), 1)
    model.set_adapter(backbone)
    model.save_adapter(tmp_path / "backbone")
    model.stack(backbone, header, 0)
    model.set_adapter(random_adapter(model.adapter(), 2))
    model.save_adapter(tmp_path / "role")
    batch = list(pack(turns, 512))
    assert len(batch) < len(turns) / 2
    loss = model.loss_sum(batch)
    loss.backward()
    ours = {
        name.removeprefix("base_model.model."): parameter.grad
        for name, parameter in model._peft.named_parameters()
        if parameter.grad is not None
    }

    theirs = pefts_own(recipe, tmp_path / "backbone", tmp_path / "role")
    assert theirs.peft_config["role"].alora_invocation_tokens == header
    assert theirs.peft_config["backbone"].alora_invocation_tokens is None
    expected = torch.zeros(())
    for turn in turns:
        ids = torch.from_numpy(turn.ids)[None]
        at = torch.from_numpy(turn.target_positions)
        logits = theirs(input_ids=ids, use_cache=False).logits[0, at - 1]
        expected = expected + torch.nn.functional.cross_entropy(logits, ids[0, at], reduction="sum")
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = {
        name.removeprefix("base_model.model."): parameter.grad
        for name, parameter in theirs.named_parameters()
        if ".role." in name
    }
    assert set(ours) == set(gradients)
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=1e-5)


def test_a_role_lowers_its_loss_over_a_frozen_backbone(finished: Path) -> None:
    stages = json.loads((finished / "manifest.json").read_text())["stages"]
    first = stages["backbone"]
    for role in ROLES:
        second = stages[role]
        assert second["heldout_loss_before"][role] == pytest.approx(first["heldout_loss"][role], rel=1e-5)
        assert second["heldout_loss"][role] < second["heldout_loss_before"][role]


def test_the_saved_adapter_configs_describe_them(place: Path, finished: Path) -> None:
    headers = role_headers(load_tokenize(place / "base"), CHATML)
    manifest = json.loads((finished / "manifest.json").read_text())
    assert (manifest["recipe"]["adapter"], manifest["recipe"]["hand_over"]) == ("alora", "stack")
    configs = {stage: json.loads((finished / stage / "adapter_config.json").read_text()) for stage in STAGES}
    assert {stage: config["alora_invocation_tokens"] for stage, config in configs.items()} == {
        "backbone": None,
        **headers,
    }
    for role in ROLES:
        adapter = load_adapter(finished / role)
        assert set(adapter) == set(load_adapter(finished / "backbone"))
        assert all(tensor.abs().max() > 0 for tensor in adapter.values())


def test_a_new_role_is_the_backbone_and_only_it_is_trained(place: Path, finished: Path) -> None:
    model = LoraModel(recipe_in(place, place / "unused"))
    backbone = load_adapter(finished / "backbone")
    tokenize = load_tokenize(place / "base")
    headers = role_headers(tokenize, CHATML)
    starts = []
    for role in ("planner", "caller"):
        model.stack(backbone, headers[role], STAGES.index(role))
        starts.append(model.adapter())
        batch = list(pack(view(tiny_rows(), role, tokenize, 512, by_turn=True).rows, 512))
        model.loss_sum(batch).backward()
        learns = {n for n, p in model._peft.named_parameters() if p.grad is not None}
        assert learns
        assert all(".role." in name for name in learns)
        assert len(model.parameters) == len(learns)
    for name, tensor in starts[0].items():
        if ".lora_B." in name:
            assert not tensor.any()
        else:
            assert not torch.equal(tensor, starts[1][name])
            assert not torch.equal(tensor, backbone[name])


def test_stage_1_has_no_dropout_in_stage_2(place: Path, finished: Path) -> None:
    model = LoraModel(recipe_in(place, place / "unused"))
    tokenize = load_tokenize(place / "base")
    model.stack(load_adapter(finished / "backbone"), role_headers(tokenize, CHATML)["caller"], 0)
    batch = list(pack(view(tiny_rows(), "caller", tokenize, 512, by_turn=True).rows, 512))
    with torch.no_grad():
        assert model.loss_sum(batch).item() == model.loss_sum(batch).item()


def test_mixed_precision_is_close_to_float32(place: Path, finished: Path) -> None:
    tokenize = load_tokenize(place / "base")
    batch = list(pack(view(tiny_rows(), "planner", tokenize, 512, by_turn=True).rows, 512))
    losses = []
    for precision in ("float32", "bfloat16"):
        model = LoraModel(recipe_in(place, place / "unused", precision=precision))
        model.stack(load_adapter(finished / "backbone"), role_headers(tokenize, CHATML)["planner"], 0)
        model.set_adapter(load_adapter(finished / "planner"))
        losses.append(model.mean_loss([batch]))
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    assert losses[0] != losses[1]


def with_backbone(finished: Path, recipe: Recipe) -> Recipe:
    """The recipe, its run folder holding the finished stage 1."""
    write_json(Path(recipe.out) / "recipe.json", recipe_record(recipe))
    shutil.copytree(finished / "backbone", Path(recipe.out) / "backbone")
    return recipe


def assert_same_adapter(one: Path, other: Path, *, rtol: float, atol: float) -> None:
    once, twice = load_adapter(one), load_adapter(other)
    for name, tensor in once.items():
        torch.testing.assert_close(twice[name], tensor, rtol=rtol, atol=atol)


def test_a_killed_role_resumes_to_the_same_weights(
    place: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = with_backbone(finished, recipe_in(place, tmp_path / "run"))
    real, calls = train.loop.trainer.take_step, 0

    def dying(*given: Any) -> tuple[float, float]:
        nonlocal calls
        calls += 1
        if calls == 3 + 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(train.loop.trainer, "take_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, lambda _: None)
    monkeypatch.setattr(train.loop.trainer, "take_step", real)
    output: list[str] = []
    train_run(recipe, output.append)
    assert any(line.startswith("caller: resuming at step 2/") for line in output)
    for role in ROLES:
        assert_same_adapter(finished / role, tmp_path / "run" / role, rtol=0, atol=1e-6)


def test_gradient_checkpointing_changes_no_weight_of_a_role(
    place: Path, finished: Path, tmp_path: Path
) -> None:
    recipe = with_backbone(finished, recipe_in(place, tmp_path / "run", gradient_checkpointing=True))
    run = train_run(recipe, lambda _: None, "planner")
    assert_same_adapter(finished / "planner", run / "planner", rtol=1e-3, atol=1e-5)


def test_a_recorded_recipe_may_lack_a_newer_field(place: Path, finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "run"))
    record = json.loads((copy / "recipe.json").read_text())
    del record["recipe"]["accumulation"]
    (copy / "recipe.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="differs in accumulation"):
        train_run(recipe_in(place, copy), lambda _: None)
    train_run(recipe_in(place, copy, accumulation=1), lambda _: None)


def test_headers_that_are_alike_are_refused(place: Path) -> None:
    def deaf(text: str, special: bool) -> list[int]:
        return [1, 3] if special else [4]

    with pytest.raises(InputError, match="headers of planner and caller alike"):
        role_headers(deaf, CHATML)
    headers = role_headers(load_tokenize(place / "base"), CHATML)
    assert all(headers.values())
