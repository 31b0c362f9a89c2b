"""Weights rounded to NF4 without torch are those that bitsandbytes holds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.bundle.deltas.nf4 import Nf4, read_nf4
from export.gguf.tensors import deinterleave, interleave

Rows = NDArray[np.float32]
rng = np.random.default_rng(0)


def normal(rows: int, width: int) -> Rows:
    return rng.standard_normal((rows, width)).astype(np.float32)


def round_trip(nf4: Nf4, weight: Rows, name: str = "blk.0.ffn_up.weight", height: int = 7) -> Rows:
    blocks = [weight[first : first + height] for first in range(0, len(weight), height)]
    return np.concatenate(list(nf4.round_trip(name, blocks, blocks)))


def bitsandbytes_round_trip(weight: Rows, double_quant: bool) -> Rows:
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    stored, state = quantize_4bit(
        torch.from_numpy(weight), blocksize=64, quant_type="nf4", compress_statistics=double_quant
    )
    return dequantize_4bit(stored, state).numpy()


@pytest.mark.parametrize("shape", [(96, 64), (33, 192), (300, 576)])
def test_it_is_what_bitsandbytes_holds(shape: tuple[int, int]) -> None:
    weight = normal(*shape)
    weight[5] = 0
    np.testing.assert_array_equal(
        round_trip(Nf4(False, "F32"), weight), bitsandbytes_round_trip(weight, double_quant=False)
    )
    held, wanted = round_trip(Nf4(True, "F32"), weight), bitsandbytes_round_trip(weight, double_quant=True)
    differs = np.abs(held - wanted).reshape(-1, 64).max(-1) > 1e-5
    # bitsandbytes looks a scale up on a grid, so those in between two values may come out one step apart.
    assert differs.mean() <= 0.02
    np.testing.assert_allclose(held, wanted, rtol=0.05, atol=1e-6)
    assert np.abs(held - weight).max() < 0.2 * np.abs(weight).max()


def test_blocks_of_any_height_come_out_the_same() -> None:
    weight = normal(50, 128)
    nf4 = Nf4(True, "F32")
    np.testing.assert_array_equal(round_trip(nf4, weight, height=50), round_trip(nf4, weight, height=3))


def test_scales_are_grouped_in_the_order_of_the_checkpoint() -> None:
    weight = normal(64, 576)
    held = round_trip(Nf4(True, "F32"), weight)
    turned = round_trip(Nf4(True, "F32", rope_head=32), interleave(weight, 32), "blk.0.attn_q.weight")
    np.testing.assert_array_equal(deinterleave(turned, 32), held)
    plain = round_trip(Nf4(True, "F32", rope_head=32), weight)
    np.testing.assert_array_equal(plain, held)


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_numbers_are_rounded_to_the_type_that_was_loaded(dtype: str) -> None:
    import torch

    weight = normal(16, 64)
    kind = torch.bfloat16 if dtype == "BF16" else torch.float16
    wanted = torch.from_numpy(round_trip(Nf4(True, "F32"), weight)).to(kind).float().numpy()
    np.testing.assert_array_equal(round_trip(Nf4(True, dtype), weight), wanted)


class Field:
    """A field of a GGUF file's metadata."""

    def __init__(self, value: object) -> None:
        self.value = value

    def contents(self) -> object:
        return self.value


def test_a_delta_says_how_its_base_was_held() -> None:
    for nf4 in (Nf4(True, "F32"), Nf4(False, "BF16", 64)):
        assert read_nf4({key: Field(value) for key, value in nf4.fields.items()}) == nf4
    assert read_nf4({}) is None
    whole = Nf4(True, "F32", 64).fields
    for key, value in (("scale_bits", 4), ("dtype", "Q4_0"), ("rope_head", 3), ("rope_head", "64")):
        fields = {**whole, f"umi.nf4.{key}": value}
        with pytest.raises(ValueError, match=f"umi.nf4.{key}"):
            read_nf4({key: Field(value) for key, value in fields.items()})


def test_a_tensor_that_does_not_fit_is_told() -> None:
    nf4 = Nf4(True, "F32", 64)
    assert nf4.misfit("blk.0.ffn_up.weight", (10, 128)) == ""
    assert "rows of 100 numbers" in nf4.misfit("blk.0.ffn_up.weight", (10, 100))
    assert "10 rows, no multiple of 64" in nf4.misfit("blk.0.attn_q.weight", (10, 128))
