"""`umi export bundle --for vllm`: what transformers and peft load of it says what its source says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import run_export as main
from peft import PeftModel
from safetensors.numpy import load_file
from tiny_base import make_run, tiny_rows
from tiny_families import make_family
from tiny_gguf import write_tiny_bundle
from transformers import AutoModelForCausalLM, AutoTokenizer

from agent.bundle import load_bundle, write_bundle
from agent.bundle.assemble import assemble
from agent.bundle.deltas.merge import merge, read_base, read_delta
from agent.bundle.files import BaseFile
from agent.errors import InputError
from agent.paths import bases_folder, sha256_of
from agent.prompting import prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.gguf.adapter import import_delta, write_adapter
from export.gguf.convert import convert
from export.merge.checkpoint import write_merged_checkpoint
from export.vllm.folder import configuration
from export.vllm.sources import Served
from train.model.weights.adapter import LoraAdapter, read_adapter
from train.model.weights.reader import list_tensors
from train.run.finished import load_run

STEPS = {"learning_rate": 2e-2, "max_steps": 3}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose roles have adapters of rank 4, each over one of stage 1."""
    return make_run(tmp_path_factory.mktemp("vllm"), quantization="none", hand_over="stack", backbone=STEPS)


def configured(folder: Path) -> dict[str, Any]:
    """The configuration that vLLM reads, a JSON value a line."""
    lines = (folder / "vllm.yaml").read_text().splitlines()
    return {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}


def logits(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0]


