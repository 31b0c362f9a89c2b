"""The memory of training an adapter, counted from shapes before anything is loaded.

What autograd keeps for the backward pass is listed tensor by tensor (`blocks_of_layer`) and agrees within 3 %
with what it keeps of Qwen3 and Llama layers. On a CPU glibc adds to that what it does not find again (`KEPT`,
measured with glibc 2.36). For a GPU nothing was measured: the lists are the same, the constant is `PROCESS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from train.model.attention import BUCKET
from train.model.packing import PREFIX, Packed
from train.plan.shape import Linear, Shape
from train.recipe import Recipe

PROCESS = {"cpu": 465e6, "cuda": 500e6}
"""Bytes before any weight. CPU: Python with torch 2.13 for CPUs, transformers, peft and bitsandbytes, and
what they set up for a first model; measured. GPU: the CUDA context, usually 300 to 500 MB; not measured."""
PRODUCTS = 100e6
"""Bytes of oneDNN's compiled bfloat16 products on a CPU, bounded by `train.model.cpu_memory`; measured."""
MAPPED = 32 * 1024 * 1024
"""glibc takes blocks of so many bytes from the system and gives them back; smaller ones it keeps."""
KEPT = {"one": 1.6, "stacked": 2.1}
"""Resident bytes for each byte in use below `MAPPED`, by whether an adapter stands over another.
Fitted with glibc 2.36 to layers of 256 to 1,024; of 22 configurations measured then, 21 came within 15 % of
their estimates and one, whose blocks are just above `MAPPED`, took 18 % more than its own."""
LOGITS = 12
"""Bytes a logit as the backward pass begins: log-probabilities, their gradient and the logits', float32."""
BACK = ("o_proj", "down_proj")
"""Linear layers that end a block; each has an input of its own, the others share theirs."""

Blocks = Iterator[tuple[float, float]]
"""(how many, bytes of each)."""


@dataclass(frozen=True)
class Estimate:
    """Bytes at the peak of a stage, by what they hold."""

    process: int
    """The interpreter, its libraries and their compiled products; on a GPU the CUDA context."""
    weights: int
    """The frozen base."""
    adapter: int
    """The trained adapter, its gradients and the optimizer's states."""
    activations: int
    """What autograd keeps of the largest pass."""
    logits: int
    """Logits at the positions that are learnt, and their gradients: gone when `workspace` is needed."""
    workspace: int
    """What the backward pass of one layer needs, weights that are dequantized for it among it."""
    allocator: int
    """Freed memory that the C library keeps."""
    loading: int
    """The checkpoint's files, while they are read."""

    @property
    def total(self) -> int:
        """The most at any time."""
        training = self.adapter + self.activations + max(self.logits, self.workspace) + self.allocator
        return self.process + self.weights + max(training, self.loading)

    def to_json(self) -> dict[str, int]:
        """Every part and the total, in bytes."""
        return {**{part.name: getattr(self, part.name) for part in fields(self)}, "total": self.total}


@dataclass(frozen=True)
class Size:
    """What of a pass decides its memory, in tokens."""

    tokens: int
    targets: int
    prefixes: tuple[int, ...]
    """Tokens of each shared prefix."""
    branches: tuple[tuple[int, int, int], ...]
    """(branches, tokens of the longest, tokens of their prefix) of each batch that attends together."""


def size_of(batch: Sequence[Packed]) -> Size:
    """The sizes of a pass; branches attend as in `train.model.attention.layout_of`."""
    prefixes: list[int] = []
    branches: list[tuple[int, int, int]] = []
    for packed in batch:
        lengths = np.bincount(packed.branch_ids)
        before, rest = int(lengths[PREFIX]), lengths[PREFIX + 1 :]
        prefixes.append(before)
        for at in range(0, len(rest), BUCKET):
            bucket = rest[at : at + BUCKET]
            branches.append((len(bucket), int(bucket.max()), before))
    learnt = sum(packed.learnt for packed in batch)
    return Size(sum(map(len, batch)), learnt, tuple(prefixes), tuple(branches))


def estimate(
    recipe: Recipe,
    shape: Shape,
    passes: Iterable[Sequence[Packed]],
    device: str,
    mixed: bool,
    *,
    stacked: bool = False,
) -> Estimate:
    """The memory of a stage that computes `passes`, at least one, on `device` (`cpu` or `cuda`).

    `mixed` says whether products run in bfloat16, `stacked` whether the adapter stands over a frozen one.
    """
    numbers = adapter_numbers(recipe, shape)
    frozen = 4 * numbers if stacked else 0
    fixed = Estimate(
        round(PROCESS[device] + PRODUCTS * (mixed and device == "cpu")),
        weight_bytes(recipe, shape, device) + frozen,
        numbers * bytes_of_trained(recipe, device),
        0,
        0,
        0,
        0,
        shape.file_bytes if device == "cpu" else 0,
    )
    found = (_of_pass(recipe, shape, size_of(batch), device, mixed, stacked, fixed) for batch in passes)
    return max(found, key=lambda one: one.total)


