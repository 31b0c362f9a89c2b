"""A stage's model as a float32 checkpoint: the base of a run with the stage's adapters merged in.

The base is read and written a block of rows at a time, so a checkpoint larger than memory is merged too: at
most one weight packed in 4 bits, the adapters and some blocks are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from agent.bundle.deltas.nf4 import Nf4
from agent.errors import InputError, cannot_write
from agent.transcript import ROLES
from export.merge.nf4 import nf4_round_trip, row_multiple
from export.progress import ThrottledProgress
from train.model.weights.adapter import LoraAdapter, read_adapter
from train.model.weights.merge import finite_blocks, match_adapters, merged_blocks
from train.model.weights.reader import StoredTensor, list_tensors
from train.model.weights.writer import Blocks, output_bytes, write_checkpoint
from train.run.finished import Run


def is_linear(tensor: StoredTensor) -> bool:
    """Return whether a tensor is the weight of a linear layer, which training keeps in 4 bits.

    In the families that `export.gguf.architectures` knows, every matrix inside a layer is; the embedding and
    the output head stay as they are.
    """
    return len(tensor.shape) == 2 and ".layers." in tensor.name


def stage_updates(run: Run, stage: str) -> dict[str, list[LoraAdapter]]:
    """Return the adapters of a stage by the base's weights that they change.

    Raise InputError where an adapter is damaged, of a kind that cannot be merged, or of another base.
    """
    adapters = [read_adapter(folder) for folder in run.adapters(stage)]
    for adapter in adapters:
        if adapter.invocation:
            raise InputError(
                f"{adapter.folder} uses alora_invocation_tokens, which cannot be merged",
                "export a shared bundle",
            )
    return match_adapters(run.base, adapters, "use the base the run was made from")


def write_merged_checkpoint(
    run: Run,
    stage: str,
    merge_base: Literal["dequant", "original"],
    out: Path,
    say: Callable[[str], None] = lambda _: None,
    *,
    portable: bool = False,
) -> Path:
    """Write the base of a run with a stage's adapters merged in to the folder `out`; return `out`.

    `dequant` adds to what the 4-bit base dequantizes to, `original` to the checkpoint's own weights. With
    `portable` the 4-bit base is rounded as where deltas are built, without bitsandbytes. Raise
    InputError where an adapter does not fit or the base holds NaN, UmiError where `out` cannot be written.
    """
    doing = f"{stage}: adding its adapter to {merge_base} weights"
    return _write(run, doing, stage, stage_updates(run, stage), merge_base, out, say, portable=portable)


def write_base_checkpoint(
    run: Run, merge_base: Literal["dequant", "original"], out: Path, say: Callable[[str], None]
) -> Path:
    """Write the base of a run, as its roles' adapters were trained over it, to the folder `out`; return it.

    With `original` these are the checkpoint's own weights. Raise as `write_merged_checkpoint`.
    """
    return _write(run, f"the base: {merge_base} weights", ROLES[0], {}, merge_base, out, say)


def _write(
    run: Run,
    doing: str,
    stage: str,
    updates: Mapping[str, Sequence[LoraAdapter]],
    merge_base: Literal["dequant", "original"],
    out: Path,
    say: Callable[[str], None],
    *,
    portable: bool = False,
) -> Path:
    """Write the base, held as in a stage's training, with `updates` added; say what it is `doing`."""
    tensors = list_tensors(run.base)
    quantized = merge_base == "dequant" and run.recipe["quantization"] == "nf4"

    def contents(tensor: StoredTensor) -> Blocks:
        if quantized and is_linear(tensor) and portable:
            nf4 = Nf4(run.recipe["double_quant"], run.loaded_dtype(stage, tensor.dtype))
            blocks = nf4.round_trip(tensor.name, finite_blocks(tensor), finite_blocks(tensor))
        elif quantized and is_linear(tensor):
            rows = finite_blocks(tensor, row_multiple(*tensor.shape))
            loaded = run.loaded_dtype(stage, tensor.dtype)
            blocks = nf4_round_trip(rows, loaded, double_quant=run.recipe["double_quant"])
        else:
            blocks = finite_blocks(tensor)
        return merged_blocks(tensor.name, blocks, updates.get(tensor.name, ()))

    total, written = output_bytes(tensors, float32=True), 0
    say(f"{doing}, {total / 1e6:.1f} MB in float32")
    progress = ThrottledProgress(say)

    def on_written(count: int) -> None:
        nonlocal written
        written += count
        progress(f"{stage}: merged {written / 1e6:.0f} of {total / 1e6:.0f} MB")

    try:
        write_checkpoint(run.base, tensors, contents, out, float32=True, on_written=on_written)
    except OSError as error:
        raise cannot_write(out, error) from None
    return out
