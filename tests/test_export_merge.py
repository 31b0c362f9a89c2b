"""Merging: equal to what peft computes on the weights that were trained on, or refused."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from tiny_base import make_run

from agent.encoding import encode, load_tokenize
from agent.errors import InputError
from export.merge import load_updates, mean_loss, merge, merge_into, nf4_round_trip
from export.run import load_run
from train.model import Trainee, load_adapter
from train.packing import join
from train.recipe import Recipe


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("merge"))


def test_the_merged_model_has_the_loss_of_the_trained_one(run_folder: Path) -> None:
    run = load_run(run_folder)
    unused = {"out": "unused", "device": "cpu", "precision": "float32"}
    recipe = Recipe.from_json({**run.recipe, **unused})
    trained = Trainee(recipe)
    tokenize = load_tokenize(run.base)
    rows = run.held_out()
    for role in ("planner", "caller"):
        trained.set_adapter(load_adapter(run_folder / role))
        encoded = [encode(row.transcript, (role,), tokenize) for row in rows]
        expected = trained.mean_loss([[join([row])] for row in encoded if row.targets])
        assert mean_loss(merge_into(run, role, "dequant"), rows, (role,), run) == pytest.approx(
            expected, abs=1e-5
        )
        assert mean_loss(merge_into(run, role, "original"), rows, (role,), run) != pytest.approx(
            expected, abs=1e-5
        )


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
def test_the_merged_logits_are_pefts_own(run_folder: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run = load_run(run_folder)
    base = AutoModelForCausalLM.from_pretrained(run.base, dtype=torch.float32)
    with torch.no_grad():
        for module in base.model.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.copy_(nf4_round_trip(module.weight, double_quant=False))
    adapted = PeftModel.from_pretrained(base, run_folder / "summarizer").eval()
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        theirs = adapted(input_ids=ids).logits
        ours = merge_into(run, "summarizer", "dequant")(input_ids=ids).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_auto_keeps_the_lower_loss(run_folder: Path) -> None:
    run = load_run(run_folder)
    merged = merge(run, "caller")
    assert merged.losses[merged.merge_base] == min(merged.losses.values())
    assert set(merged.losses) == {"dequant", "original"}
    assert mean_loss(merged.model, run.held_out(), ("caller",), run) == pytest.approx(
        min(merged.losses.values())
    )


def test_a_loss_without_rows_is_no_number(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert math.isnan(mean_loss(merge_into(run, "caller", "original"), [], ("caller",), run))


def copy_of(run_folder: Path, place: Path) -> Path:
    return Path(shutil.copytree(run_folder, place / "run"))


def test_adapters_that_cannot_be_merged_are_refused(run_folder: Path, tmp_path: Path) -> None:
    copy = copy_of(run_folder, tmp_path)
    file = copy / "caller" / "adapter_config.json"
    config = json.loads(file.read_text())
    for key in ("use_dora", "alora_invocation_tokens"):
        file.write_text(json.dumps({**config, key: [1]}))
        with pytest.raises(InputError, match=f"uses {key}"):
            load_updates(copy / "caller")


def test_a_run_that_is_not_finished_is_refused(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        load_run(tmp_path)
    copy = copy_of(run_folder, tmp_path)
    manifest = (copy / "manifest.json").read_text()
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match="not finished; go on with"):
        load_run(copy)
    for text, said in (
        ("{", "damaged"),
        (manifest.replace('"prompt_version": 1', '"prompt_version": 0'), "version 0"),
    ):
        (copy / "manifest.json").write_text(text)
        with pytest.raises(InputError, match=said):
            load_run(copy)
