"""The proof of an export: torch's reference turns, parity, divergence, and the limits of what may be lost."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tiny_base import make_base, make_run, teach, tiny_rows

from agent.errors import UmiError
from agent.llama.binding.gguf_model import open_gguf
from agent.prompting import CHATML
from agent.prompting.encoding import common_length, load_detokenize
from agent.transcript import ROLES
from export.gguf.adapter import write_adapter
from export.gguf.convert import convert
from export.layouts.shared import load_peft_adapters, read_role_adapter
from export.merge.selection import load_model, merge_stage
from export.options import Limits
from export.proof.divergence import Divergence, exceeded_limits, kl_divergence, measure_divergence
from export.proof.parity import Parity, measure_parity, require_parity
from export.proof.reference import MAX_TURN_TOKENS, Reference, record_reference, role_prompts
from export.quantize.quantize import quantize
from train.model.generation import PrefixCachedGenerator
from train.model.weights.adapter import read_adapter
from train.run.finished import Run, load_run

END = 2


def silent(_: str) -> None:
    """Ignore progress."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(make_run(tmp_path_factory.mktemp("proof")))


@pytest.fixture(scope="module")
def planner(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The planner's model in torch and as a GGUF file in f32."""
    place = tmp_path_factory.mktemp("planner")
    merged = merge_stage(run, "planner", "original", place, silent)
    return load_model(merged.folder), convert(merged.folder, place / "f32.gguf", "f32", end="<|im_end|>")


@pytest.fixture(scope="module")
def reference(run: Run, planner: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Reference:
    place = tmp_path_factory.mktemp("reference")
    return record_reference(run, planner[0], "planner", role_prompts(run, "planner", 6), place, silent)


def generate_without_cache(model: Any, prompt: list[int], most: int = MAX_TURN_TOKENS) -> list[int]:
    """Return the greedy text, with a forward pass over all tokens for each."""
    ids = list(prompt)
    with torch.no_grad():
        while len(ids) < len(prompt) + most:
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == END:
                break
    return ids[len(prompt) :]


def test_the_reference_holds_torchs_texts_and_logits(planner: tuple[Any, Path], reference: Reference) -> None:
    model, _ = planner
    assert len(reference.prompts) == 6
    for turn in reference:
        assert list(turn.text) == generate_without_cache(model, list(turn.prompt.ids))
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([turn.ids])).logits[0, turn.first :].numpy()
        np.testing.assert_allclose(turn.logits, logits, atol=1e-5)
        assert (turn.logits.argmax(-1) == np.array(turn.text)).all()


def test_held_out_turns_are_spread_and_fit(run: Run) -> None:
    few, all_ = role_prompts(run, "planner", 3), role_prompts(run, "planner", 999)
    assert len(few) == 3 < len(all_)
    lengths = sorted(len(prompt.ids) for prompt in all_)
    half = replace(run, recipe={**run.recipe, "max_length": lengths[len(lengths) // 2]})
    fitting = role_prompts(half, "planner", 999)
    assert 1 < len(fitting) < len(all_)
    assert len(role_prompts(half, "planner", len(fitting))) == len(fitting)
    assert {tuple(p.ids) for p in few} < {tuple(p.ids) for p in all_}
    assert all(prompt.case for prompt in all_)
    short = replace(run, recipe={**run.recipe, "max_length": min(len(p.ids) for p in all_)})
    (greeting,) = role_prompts(short, "planner", 3)
    assert greeting.case is None


def test_an_f32_file_agrees_with_torch(planner: tuple[Any, Path], reference: Reference) -> None:
    same = measure_parity(reference, planner[1], silent)
    assert same.positions == sum(map(len, reference.texts))
    assert (same.prompts, same.disagreed) == (6, 0)
    assert same.agreed > 0.8 * same.positions
    assert same.largest_difference < 1e-4


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("blk.1.attn_v.weight", 1.1),
        ("blk.0.ffn_norm.weight", 1.05),
        ("token_embd.weight", 1.02),
        ("qwen3.attention.layer_norm_rms_epsilon", 1e3),
        ("qwen3.rope.freq_base", 0.9),
    ],
)
def test_a_slightly_wrong_file_is_detected(
    name: str, factor: float, planner: tuple[Any, Path], reference: Reference, tmp_path: Path
) -> None:
    """Greedy texts stay the same where a model is sure, logits do not."""
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(planner[1].read_bytes())
    reader = gguf.GGUFReader(wrong, "r+")
    parts = [tensor.data for tensor in reader.tensors if tensor.name == name]
    if field := reader.fields.get(name):
        parts.append(field.parts[field.data[0]])
    (numbers,) = parts
    numbers[:] = factor * numbers
    del reader, parts, numbers
    found = measure_parity(reference, wrong, silent)
    with pytest.raises(UmiError, match=r"wrong\.gguf differs from its model"):
        require_parity(found, wrong)


def test_inconclusive_comparisons_are_refused() -> None:
    sound = Parity(2, 10, 7, 3, 1e-5, 1e-5, 2.0)
    require_parity(sound, Path("a.gguf"))
    for change, message in (
        ({"agreed": 6}, "at 1 of 10 tokens"),
        ({"agreed": 4, "near_ties": 6}, "6 of 10 tokens are near-ties"),
        ({"spread": 0.2}, "by 0.2 with how they are read"),
        ({"largest_difference": 0.2}, "by up to 0.2"),
        ({"largest_difference": float("nan")}, "by up to nan"),
    ):
        with pytest.raises(UmiError, match=message):
            require_parity(replace(sound, **change), Path("a.gguf"))


def test_kl_divergence_equals_torchs() -> None:
    generator = np.random.default_rng(0)
    full, other = generator.normal(0, 5, (7, 50)), generator.normal(0, 5, (7, 50))
    wanted = torch.nn.functional.kl_div(
        torch.from_numpy(other).log_softmax(-1),
        torch.from_numpy(full).log_softmax(-1),
        reduction="none",
        log_target=True,
    ).sum(-1)
    found = kl_divergence(full.astype(np.float32), other.astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    # Logits are the same up to a constant, however large.
    shifted = full.astype(np.float32) + np.float32(80)
    np.testing.assert_allclose(kl_divergence(full.astype(np.float32), shifted), 0, atol=1e-5)


def test_what_quantizing_loses_grows_with_fewer_bits(
    run: Run, planner: tuple[Any, Path], reference: Reference, tmp_path: Path
) -> None:
    detokenize = load_detokenize(run.base)
    found = {}
    for kind in ("f16", "q8_0", "q4_k_m", "iq4_xs"):
        file = quantize(planner[1], tmp_path / f"{kind}.gguf", kind)
        found[kind] = measure_divergence(reference, file, detokenize, silent)
    assert found["f16"].kl < found["q8_0"].kl < found["q4_k_m"].kl < found["iq4_xs"].kl
    assert found["f16"].kl < 1e-6
    assert found["f16"].top1 > 0.99
    assert found["f16"].scores == found["f16"].full_scores
    assert all(0 <= one.kl <= one.largest_kl and one.cases == 6 for one in found.values())


def test_a_file_that_diverges_is_scored_on_its_own_text(
    run: Run, planner: tuple[Any, Path], reference: Reference, tmp_path: Path
) -> None:
    file = quantize(planner[1], tmp_path / "coarse.gguf", "iq4_xs")
    texts: list[list[int]] = []

    def detokenize(ids: Any) -> str:
        texts.append(list(ids))
        return ""

    measure_divergence(reference, file, detokenize, silent)
    own = []
    with open_gguf(file, reference.longest) as gguf_model:
        for prompt in reference.prompts:
            ids = list(prompt.ids)
            while len(ids) < len(prompt.ids) + MAX_TURN_TOKENS and ids[-1] != END:
                ids.append(int(gguf_model.logits(ids, len(ids) - 1, chunk=len(ids))[0].argmax()))
            own.append([i for i in ids[len(prompt.ids) :] if i != END])
    # llama.cpp's logits depend on how a text is cut into batches: most texts are the same, not each.
    assert sum(a == b for a, b in zip(texts[: len(own)], own, strict=True)) >= len(own) - 1


def test_exceeded_limits_are_named() -> None:
    sound = Divergence(100, 99, 0.01, 0.1, 16, {"call_em": 0.9}, {"call_em": 0.92})
    assert exceeded_limits("caller", sound, Limits(0.02, 0.02)) == []
    (kl,) = exceeded_limits("caller", replace(sound, kl=0.083), Limits())
    assert kl.figure == "a KL divergence of 0.083 nats a token, over 0.02"
    assert (kl.option, kl.accepted) == ("--max-kl", 0.091)
    worse = replace(sound, scores={"call_em": 0.75})
    (drop,) = exceeded_limits("caller", worse, Limits())
    assert drop.figure == "call_em of 0.75 against 0.92 unquantized, a loss over 0.02"
    assert exceeded_limits("caller", worse, Limits(drop=0.5)) == []
    # One turn of a few that turns out otherwise is chance.
    assert exceeded_limits("caller", replace(worse, cases=5), Limits()) == []
    assert exceeded_limits("caller", replace(sound, kl=float("nan")), Limits())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, Path, int]:
    """peft's model with a planner's activated adapter, both as GGUF files, and the header's length."""
    place = tmp_path_factory.mktemp("shared")
    loud = {"learning_rate": 2e-2, "max_steps": 8}
    run = load_run(make_run(place, adapter="alora", planner=loud))
    merged = merge_stage(run, "backbone", "original", place, silent)
    backbone = convert(merged.folder, place / "backbone.gguf", "f32", end="<|im_end|>")
    adapter = read_role_adapter(run, "planner")
    file = write_adapter(read_adapter(run.folder / "planner"), run.base, place / "a.gguf", "f32")
    model = load_peft_adapters(load_model(merged.folder), {"planner": adapter})
    model.set_adapter("planner")
    return model, backbone, file, len(adapter.invocation)


@pytest.mark.parametrize("adapted", [False, True])
def test_reusing_the_cache_does_not_change_the_logits(
    adapted: bool, planner: tuple[Any, Path], shared: tuple[Any, Path, Path, int]
) -> None:
    """Texts that part anywhere, before and after an adapter is switched on, in whatever order."""
    model, backbone, adapter, header = shared
    generator = random.Random(1)
    start = [generator.randrange(3, 300) for _ in range(40)]
    file, extra = (backbone, adapter) if adapted else (planner[1], None)
    with open_gguf(file, 128, extra) as gguf_model:
        for _ in range(12):
            ids = start[: generator.randrange(5, 40)] + [generator.randrange(3, 300) for _ in range(12)]
            adapter_start = generator.randrange(1, len(ids)) if adapted else None
            first = generator.randrange(0, len(ids))
            again = gguf_model.logits(ids, first, adapter_start=adapter_start)
            fresh = gguf_model.logits(ids, first, chunk=len(ids), adapter_start=adapter_start)
            np.testing.assert_allclose(again, fresh, atol=2e-5)
    reused = PrefixCachedGenerator(model, header) if adapted else PrefixCachedGenerator(planner[0])
    for _ in range(4):
        prompt = start[: generator.randrange(20, 40)] + [generator.randrange(3, 300) for _ in range(9)]
        whole = PrefixCachedGenerator(model, header) if adapted else PrefixCachedGenerator(planner[0])
        text, logits = reused.generate(prompt, END, 6)
        wanted, fresh = whole.generate(prompt, END, 6)
        assert text == wanted
        np.testing.assert_allclose(logits, fresh, atol=2e-5)


def test_common_length() -> None:
    assert common_length([], [1]) == 0
    assert common_length([1, 2, 3], [1, 2, 4]) == 2
    assert common_length([1, 2], [1, 2, 3]) == 2


@pytest.mark.slow
def test_a_trained_model_is_equal_in_f32_and_nearly_equal_in_q8_0(tmp_path: Path) -> None:
    """The figures that an export must reach, on every turn of 60 rows."""
    rows = tiny_rows(60)
    teach(make_base(tmp_path / "base"), rows, 120)
    run: Any = SimpleNamespace(
        base=tmp_path / "base", markers=CHATML, recipe={"max_length": 512}, held_out=lambda: rows
    )
    model = load_model(run.base)
    file = convert(run.base, tmp_path / "f32.gguf", "f32", end=CHATML.close)
    small = quantize(file, tmp_path / "q8_0.gguf", "q8_0")
    found = []
    for role in ROLES:
        prompts = role_prompts(run, role, 200)
        reference = record_reference(run, model, role, prompts, tmp_path, silent)
        exact = measure_parity(reference, file, silent)
        require_parity(exact, file)
        assert exact.agreed > 0.95 * exact.positions
        found.append(measure_divergence(reference, small, load_detokenize(run.base), silent))
    assert sum(one.agreed for one in found) >= 0.99 * sum(one.positions for one in found)
    assert sum(one.cases for one in found) > 100
