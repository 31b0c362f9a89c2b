"""An estimate of the memory of training an adapter, from shapes, before anything is loaded.

The tensors that autograd saves for the backward pass are listed one by one (`saved_tensors_of_layer`), which
agrees within 3 % with what it saves of Qwen3 and Llama layers. On a CPU glibc's fragmentation adds to that
(`FRAGMENTATION`, measured with glibc 2.36). For a GPU nothing was measured: the tensors are the same, the
constant is `PROCESS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from train.model.attention import BUCKET
from train.model.kernels.head_loss import CHUNK_BYTES
from train.model.packing import PREFIX, Packed
from train.plan.shape import Linear, Shape
from train.recipe import Recipe

PROCESS = {"cpu": 465e6, "cuda": 500e6}
"""Bytes before any weight. CPU: Python with torch 2.13 for CPUs, transformers, peft and bitsandbytes, and
what they allocate for a first model; measured. GPU: the CUDA context, usually 300 to 500 MB; not measured."""
CACHED_PRODUCTS = 100e6
"""Bytes of oneDNN's compiled bfloat16 products on a CPU, bounded by `train.model.cpu_memory`; measured."""
MMAP_THRESHOLD = 32 * 1024 * 1024
"""Bytes from which glibc maps a block of its own and returns it when freed; smaller ones it keeps."""
FRAGMENTATION = {"one": 1.6, "stacked": 2.1}
"""Resident bytes for each byte in use in smaller blocks, by whether an adapter is stacked on another.
Fitted with glibc 2.36 to layers of 256 to 1,024; of 22 configurations measured then, 21 came within 15 % of
their estimates and one, whose blocks are just above `MMAP_THRESHOLD`, took 18 % more than its own."""
LOGIT_BYTES = 12
"""Bytes a logit, of a model that scales or caps them, as the backward pass begins: log-probabilities, their
gradient and the logits', float32."""
OUTPUT_LAYERS = ("o_proj", "down_proj")
"""Linear layers that end a block; each has an input of its own, the others share theirs."""

Tensors = Iterator[tuple[float, float]]
"""(count, bytes of each)."""


@dataclass(frozen=True)
class Estimate:
    """Bytes at the peak of a stage, by purpose."""

    process: int
    """The interpreter, its libraries and their compiled products; on a GPU the CUDA context."""
    weights: int
    """The frozen base."""
    adapter: int
    """The trained adapter, its gradients and the optimizer's states."""
    activations: int
    """What autograd saves of the largest micro-batch."""
    logits: int
    """Logits at labels and their gradients; freed before `workspace` is needed."""
    workspace: int
    """What the backward pass of one layer needs, with the weights that are dequantized for it."""
    allocator: int
    """Freed memory that the C library keeps."""
    loading: int
    """The checkpoint's files, while they are read."""

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        training = self.adapter + self.activations + max(self.logits, self.workspace) + self.allocator
        return self.process + self.weights + max(training, self.loading)

    def to_json(self) -> dict[str, int]:
        """Return every part and the total, in bytes."""
        return {**{part.name: getattr(self, part.name) for part in fields(self)}, "total": self.total}


@dataclass(frozen=True)
class MicroBatchSize:
    """The sizes of a micro-batch that decide its memory, in tokens."""

    tokens: int
    targets: int
    prefixes: tuple[int, ...]
    """Tokens of each shared prefix."""
    branches: tuple[tuple[int, int, int], ...]
    """(branches, tokens of the longest, tokens of their prefix) of each batch that attends together."""


def size_of(batch: Sequence[Packed]) -> MicroBatchSize:
    """Return the sizes of a micro-batch; branches attend as in `train.model.attention.layout_of`."""
    prefixes: list[int] = []
    branches: list[tuple[int, int, int]] = []
    for packed in batch:
        lengths = np.bincount(packed.branch_ids)
        before, rest = int(lengths[PREFIX]), lengths[PREFIX + 1 :]
        prefixes.append(before)
        for at in range(0, len(rest), BUCKET):
            bucket = rest[at : at + BUCKET]
            branches.append((len(bucket), int(bucket.max()), before))
    labels = sum(packed.label_count for packed in batch)
    return MicroBatchSize(sum(map(len, batch)), labels, tuple(prefixes), tuple(branches))


