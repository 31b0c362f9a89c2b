"""FSDP by two processes on a CPU: they train what one process trains, and each holds half of the layers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import run_export
from test_train_loop import CLOSE, assert_same, trained
from tiny_base import TINY_RUN, make_base, tiny_rows

from agent.prompting.encoding import Encoded
from train.data.rows import write_rows
from train.loop.pipeline import train
from train.loop.processes import Processes
from train.model.lora import load_adapter
from train.model.packing import join
from train.recipe import STAGES, Recipe
from train.run.metrics_log import records

ROOT = Path(__file__).parent.parent


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, Any]:
    """The fields of a recipe whose base and data are in `tmp_path`."""
    make_base(tmp_path / "base")
    write_rows(tmp_path / "data.jsonl", [*tiny_rows(24), *tiny_rows(6, "valid")])
    short = {stage: {"learning_rate": 2e-2, "max_steps": 2} for stage in STAGES}
    fields = {**TINY_RUN, **short, "precision": "float32", "evaluations": 1, "evaluation_turns": 2}
    fields |= {"lora": {"rank": 2, "alpha": 4}, "hand_over": "stack", "double_quant": True}
    return {**fields, "base": str(tmp_path / "base"), "data": [str(tmp_path / "data.jsonl")]}


def launch(folder: Path, *argv: str) -> None:
    """Run a command in two processes, as accelerate's configuration in the documentation says."""
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    configurations = re.findall(r"```yaml\n(.*?distributed_type: FSDP.*?)```", text, re.DOTALL)
    assert len(configurations) == 1
    (folder / "fsdp.yaml").write_text(configurations[0])
    command = [sys.executable, "-P", "-m", "accelerate.commands.launch", "--config_file", "fsdp.yaml"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [*command, "--main_process_port", "0", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def losses(run: Path) -> dict[str, Any]:
    """The losses of a run: those of its steps, and the held-out ones before and after each stage."""
    found = {
        f"{line['stage']} {line['step']}": line["loss"]
        for line in records(run / "metrics.jsonl")
        if "loss" in line
    }
    for stage in STAGES:
        metrics = json.loads((run / stage / "stage.json").read_text())
        for name in ("heldout_loss_before", "heldout_loss"):
            found |= {f"{stage} {name} {part}": loss for part, loss in metrics[name].items()}
    return found


def test_processes_with_shards_compute_as_many_micro_batches() -> None:
    def row(tokens: int) -> Encoded:
        return Encoded(np.arange(4), np.arange(tokens), np.arange(tokens) > 1)

    step = [[join([row(60)])], [join([row(9), row(9)])], [join([row(9)])], [join([row(9)])]]
    shards = []
    for rank in range(2):
        processes = Processes()
        processes.world_size, processes.rank, processes.is_sharded = 2, rank, True
        shards.append(processes.shard(step, 24))
    assert [len(shard) for shard in shards] == [3, 3]
    labels = [[sum(packed.label_count for packed in batch) for batch in shard] for shard in shards]
    assert labels == [[58, 0, 0], [14, 7, 7]]


@pytest.mark.slow
def test_a_sharded_run_is_that_of_one_process(recipe: dict[str, Any], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    train(Recipe.from_json({**recipe, "out": str(one)}), lambda _: None)
    (tmp_path / "recipe.json").write_text(json.dumps({**recipe, "out": str(two)}))
    (tmp_path / "program.py").write_text(
        "import json\n"
        "from pathlib import Path\n"
        "from train.loop.pipeline import train\n"
        "from train.recipe import Recipe\n"
        "train(Recipe.from_json(json.loads(Path('recipe.json').read_text())), print)\n"
    )
    launch(tmp_path, "program.py")
    assert losses(two) == pytest.approx(losses(one), rel=2e-3)
    for stage in STAGES:
        expected, adapter = load_adapter(one / stage), load_adapter(two / stage)
        assert_same(expected, adapter, **CLOSE)
    argv = ["bundle", str(two), "--out", str(tmp_path / "bundle"), "--quant", "q8_0", "--prompts", "4"]
    assert run_export(argv) == 0


SHARDS = """
import json, sys
from pathlib import Path
import torch
import train.loop.trainer
from train.loop.processes import Processes
from train.model.lora import LoraModel
from train.recipe import Recipe
from test_train_loop import trainer_of

recipe = Recipe.from_json(json.loads(Path("recipe.json").read_text()))
processes = Processes("cpu")
real, calls = train.loop.trainer.accumulate_gradients, 0

def dying(*given):
    global calls
    calls += 1
    if calls == 4:
        raise KeyboardInterrupt
    return real(*given)

train.loop.trainer.accumulate_gradients = dying
for again in (False, True):
    model = LoraModel(recipe, shard=processes.is_sharded)
    try:
        trainer_of(recipe, model, processes=processes).run()
    except KeyboardInterrupt:
        assert not again
assert calls == 4 + 4, "resumed at step 2 of 6"
linear = {name: p for name, p in model._causal.named_parameters() if name.endswith("base_layer.weight")}
assert len(linear) == 14
assert all(2 * p.to_local().numel() == p.numel() for p in linear.values())
torch.save(model.adapter(), f"{processes.rank}.pt")
"""


@pytest.mark.slow
def test_each_process_holds_half_of_the_layers_and_resumes_with_the_others(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    fields = {**recipe, "quantization": "none", "gradient_checkpointing": True}
    fields["backbone"] = {"learning_rate": 2e-2, "max_steps": 6}
    (tmp_path / "one").mkdir()
    _, expected = trained(Recipe.from_json({**fields, "out": str(tmp_path / "one")}))
    (tmp_path / "recipe.json").write_text(json.dumps({**fields, "out": str(tmp_path)}))
    (tmp_path / "program.py").write_text(SHARDS)
    launch(tmp_path, "program.py")
    for rank in range(2):
        assert_same(expected, torch.load(tmp_path / f"{rank}.pt"), **CLOSE)
