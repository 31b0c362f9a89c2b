"""Checkpoint folders from elsewhere: no code of theirs runs, nothing is asked, no pickle is read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.errors import InputError
from train.model.weights.adapter import read_adapter
from train.recipe import Recipe


class Payload:
    """A pickle of it creates the file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def folder_with_code(folder: Path, ran: Path) -> Path:
    """A checkpoint folder whose configuration names code of its own, which creates the file `ran`."""
    folder.mkdir()
    code = f"open({str(ran)!r}, 'w').close()\n"
    code += "from transformers import PretrainedConfig, PreTrainedModel\n"
    code += "class C(PretrainedConfig):\n    model_type = 'own'\n"
    code += "class M(PreTrainedModel):\n    config_class = C\n"
    (folder / "own.py").write_text(code)
    config = {
        "model_type": "own",
        "architectures": ["M"],
        "auto_map": {
            "AutoConfig": "own.C",
            "AutoModelForCausalLM": "own.M",
            "AutoTokenizer": ["own.C", None],
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def load_to_train(folder: Path) -> Any:
    from train.model.base_model import load_base, pick_device

    stages = {name: {"max_steps": 1} for name in ("backbone", "planner", "caller", "summarizer")}
    recipe = Recipe.from_json(
        {"base": str(folder), "data": ["unused"], "out": "unused", "device": "cpu", **stages}
    )
    return load_base(recipe, pick_device("cpu"))


def load_to_measure(folder: Path) -> Any:
    from train.plan.measurement import _write_shallow

    return _write_shallow(folder, folder / "out", 1)


def load_to_export(folder: Path) -> Any:
    from export.merge.selection import load_model

    return load_model(folder)


@pytest.mark.parametrize("load", [load_to_train, load_to_measure, load_to_export])
def test_code_of_a_folder_is_neither_asked_about_nor_run(
    load: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    folder = folder_with_code(tmp_path / "base", tmp_path / "ran")
    with pytest.raises(InputError, match="it brings code of its own to run") as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_a_pickled_adapter_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 4}))
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(InputError, match=r"adapter_model\.bin is a pickle"):
        read_adapter(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("load", [load_to_train, load_to_export])
def test_pickled_weights_are_refused_unread(load: Callable[[Path], Any], tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    config = {"model_type": "qwen2", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config |= {"num_key_value_heads": 1, "intermediate_size": 8, "vocab_size": 8}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(InputError):
        load(folder)
    assert not (tmp_path / "ran").exists()