def require_roles(folder: Path, run_folder: Path, scratch: Path, tolerance: float) -> None:
    """Check that each adapter over the model of `folder` has the logits of the role's merged checkpoint."""
    tokenize = load_tokenize(run_folder.parent / "base")
    served = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(folder / "model"), folder / "planner", "planner"
    )
    for role in ROLES:
        if role != "planner":
            served.load_adapter(folder / role, role)
        served.set_adapter(role)
        merged = write_merged_checkpoint(load_run(run_folder), role, "original", scratch / role)
        model = AutoModelForCausalLM.from_pretrained(merged)
        ids = prompt_ids(tiny_rows(1, "test")[0].transcript, role, tokenize)
        assert (logits(served, ids) - logits(model, ids)).abs().max() < tolerance
        base = AutoModelForCausalLM.from_pretrained(folder / "model")
        assert (logits(served, ids) - logits(base, ids)).abs().max() > 10 * tolerance


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
def test_the_roles_of_a_run_become_adapters_over_its_base(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "team"
    argv = ["bundle", str(run_folder), "--for", "vllm", "--out", str(out)]
    assert main([*argv, "--context", "512"]) == 0
    require_roles(out, run_folder, tmp_path, 1e-4)
    said = configured(out)
    assert said["lora-modules"] == [f"{role}={role}" for role in ROLES]
    assert (said["max-lora-rank"], said["served-model-name"], said["max-model-len"]) == (8, "team", 512)
    assert said["structured-outputs-config"] == {"backend": "guidance"}
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert tokenizer.eos_token == "<|im_end|>"
    chat = [{"role": "system", "content": ""}, {"role": "user", "content": "hi"}]
    rendered = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert str(rendered).endswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>planner\n")
    assert main(argv) == 0, "it replaces its own folder"


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
def test_a_bundle_of_deltas_gives_the_same_adapters(run_folder: Path, tmp_path: Path) -> None:
    base = run_folder.parent / "base"
    place = bases_folder() / "tiny" / "tiny.gguf"
    place.parent.mkdir(parents=True)
    convert(base, place, "f32")
    folder = tmp_path / "deltas"
    folder.mkdir()
    run = load_run(run_folder)
    deltas: dict[Role, list[str]] = {}
    for role in ROLES:
        files = [
            write_adapter(read_adapter(stage), base, folder / f"{stage.name}-delta.gguf", "f16")
            for stage in run.adapters(role)
        ]
        merge(read_base(place), [read_delta(file) for file in files], folder / f"{role}.gguf")
        deltas[role] = [file.name for file in files]
    write_bundle(
        folder,
        name="small",
        context_length=1024,
        files={role: f"{role}.gguf" for role in ROLES},
        base=BaseFile(place.name, sha256_of(place), place.stat().st_size, "tiny"),
        deltas=deltas,
        types=dict.fromkeys(ROLES, "f32"),
    )
    out = tmp_path / "out"
    assert main(["bundle", str(folder), "--for", "vllm", "--out", str(out)]) == 0
    require_roles(out, run_folder, tmp_path, 1e-2)
    assert configured(out)["served-model-name"] == "small"


def test_a_bundle_of_one_model_becomes_its_checkpoint(run_folder: Path, tmp_path: Path) -> None:
    base = run_folder.parent / "base"
    file = convert(base, tmp_path / "one.gguf", "f32")
    bundle = assemble(tmp_path / "single", {}, backbone=file)
    out = tmp_path / "out"
    argv = ["bundle", str(bundle.folder), "--for", "vllm", "--out", str(out), "--name", "mine"]
    assert main(argv) == 0
    expected, found = load_file(base / "model.safetensors"), load_file(out / "model" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    said = configured(out)
    assert said["served-model-name"] == "mine"
    assert said["max-model-len"] == load_bundle(bundle.folder).context_length
    assert "enable-lora" not in said


@pytest.mark.parametrize("family", ["qwen3", "smollm2"])
def test_an_adapter_comes_back_from_gguf(family: str, tmp_path: Path) -> None:
    base = make_family(tmp_path / "base", family)
    random = np.random.default_rng(0)
    pairs = {
        one.name: (
            random.normal(size=(4, one.shape[1])).astype(np.float32),
            random.normal(size=(one.shape[0], 4)).astype(np.float32),
        )
        for one in list_tensors(base)
        if one.name.endswith("proj.weight")
    }
    adapter = LoraAdapter(tmp_path / "adapter", 2.0, (), None, pairs)
    file = write_adapter(adapter, base, tmp_path / "adapter.gguf", "f32")
    found = import_delta(read_delta(file), base)
    assert found.scale == 2.0
    assert found.pairs.keys() == pairs.keys()
    for name, (a, b) in pairs.items():
        np.testing.assert_array_equal(found.pairs[name][0], a)
        np.testing.assert_array_equal(found.pairs[name][1], b)


def test_one_line_for_what_vllm_does_not_run(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(source: Path, *options: str) -> str:
        assert main(["bundle", str(source), "--for", "vllm", "--out", str(tmp_path / "out"), *options]) == 2
        return capsys.readouterr().err

    three = write_tiny_bundle(tmp_path / "three").folder
    assert "three whole models" in refusal(three)
    manifest = json.loads((three / "bundle.json").read_text())
    manifest["layout"] = "shared"
    for record in manifest["roles"].values():
        record |= {key: manifest["roles"]["planner"][key] for key in ("file", "sha256", "size")}
        record["adapter"] = {key: record[key] for key in ("file", "sha256", "size")}
    (three / "bundle.json").write_text(json.dumps(manifest))
    assert "activated adapters" in refusal(three)
    activated = shutil.copytree(run_folder, tmp_path / "alora")
    recorded = json.loads((activated / "manifest.json").read_text())
    recorded["recipe"]["adapter"] = "alora"
    (activated / "manifest.json").write_text(json.dumps(recorded))
    assert "activated adapters" in refusal(activated)
    assert "--quant" in refusal(run_folder, "--quant", "q8_0")
    (tmp_path / "out").mkdir()
    assert "not made for vLLM" in refusal(run_folder)
    served = Served("x", 1024, lambda _: None)
    with pytest.raises(InputError, match="rank 600"):
        configuration(served, {"planner": 600})