def estimate(
    recipe: Recipe,
    shape: Shape,
    micro_batches: Iterable[Sequence[Packed]],
    device: str,
    mixed: bool,
    *,
    stacked: bool = False,
) -> Estimate:
    """Return the peak memory of a stage over `micro_batches`, at least one, on `device` (`cpu` or `cuda`).

    `mixed` says whether matrix products run in bfloat16, `stacked` whether the adapter is stacked on a frozen
    one.
    """
    parameters = adapter_parameters(recipe, shape)
    frozen = 4 * parameters if stacked else 0
    fixed = Estimate(
        round(PROCESS[device] + CACHED_PRODUCTS * (mixed and device == "cpu")),
        weight_bytes(recipe, shape, device) + frozen,
        parameters * bytes_per_trained_parameter(recipe, device),
        0,
        0,
        0,
        0,
        shape.file_bytes if device == "cpu" else 0,
    )
    estimates = (
        _estimate_micro_batch(recipe, shape, size_of(batch), device, mixed, stacked, fixed)
        for batch in micro_batches
    )
    return max(estimates, key=lambda one: one.total)


def _estimate_micro_batch(
    recipe: Recipe,
    shape: Shape,
    size: MicroBatchSize,
    device: str,
    mixed: bool,
    stacked: bool,
    fixed: Estimate,
) -> Estimate:
    layer = list(saved_tensors_of_layer(recipe, shape, size, device, mixed))
    hidden = size.tokens * shape.width * 4
    saved = [(1.0, hidden), (1.0, hidden * size.targets / size.tokens)]
    if recipe.lora.dropout:
        saved.append((1.0, 2.0 * adapter_parameters(recipe, shape) * mixed))
    workspace: list[tuple[float, float]] = [(3, size.tokens * shape.ffn_width * 4)]
    # The weight of a layer, dequantized or with its adapter added, and cast to the gradients' type.
    workspace += [(1, 4 * shape.largest_linear), (mixed, 2 * shape.largest_linear)]
    if recipe.gradient_checkpointing:
        saved.append((shape.layers, hidden))
        workspace += layer
    else:
        saved += [(shape.layers * count, each) for count, each in layer]
    head = 2 * shape.vocabulary * shape.width * mixed
    logits = LOGIT_BYTES * size.targets * shape.vocabulary + head
    if shape.plain_head:
        logits = round(min(logits, CHUNK_BYTES * (1.5 if mixed else 1) + head))
    allocator = 0.0
    if device == "cpu" and not recipe.gradient_checkpointing:
        small = sum(count * each for count, each in saved if each < MMAP_THRESHOLD)
        allocator = (FRAGMENTATION["stacked" if stacked else "one"] - 1) * small
    return Estimate(
        fixed.process,
        fixed.weights,
        fixed.adapter,
        round(sum(count * each for count, each in saved)),
        logits,
        round(sum(count * each for count, each in workspace)),
        round(allocator),
        fixed.loading,
    )


def saved_tensors_of_layer(
    recipe: Recipe, shape: Shape, size: MicroBatchSize, device: str, mixed: bool
) -> Tensors:
    """Yield the tensors that autograd saves of one layer for the backward pass.

    Normalizations save their input in float32. For the rest `train.model.kernels` says what it saves; with
    dropout, peft's layers and the model's feed-forward part compute instead.
    """
    number = 2 if mixed else 4
    tokens = size.tokens
    yield shape.norms, tokens * shape.width * 4
    queries, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
    if shape.head_norms:
        yield 1, tokens * queries * 4
        yield 1, tokens * keys * 4
    if recipe.lora.dropout:
        yield from _peft_layers(recipe, shape, size, mixed)
    else:
        yield from _fused_layers(recipe, shape, size, mixed)
    if device == "cpu":
        yield 2, tokens * queries * number
        yield 2, tokens * keys * number
        yield 1, tokens * shape.heads * 4
        return
    if not mixed:
        yield 3, tokens * queries * number
    for prefix in size.prefixes:
        yield (4 if mixed else 1), prefix * queries * number
    for count, longest, prefix in size.branches:
        yield 2, count * longest * queries * number
        yield 2, count * (prefix + longest) * queries * number
        yield 1, longest * (prefix + longest) * number


