"""The memory that a merge needs does not grow with the checkpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).parents[1]


SHARDS, WIDTH = 6, 1536
MEASURE = """
import sys
from pathlib import Path
from types import SimpleNamespace
import bitsandbytes.functional
from export.merge.checkpoint import write_merged_checkpoint

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

place = Path(sys.argv[1])
run = SimpleNamespace(
    base=place / "base",
    recipe={"quantization": "nf4", "double_quant": True},
    adapters=lambda stage: [place / stage],
    loaded_dtype=lambda stage, dtype: dtype,
)
before = peak()
write_merged_checkpoint(run, "caller", "dequant", place / "merged")
print(before, peak())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell peak memory")
def test_memory_stays_far_below_the_checkpoint(tmp_path: Path) -> None:
    """Six files of 19 MB: a matrix that is in 4 bits, and one that is not."""
    base, adapter = tmp_path / "base", tmp_path / "caller"
    base.mkdir()
    adapter.mkdir()
    (base / "config.json").write_text("{}")
    torch.manual_seed(0)
    weight = torch.randn(WIDTH, WIDTH).bfloat16()
    pairs = {}
    places: dict[str, str] = {}
    for n in range(SHARDS):
        names = f"model.layers.{n}.mlp.up_proj.weight", f"model.embed_{n}.weight"
        file = f"model-{n}.safetensors"
        save_file({names[0]: weight, names[1]: weight.repeat(3, 1)}, base / file)
        places |= dict.fromkeys(names, file)
        key = f"base_model.model.model.layers.{n}.mlp.up_proj"
        pairs |= {f"{key}.lora_A.weight": torch.randn(8, WIDTH), f"{key}.lora_B.weight": torch.ones(WIDTH, 8)}
    (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": 8}))
    save_file(pairs, adapter / "adapter_model.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, peak = map(int, done.stdout.split())
    largest = max(file.stat().st_size for file in base.glob("*.safetensors"))
    total = sum(file.stat().st_size for file in (tmp_path / "merged").glob("*.safetensors"))
    assert peak < largest + 1e9
    assert total > 220e6
    assert peak - before < 80e6
