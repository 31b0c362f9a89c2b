"""Fused operations of training compute what the modules they replace compute, outputs and gradients alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import numpy as np
import torch
from tiny_base import make_base
from torch import Tensor
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

import train.model.kernels.head_loss
import train.model.kernels.linear
import train.model.lora
from agent.prompting.encoding import Encoded
from train.model.attention import collate
from train.model.kernels.branch_attention import branch_attention
from train.model.kernels.head_loss import head_loss
from train.model.kernels.install import install
from train.model.lora import LoraModel
from train.model.packing import PREFIX, Packed, join
from train.recipe import Recipe


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("kernels") / "base")


def sequences(vocabulary: int = 200) -> list[Packed]:
    """One sequence with a shared prefix, and one without."""
    rng = np.random.default_rng(0)
    made = []
    for prefix, lengths in ((30, (9, 40, 17)), (0, (12, 25))):
        ids = rng.integers(0, vocabulary, prefix)
        rows = [Encoded(ids, rng.integers(0, vocabulary, n), np.arange(n) >= n // 2) for n in lengths]
        made.append(join(rows))
    return made


def visible(packs: list[Packed]) -> Tensor:
    """Bool [T, T]: which positions each position of a pass over `packs` reads."""
    blocks = []
    for packed in packs:
        branch = torch.from_numpy(packed.branch_ids)
        same = (branch[:, None] == branch[None]) | (branch[None] == PREFIX)
        blocks.append(same & torch.ones_like(same).tril())
    return torch.block_diag(*(block.float() for block in blocks)).bool()


@pytest.mark.parametrize("key_heads", [1, 2, 6])
def test_branches_attend_as_under_a_dense_mask(key_heads: int) -> None:
    packs = sequences()
    layout = [tree.spans for tree in collate(packs).layout]
    length = sum(map(len, packs))
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 6, length, 16), (1, key_heads, length, 16), (1, key_heads, length, 16))
    inputs = [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]
    query, key, value = inputs
    out = branch_attention(query, key, value, layout, 0.3)
    wanted = scaled_dot_product_attention(query, key, value, visible(packs), scale=0.3, enable_gqa=True)[0]
    wanted = wanted.transpose(0, 1)
    torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-5)
    gradient = torch.randn(out.shape, generator=generator)
    ours = torch.autograd.grad(out, inputs, gradient)
    theirs = torch.autograd.grad(wanted, inputs, gradient)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_a_loss_in_chunks_is_the_cross_entropy(monkeypatch: pytest.MonkeyPatch, bias: bool) -> None:
    monkeypatch.setattr(train.model.kernels.head_loss, "CHUNK_BYTES", 3 * 4 * 50)
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 50, bias=bias).requires_grad_(False)
    hidden, targets = torch.randn(10, 8, requires_grad=True), torch.randint(0, 50, (10,))
    ours = head_loss(hidden * 40, head, targets, torch.float32)
    theirs = cross_entropy(head(hidden * 40), targets, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    [one], [other] = (torch.autograd.grad(loss / 7, hidden) for loss in (ours, theirs))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters are added to the weight for calls of any length."""
    monkeypatch.setattr(train.model.kernels.linear, "MERGE_FROM", 1)


@pytest.mark.parametrize("hand_over", ["continue", "stack", "alora"])
@pytest.mark.parametrize("quantization", ["nf4", "none"])
@pytest.mark.usefixtures("merged")
def test_a_pass_has_the_loss_and_gradients_of_the_replaced_modules(
    base: Path, monkeypatch: pytest.MonkeyPatch, quantization: str, hand_over: str
) -> None:
    ours = loss_and_gradients(base, quantization, hand_over)
    monkeypatch.setattr(train.model.lora, "install", lambda model, mixed: [])
    monkeypatch.setattr(train.model.lora, "has_plain_head", lambda model: False)
    theirs = loss_and_gradients(base, quantization, hand_over)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert float((one - other).norm()) <= 1e-4 * float(other.norm())


def loss_and_gradients(base: Path, quantization: str, hand_over: str) -> list[Tensor]:
    plain = {"base": str(base), "data": "d", "out": "o", "device": "cpu", "precision": "float32"}
    model = LoraModel(Recipe.from_json({**plain, "quantization": quantization, "lora": {"rank": 4}}))
    generator = torch.Generator().manual_seed(1)

    def drawn() -> dict[str, Tensor]:
        return {name: 0.1 * torch.randn(t.shape, generator=generator) for name, t in model.adapter().items()}

    model.set_adapter(drawn())
    if hand_over != "continue":
        model.stack(drawn(), [1, 2] if hand_over == "alora" else None, seed=0)
        model.set_adapter(drawn())
    loss = model.loss_sum(sequences())
    loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters if p.grad is not None)]


class _ShiftedNorm(torch.nn.Module):
    """Scales by 1 + w, as Gemma does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(width))
        self.eps = 1e-6

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * (1 + self.weight)


def test_a_module_that_computes_otherwise_keeps_its_own() -> None:
    model: Any = torch.nn.Sequential(_ShiftedNorm(8), torch.nn.RMSNorm(8, eps=1e-6), torch.nn.LayerNorm(8))
    x = torch.randn(2, 8)
    wanted = [module(x) for module in model]
    install(model, mixed=False)
    assert ["forward" in vars(module) for module in model] == [False, True, False]
    for module, out in zip(model, wanted, strict=True):
        torch.testing.assert_close(module(x), out)
