"""What is damaged, or does not fit on the disk, is told in one line; what was finished stays so."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_base import TINY_RUN, make_base, make_run, tiny_rows

import train.loop.pipeline
import train.run.metrics_log
from agent.errors import InputError, UmiError
from agent.prompting.encoding import load_tokenize
from agent.transcript import row_to_json
from train.data.rows import write_rows
from train.data.splits import rows_to_train
from train.data.views import view
from train.loop.pipeline import train as train_run
from train.loop.processes import Processes
from train.loop.trainer import Trainer
from train.model.lora import LoraModel
from train.recipe import Recipe
from train.run.metrics_log import MetricsLog, draw

SHORT = {name: {"max_steps": 2} for name in ("backbone", "planner", "caller", "summarizer")}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("damage") / "base")


def recipe_of(base: Path, out: Path, **fields: Any) -> Recipe:
    return Recipe.from_json({**TINY_RUN, "base": str(base), "data": ["unused"], "out": str(out), **fields})


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def spoil(file: Path, change: Callable[[dict[str, torch.Tensor], str], Any]) -> None:
    tensors = load_file(file)
    change(tensors, "model.layers.0.self_attn.q_proj.weight")
    save_file(tensors, file, {"format": "pt"})


@pytest.mark.parametrize("quantization", ["nf4", "none"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "cannot be trained"),
        (
            lambda file: spoil(file, lambda tensors, name: tensors[name].fill_(torch.nan)),
            "it computes NaN or infinity",
        ),
        (
            lambda file: spoil(file, lambda tensors, name: tensors.pop(name)),
            r"has no weight model\.layers\.0\.self_attn\.q_proj\.weight",
        ),
    ],
)
def test_a_damaged_base_is_refused(
    base: Path, tmp_path: Path, quantization: str, damage: Callable[[Path], None], message: str
) -> None:
    shutil.copytree(base, tmp_path / "base")
    damage(tmp_path / "base" / "model.safetensors")
    with pytest.raises(InputError, match=message):
        LoraModel(recipe_of(tmp_path / "base", tmp_path / "run", quantization=quantization))


def test_a_cut_checkpoint_is_named(base: Path, tmp_path: Path) -> None:
    recipe = recipe_of(base, tmp_path, backbone={"max_steps": 2})
    rows = view(tiny_rows(8), "backbone", load_tokenize(base), 512).rows
    model, file = LoraModel(recipe), tmp_path / "backbone.pt"
    Trainer(model, rows, "backbone", recipe, file, lambda _: None).run()
    for size in (file.stat().st_size // 2, 0):
        os.truncate(file, size)
        with pytest.raises(InputError, match=r"backbone\.pt cannot be read.*remove it"):
            Trainer(model, rows, "backbone", recipe, file, lambda _: None).run()


def test_a_cut_adapter_of_stage_1_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, **SHORT)
    cut(run / "backbone" / "adapter_model.safetensors")
    shutil.rmtree(run / "caller")
    recipe = Recipe.from_json({**json.loads((run / "recipe.json").read_text())["recipe"], "out": str(run)})
    with pytest.raises(InputError, match=r"backbone/adapter_model\.safetensors cannot be read"):
        train_run(recipe, lambda _: None, "caller")
    assert (run / "planner").is_dir()


def test_a_full_disk_is_told_wherever_it_is_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for place, name in (
        (train.run.metrics_log.MetricsLog, "add"),
        (train.loop.pipeline, "write_card"),
        (LoraModel, "save_adapter"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            with pytest.raises(UmiError, match=r"No space left.*make room"):
                make_run(tmp_path / name, **SHORT, evaluations=0)
    assert (tmp_path / "write_card" / "run" / "caller").is_dir()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(extra=1), "an unknown field: extra"),
        (
            lambda row: row["turns"][2]["calls"][0].update(name="ad"),
            "a call of a tool that is not listed: ad",
        ),
        (lambda row: row["turns"][1].update(next="summarizer"), "turns out of order"),
    ],
)
def test_a_line_that_is_not_valid_is_not_trained_on(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    rows = [row_to_json(row) for row in tiny_rows(3)]
    if "not listed" in message:
        rows[2]["turns"][3]["name"] = "ad"
    change(rows[2])
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=f"rows.jsonl, line 3: .*{message}"):
        rows_to_train([tmp_path / "rows.jsonl"])
    write_rows(tmp_path / "sound.jsonl", tiny_rows(3))
    assert len(rows_to_train([tmp_path / "sound.jsonl"])) == 3


def test_what_is_no_number_is_null_in_the_record(tmp_path: Path) -> None:
    metrics_log = MetricsLog(tmp_path)
    metrics_log.add("backbone", 1, loss=2.0, gradient_norm=float("nan"))
    metrics_log.add("backbone", 2, loss=float("nan"), gradient_norm=1.0)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert "NaN" not in text
    assert [json.loads(line)["loss"] for line in text.splitlines()] == [2.0, None]
    assert draw(tmp_path)


def test_a_process_that_writes_no_files_goes_on_with_the_same_dropout(base: Path, tmp_path: Path) -> None:
    class Second(Processes):
        def __init__(self, writes: bool) -> None:
            super().__init__()
            self.rank, self._writes = 1, writes

        @property
        def is_main(self) -> bool:
            return self._writes

    class KilledError(Exception):
        pass

    def stop(line: str) -> None:
        if "step 3/4" in line:
            raise KilledError

    lora = {"rank": 2, "alpha": 4, "dropout": 0.5}
    recipe = recipe_of(base, tmp_path, lora=lora, backbone={"max_steps": 4, "learning_rate": 1e-2})
    rows = view(tiny_rows(8), "backbone", load_tokenize(base), 512).rows

    def trained(file: str, say: Callable[[str], None], *, writes: bool) -> dict[str, torch.Tensor]:
        model = LoraModel(recipe)
        Trainer(model, rows, "backbone", recipe, tmp_path / file, say, processes=Second(writes)).run()
        return model.adapter()

    whole = trained("whole.pt", lambda _: None, writes=True)
    with pytest.raises(KilledError):
        trained("killed.pt", stop, writes=True)
    resumed = trained("killed.pt", lambda _: None, writes=False)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
