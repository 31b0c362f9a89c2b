"""Stage 1 added to the base's own weights, file by file: the base that the roles of `merge16` start from.

Never to weights that were in 4 bits: an update of 1 to 2 % of a weight's norm, added to dequantized weights
that are quantized again, is rounded away but for a sixtieth.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from torch import Tensor

from agent.errors import InputError
from train.model.lora import Adapter

_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def updates(adapter: Adapter, scale: float) -> dict[str, tuple[Tensor, Tensor]]:
    """B [outputs, rank] times `scale`, and A [rank, inputs], by the name of the weight that B @ A adds to."""
    return {
        name.removeprefix(_PREFIX).removesuffix(_DOWN) + ".weight": (
            scale * adapter[name.replace(_DOWN, _UP)].float(),
            down.float(),
        )
        for name, down in adapter.items()
        if name.endswith(_DOWN)
    }


def merge_base(base: Path, adapter: Adapter, scale: float, out: Path) -> None:
    """Write the checkpoint in `base` with `adapter` added as a checkpoint `out`, which appears whole.

    One file of the base is in memory at a time; sums are made in float32 and stored in the weight's type.
    Raises InputError where `base` has no such weights or `out` cannot be written.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    added = updates(adapter, scale)
    files = sorted(base.glob("model*.safetensors"))
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for file in files:
            with safe_open(file, "pt") as opened:
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
                about = opened.metadata()
            for name in added.keys() & tensors.keys():
                up, down = added.pop(name)
                tensors[name] = (tensors[name].float() + up @ down).to(tensors[name].dtype)
            save_file(tensors, part / file.name, about)
        if added:
            raise InputError(
                f"{base} has no weight {next(iter(added))} in safetensors files",
                "use hand_over = stack, or save the base as transformers loads it",
            )
        for file in base.iterdir():
            if file.suffix in (".json", ".jinja", ".model", ".txt"):
                shutil.copy(file, part)
        os.replace(part, out)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{out} cannot be written: {error}", "free some space and go on") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