def _fused_layers(recipe: Recipe, shape: Shape, size: MicroBatchSize, mixed: bool) -> Tensors:
    """Yield what `train.model.kernels` saves of linear layers and the feed-forward part.

    The output layer of attention shares its input with attention; in float32, layers of one input share it
    with each other, in bfloat16 each has a copy.
    """
    number = 2 if mixed else 4
    adapted = shape.adapted(recipe.lora.targets)
    fused = {"gate_proj", "up_proj", "down_proj"} <= {linear.kind for linear in adapted}
    inputs_of: dict[tuple[str, int] | str, int] = {}
    for linear in adapted:
        if linear.kind == "o_proj" or (fused and linear.kind in ("up_proj", "down_proj")):
            continue
        own = mixed or linear.kind in OUTPUT_LAYERS
        inputs_of[linear.name if own else (linear.name.rpartition(".")[0], linear.inputs)] = linear.inputs
    for inputs in inputs_of.values():
        yield 1 / shape.layers, size.tokens * inputs * number
    if fused:
        yield 2, size.tokens * shape.ffn_width * number
    else:
        # bitsandbytes returns its input's type, float32 after a normalization.
        yield 3, size.tokens * shape.ffn_width * (4 if recipe.quantization == "nf4" else number)
    if mixed and recipe.quantization == "none":
        names = {linear.name for linear in adapted}
        for linear in shape.linears:
            yield (linear.name not in names) / shape.layers, linear.parameters * 2


def _peft_layers(recipe: Recipe, shape: Shape, size: MicroBatchSize, mixed: bool) -> Tensors:
    """Yield what peft's layers with dropout save, and the feed-forward part between them.

    A frozen weight's input is not saved, an adapter's is, with what dropout left of it.
    """
    number = 2 if mixed else 4
    for linear in shape.adapted(recipe.lora.targets):
        yield 1 / shape.layers, size.tokens * linear.inputs * number
        yield 1 / shape.layers, size.tokens * linear.inputs * 4
        yield 1 / shape.layers, size.tokens * recipe.lora.rank * number
    # bitsandbytes returns its input's type, float32 after a normalization.
    half_outputs = mixed and recipe.quantization == "none"
    yield 3, size.tokens * shape.ffn_width * (2 if half_outputs else 4)
    if half_outputs:
        for linear in shape.linears:
            yield 1 / shape.layers, linear.parameters * 2


def adapter_parameters(recipe: Recipe, shape: Shape) -> int:
    """Return the parameters of an adapter: A [rank, inputs] and B [outputs, rank] of all its layers."""

    def of(linear: Linear) -> int:
        return recipe.lora.rank * (linear.inputs + linear.outputs)

    return sum(map(of, shape.adapted(recipe.lora.targets)))


def bytes_per_trained_parameter(recipe: Recipe, device: str) -> int:
    """Return the bytes a trained parameter: itself and its gradient in float32, and AdamW's two moments."""
    eight = recipe.optimizer == "paged_adamw_8bit" or (recipe.optimizer == "auto" and device == "cuda")
    return 4 + 4 + (2 if eight else 8)


def weight_bytes(recipe: Recipe, shape: Shape, device: str) -> int:
    """Return the bytes of the frozen base: float32 on a CPU, as stored on a GPU; linear layers in nf4 if set.

    NF4 has a scale for every 64 weights: float32, or with double quantization 8 bits and float32 for every
    256 of them (QLoRA, arXiv 2305.14314).
    """
    each = 4.0 if device == "cpu" else shape.bytes_per_parameter
    if recipe.quantization == "none":
        return round(shape.parameters * each)
    scale = (1 + 4 / 256 if recipe.double_quant else 4) / 64
    linear = shape.linear_parameters
    return round((shape.parameters - linear) * each + linear * (0.5 + scale))