def _of_pass(
    recipe: Recipe, shape: Shape, size: Size, device: str, mixed: bool, stacked: bool, fixed: Estimate
) -> Estimate:
    layer = list(blocks_of_layer(recipe, shape, size, mixed))
    between = size.tokens * shape.width * 4
    kept = [(1.0, between), (1.0, 2.0 * adapter_numbers(recipe, shape) * mixed)]
    work: list[tuple[float, float]] = [(3, size.tokens * shape.inner * 4)]
    if recipe.quantization == "nf4":
        # Dequantized as the weights' type and cast to the gradients'.
        work += [(1, 4 * shape.largest), (mixed, 2 * shape.largest)]
    if recipe.gradient_checkpointing:
        kept.append((shape.layers, between))
        work += layer
    else:
        kept += [(shape.layers * count, each) for count, each in layer]
    head = 2 * shape.vocabulary * shape.width * mixed
    logits = LOGITS * size.targets * shape.vocabulary + head
    allocator = 0.0
    if device == "cpu" and not recipe.gradient_checkpointing:
        small = sum(count * each for count, each in kept if each < MAPPED)
        allocator = (KEPT["stacked" if stacked else "one"] - 1) * small
    return Estimate(
        fixed.process,
        fixed.weights,
        fixed.adapter,
        round(sum(count * each for count, each in kept)),
        logits,
        round(sum(count * each for count, each in work)),
        round(allocator),
        fixed.loading,
    )


def blocks_of_layer(recipe: Recipe, shape: Shape, size: Size, mixed: bool) -> Blocks:
    """What autograd keeps of one layer for the backward pass.

    A frozen weight's input is not kept, an adapter's is: in bfloat16 a cast copy for each linear layer, in
    float32 one for those that read the same. Normalizations keep their input in float32, the gated
    feed-forward part three times its inner width, attention (flash) its queries, keys, values and outputs.
    """
    number = 2 if mixed else 4
    tokens = size.tokens
    adapted = shape.adapted(recipe.lora.targets)
    alike: dict[tuple[str, int] | str, int] = {}
    for linear in adapted:
        own = mixed or recipe.lora.dropout > 0 or linear.kind in BACK
        alike[linear.name if own else (linear.name.rpartition(".")[0], linear.inputs)] = linear.inputs
    for inputs in alike.values():
        yield 1 / shape.layers, tokens * inputs * number
    for linear in adapted:
        yield 1 / shape.layers, tokens * recipe.lora.rank * number
        if recipe.lora.dropout:
            yield 1 / shape.layers, tokens * linear.inputs * 4
    yield shape.norms, tokens * shape.width * 4
    queries = shape.heads * shape.head_width
    if shape.head_norms:
        yield 1, tokens * queries * 4
        yield 1, tokens * shape.key_heads * shape.head_width * 4
    # bitsandbytes returns what it was given, float32 after a normalization.
    halves = mixed and recipe.quantization == "none"
    yield 3, tokens * shape.inner * (2 if halves else 4)
    if not mixed:
        yield 3, tokens * queries * number
    for prefix in size.prefixes:
        yield (4 if mixed else 1), prefix * queries * number
    for count, longest, prefix in size.branches:
        yield 2, count * longest * queries * number
        yield 2, count * (prefix + longest) * queries * number
        yield 1, longest * (prefix + longest) * number
    if halves:
        for linear in shape.linears:
            yield 1 / shape.layers, linear.parameters * 2


def adapter_numbers(recipe: Recipe, shape: Shape) -> int:
    """Parameters of one adapter: A [rank, inputs] and B [outputs, rank] of every layer that has one."""

    def of(linear: Linear) -> int:
        return recipe.lora.rank * (linear.inputs + linear.outputs)

    return sum(map(of, shape.adapted(recipe.lora.targets)))


def bytes_of_trained(recipe: Recipe, device: str) -> int:
    """Bytes a trained parameter: itself and its gradient in float32, and AdamW's two moments."""
    eight = recipe.optimizer == "paged_adamw_8bit" or (recipe.optimizer == "auto" and device == "cuda")
    return 4 + 4 + (2 if eight else 8)


def weight_bytes(recipe: Recipe, shape: Shape, device: str) -> int:
    """Bytes of the frozen base: float32 on a CPU, as stored on a GPU, its linear layers in 4 bits with nf4.

    NF4 has a scale for every 64 weights: float32, or with double quantization 8 bits and float32 for every
    256 of them (QLoRA, arXiv 2305.14314).
    """
    each = 4.0 if device == "cpu" else shape.bytes_a_number
    if recipe.quantization == "none":
        return round(shape.parameters * each)
    scale = (1 + 4 / 256 if recipe.double_quant else 4) / 64
    linear = shape.linear_parameters
    return round((shape.parameters - linear) * each + linear * (0.5 + scale))
