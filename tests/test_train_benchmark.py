"""`umi train bench`: what is compared is the same for all, and what cannot be compared is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import train.benchmark.memory
import train.benchmark.speed
from agent.errors import InputError, UmiError
from train.benchmark import memory_worker
from train.benchmark.checkpoints import SHAPES, small, write_checkpoint
from train.benchmark.comparison import (
    ARRANGEMENTS,
    CONVERSATIONS,
    OURS,
    STEPS,
    Task,
    compare,
    prepare,
    require_comparable,
)
from train.benchmark.memory import Job
from train.benchmark.memory_worker import batch, measure
from train.benchmark.systems import Umi, Untrained
from train.benchmark.trajectories import trajectories
from train.benchmark.trl_systems import example
from train.data.rows import write_rows
from train.model.packing import IGNORE
from tui.cli.tree.root import run

OVERRIDES = ("device=cpu", "precision=float32", "micro_batch_tokens=2048")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return prepare(None, 6, 3, small(128, 1, 2048), OVERRIDES, tmp_path_factory.mktemp("bench"))


def test_rows_a_turn_learn_what_conversations_learn(task: Task) -> None:
    assert len(task.turns) > len(task.conversations)
    assert sum(row.targets for row in task.turns) == task.targets > 0
    for row in task.turns:
        targets = np.flatnonzero(row.is_target)
        assert targets[-1] == len(row.rest) - 1
        assert np.array_equal(targets, np.arange(targets[0], len(row.rest)))


def test_labels_for_trl_stand_where_their_ids_do(task: Task) -> None:
    for row in (*task.conversations, *task.turns):
        given = example(row)
        labelled = [at for at, label in enumerate(given["labels"]) if label != IGNORE]
        assert labelled == row.target_positions.tolist()
        assert all(given["labels"][at] == given["input_ids"][at] for at in labelled)
        assert len(given["labels"]) == len(given["input_ids"]) == len(row)
        assert labelled[0] > 0  # TRL never learns a first token


def test_an_epoch_learns_every_target_and_lowers_the_loss(task: Task) -> None:
    ours = Umi(task.recipe, task.conversations)
    before = ours.untrained()
    assert before.targets == task.targets
    assert before.loss == pytest.approx(np.log(2048), rel=0.02)
    epochs = [ours.epoch() for _ in range(8)]
    assert len({epoch.steps for epoch in epochs}) == 1
    assert ours.untrained().loss < before.loss - 0.05


def test_synthetic_lists_are_filled_up_without_doubles() -> None:
    rows = trajectories(None, 30, 20, 1)
    lists = [row.transcript.tools for row in rows]
    assert lists[0] == lists[1]
    for tools in lists:
        assert len(tools) >= 20
        assert len({tool.name for tool in tools}) == len(tools)


def other(targets: int, loss: float) -> dict[str, Untrained]:
    return {OURS: Untrained(6, 100, 500, 7.0), STEPS: Untrained(20, targets, 900, loss)}


@pytest.mark.parametrize(
    ("targets", "loss", "message"),
    [
        (99, 7.0, "has 99 target tokens, umi 100"),
        (100, 7.1, "begins with a loss of 7.1"),
        (100, np.nan, "loss of nan"),
    ],
)
def test_systems_that_do_not_learn_the_same_are_not_compared(
    targets: int, loss: float, message: str, task: Task
) -> None:
    given = cast(Task, SimpleNamespace(recipe=task.recipe, targets=100))
    require_comparable(other(100, 7.001), given)
    with pytest.raises(UmiError, match=message):
        require_comparable(other(targets, loss), given)


def silent(_: str) -> None:
    pass


def test_the_figures_of_a_run(task: Task) -> None:
    result = compare(task, [OURS], None, 8, 0.01, silent)
    row = result["systems"][OURS]
    assert row["targets"] == result["target_tokens"] == task.targets
    assert row["epochs"] >= 8
    assert len(row["tokens_per_second"]) == 8
    assert row["umi_times_as_fast"] == 1
    assert row["last_epoch_loss"] < row["first_epoch_loss"]
    json.dumps(result)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_trl_learns_the_same_tokens_from_the_same_loss(task: Task, arrangement: str) -> None:
    pytest.importorskip("trl.trainer.sft_trainer", reason="needs the extra bench", exc_type=ImportError)
    result = compare(task, [OURS, STEPS, CONVERSATIONS], arrangement, 1, 0.01, silent)
    ours = result["systems"][OURS]
    for name in (STEPS, CONVERSATIONS):
        row = result["systems"][name]
        assert row["targets"] == ours["targets"]
        assert row["loss"] == pytest.approx(ours["loss"], rel=1e-5)
        assert row["computed"] > ours["computed"]


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "none.jsonl", [])
    with pytest.raises(InputError, match=r"none\.jsonl holds no row"):
        trajectories(tmp_path / "none.jsonl", 5, 20, 1)


def test_rows_that_are_all_too_long_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row fits into 16 tokens"):
        prepare(None, 2, 3, small(128, 1, 2048), ("max_length=16",), tmp_path)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trl", "--rounds", "0"], "--rounds is 0"),
        (["trl", "--hidden", "200"], "multiple of 128"),
        (["trl", "--vocabulary", "7"], "--vocabulary is 7"),
        (["trl", "--systems", "umi,axolotl"], "there is no system axolotl"),
        (["trl", "--systems", "umi", "base=elsewhere"], "leave it out"),
        (["trl", "--systems", "umi", "lora.rnak=4"], "lora.rank"),
        (["memory", "--length", "3"], "--length is 3"),
        (["memory", "--target-share", "0.9"], "--target-share is 0.9"),
        (["memory", "--shape", "7b"], "invalid choice"),
        ([], "command"),
    ],
)
def test_unmeasurable_configurations_are_refused(argv: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(["train", "bench", *argv])


def test_without_trl_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.benchmark.speed, "installed_version", lambda _: None)
    with pytest.raises(
        InputError, match=r"needs trl, which is not installed; pip install 'umi-agent\[bench\]'"
    ):
        run(["train", "bench", "trl"])


@pytest.mark.parametrize(
    ("name", "parameters"), [("0.5b", 494_032_768), ("1.5b", 1_543_714_304), ("3b", 3_085_938_688)]
)
def test_shapes_have_the_parameters_of_qwen2_5(name: str, parameters: int) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(SHAPES[name].config())
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_a_checkpoint_is_complete(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    count = write_checkpoint(SHAPES["tiny"], tmp_path)
    loading: Any = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    model, about = loading
    assert not about["missing_keys"]
    assert not about["unexpected_keys"]
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    for name, weight in model.named_parameters():
        expected = 1.0 if name.endswith("norm.weight") else 0.0
        assert weight.float().mean().item() == pytest.approx(expected, abs=0.01), name
        if weight.dim() == 2:
            assert weight.float().std().item() == pytest.approx(0.02, rel=0.05), name


def job(folder: Path, **fields: Any) -> Job:
    given = {"length": 64, "micro_batch": 2, "steps": 2, "target_share": 0.25, "vocabulary": 4096}
    return Job(str(folder), **{"quantization": "none", **given, **fields})


@pytest.mark.parametrize(("length", "share"), [(2000, 0.15), (4096, 0.5), (100, 0.15), (16, 0.05)])
def test_rows_to_measure_memory_with(tmp_path: Path, length: int, share: float) -> None:
    [packs] = batch(job(tmp_path, length=length, target_share=share, micro_batch=3))
    assert [len(packed) for packed in packs] == [length] * 3
    for packed in packs:
        assert packed.label_count == pytest.approx(length * share, abs=max(1, 0.1 * length * share))
        prefix = packed.targets[packed.branch_ids == 0]
        assert (prefix == IGNORE).all()


def test_memory_of_a_small_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train.benchmark.memory, "run", measure)
    assert (
        run(["train", "bench", "memory", "--shape", "tiny", "--length", "128", "--steps", "2", "--json"]) == 0
    )
    result = json.loads(capsys.readouterr().out)
    used = result["bytes"]
    assert used["before_loading"] > 0
    assert 0 < used["after_loading"] <= used["most_while_training"]
    assert result["losses"][1] < result["losses"][0]
    assert run(["train", "bench", "memory", "--shape", "tiny", "--length", "128", "--steps", "1"]) == 0
    assert "GPU figures need a GPU" in capsys.readouterr().out


def test_a_failed_process_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert memory_worker.main(job(tmp_path).to_json()) == 2
    complaint = capsys.readouterr().err

    def failed(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 2, "", f"a warning\n{complaint}")

    monkeypatch.setattr(train.benchmark.memory.subprocess, "run", failed)
    with pytest.raises(UmiError, match=r"memory cannot be measured: \S+ is not a checkpoint folder"):
        train.benchmark.memory.run(job(tmp_path))
