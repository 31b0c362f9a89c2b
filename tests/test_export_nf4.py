"""The 4-bit round trip of a merge, block by block: bit for bit what bitsandbytes holds in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_families import make_family

import train.model.weights.reader
from export.merge.checkpoint import is_linear
from export.merge.nf4 import nf4_round_trip, row_multiple
from train.model.weights.reader import list_tensors


@pytest.mark.parametrize("double_quant", [False, True])
@pytest.mark.parametrize("shape", [(300, 64), (257, 320), (11, 96), (33, 80)])
def test_a_round_trip_in_blocks_is_that_of_the_whole(
    shape: tuple[int, int], double_quant: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    monkeypatch.setattr(train.model.weights.reader, "BLOCK", 1000)
    torch.manual_seed(0)
    weight = torch.randn(shape) * torch.rand(shape[0], 1)
    save_file({"weight": weight}, tmp_path / "model.safetensors")
    blocks = list(list_tensors(tmp_path)[0].blocks(row_multiple(*shape)))
    assert len(blocks) > 1 or shape[1] % 64
    made = torch.from_numpy(np.concatenate(list(nf4_round_trip(blocks, "F32", double_quant=double_quant))))
    packed = quantize_4bit(weight, quant_type="nf4", compress_statistics=double_quant)
    assert torch.equal(made, dequantize_4bit(*packed))


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama-linear", "smollm3", "granite", "gemma3"])
def test_dequantized_weights_equal_those_of_training(family: str, tmp_path: Path) -> None:
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn.modules import Linear4bit
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    base = make_family(tmp_path, family)
    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
    )
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, quantization_config=settings)
    trained = {f"{name}.weight": m for name, m in model.named_modules() if isinstance(m, Linear4bit)}
    ours = {tensor.name: tensor for tensor in list_tensors(base) if is_linear(tensor)}
    assert ours.keys() == trained.keys()
    for name, tensor in ours.items():
        blocks = tensor.blocks(row_multiple(*tensor.shape))
        made = np.concatenate(list(nf4_round_trip(blocks, "F32", double_quant=True)))
        weight: Any = trained[name].weight
        assert torch.equal(torch.from_numpy(made), dequantize_4bit(weight.data, weight.quant_state))
