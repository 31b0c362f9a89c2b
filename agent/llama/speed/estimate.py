"""Tokens per second of a model, from its tensors and from rates that were measured on this machine.

Writing a token takes a fixed time for each layer (operations start, threads meet) and time for every byte of
the weights, which are all read once. A token of a prompt takes a fixed time for each layer and time for every
weight of the layers. Attention to what is in the cache, and adapters, are left out, so with long contexts a
model is slower than this says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from agent.llama.gguf.header import TYPES, Header

Q8_0 = 8
"""ggml's number of the type whose rates stand in for types that were not measured."""
_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"


@dataclass(frozen=True)
class Rates:
    """What was measured of one tensor type, in seconds for a token."""

    write_layer_s: float
    """To write one: of each layer, beside those of its weights."""
    write_byte_s: float
    """To write one: of each byte of the weights."""
    read_layer_s: float
    """To read one of a prompt: of each layer, beside those of its weights."""
    read_weight_s: float
    """To read one of a prompt: of each weight of the layers."""


@dataclass(frozen=True)
class Weights:
    """The weights of a model by ggml's number of their type."""

    layers: int
    byte_counts: Mapping[int, int]
    """Bytes that are read to write a token."""
    counts: Mapping[int, int]
    """Weights of the layers."""


@dataclass(frozen=True)
class Timing:
    """A model that was timed: the seconds in which it reads a token of a prompt, and writes one."""

    weights: Weights
    read_s: float
    write_s: float


@dataclass(frozen=True)
class Speed:
    """Expected tokens per second."""

    read: float
    write: float


def weights_of(header: Header) -> Weights:
    """Return the matrices of a model. The embedding counts where it is the output matrix too."""
    architecture = header.metadata.get("general.architecture")
    layers = header.metadata.get(f"{architecture}.block_count")
    byte_counts: dict[int, int] = {}
    counts: dict[int, int] = {}
    for name, tensor in header.tensors.items():
        if len(tensor.shape) < 2 or (name == _EMBEDDING and _OUTPUT in header.tensors):
            continue
        block, block_bytes = TYPES.get(tensor.type, (1, 0))
        size = prod(tensor.shape)
        byte_counts[tensor.type] = byte_counts.get(tensor.type, 0) + size // block * block_bytes
        if name not in (_EMBEDDING, _OUTPUT):
            counts[tensor.type] = counts.get(tensor.type, 0) + size
    return Weights(layers if isinstance(layers, int) else 0, byte_counts, counts)


def expected_speed(weights: Weights, rates: Mapping[int, Rates]) -> Speed:
    """Return the tokens per second of a model; `rates` has those of Q8_0 at least."""

    def of(kind: int) -> Rates:
        return rates.get(kind, rates[Q8_0])

    main = max(weights.byte_counts, key=lambda kind: weights.byte_counts[kind], default=Q8_0)
    write = weights.layers * of(main).write_layer_s
    write += sum(size * of(kind).write_byte_s for kind, size in weights.byte_counts.items())
    read = weights.layers * of(main).read_layer_s
    read += sum(count * of(kind).read_weight_s for kind, count in weights.counts.items())
    return Speed(1 / read if read else 0.0, 1 / write if write else 0.0)


def solve_rates(kind: int, narrow: Timing, wide: Timing) -> Rates:
    """Return the rates of a type that explain the times of two models of it.

    For both, t = layers * a + size * b. Noise that would make a rate negative makes it 0, and the other that
    of the wide model alone.
    """

    def solve(small: int, small_s: float, large: int, large_s: float) -> tuple[float, float]:
        each = (large_s * narrow.weights.layers - small_s * wide.weights.layers) / (
            large * narrow.weights.layers - small * wide.weights.layers
        )
        each = min(max(0.0, each), large_s / large)
        layer = min(
            (small_s - small * each) / narrow.weights.layers, (large_s - large * each) / wide.weights.layers
        )
        return max(0.0, layer), each

    small, large = narrow.weights, wide.weights
    write = solve(small.byte_counts[kind], narrow.write_s, large.byte_counts[kind], wide.write_s)
    read = solve(small.counts[kind], narrow.read_s, large.counts[kind], wide.read_s)
    return Rates(*write, *read)
