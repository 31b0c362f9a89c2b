"""Quantizing with an importance matrix, and choosing a quantization."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_families import make_family

from agent.errors import EngineError, InputError
from agent.llama.binding.quantize import TYPES
from export.gguf.convert import convert
from export.quantize.imatrix import Imatrix
from export.quantize.quantize import AUTO_TYPES, finer, quantize, types_by_role, uses_imatrix
from export.quantize.selection import candidate_types
from export.quantize.speed import Speed, fastest_first, measure_speeds


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("quantize")
    return convert(make_family(place / "base", "qwen3"), place / "full.gguf", "f32")


@pytest.fixture(scope="module")
def imatrix(full: Path) -> Imatrix:
    """Most inputs hardly count, and every eighth counts a thousand times as much."""
    values = {}
    for tensor in gguf.GGUFReader(full).tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2:
            values[tensor.name] = np.where(np.arange(tensor.shape[0]) % 8, 1e-3, 1.0).astype(np.float32)
    return Imatrix(values, "rows “of” a test", 100, 7)


def tensors(file: Path) -> dict[str, tuple[Any, NDArray[np.float32]]]:
    """Each tensor's type and its values, dequantized."""
    return {
        tensor.name: (tensor.tensor_type, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        for tensor in gguf.GGUFReader(file).tensors
    }


@pytest.mark.parametrize("kind", [kind for kind in TYPES if uses_imatrix(kind) and kind != "q6_k"])
def test_an_importance_matrix_lowers_the_error_that_it_weighs(
    kind: str, full: Path, imatrix: Imatrix, tmp_path: Path
) -> None:
    exact = tensors(full)
    plain = tensors(quantize(full, tmp_path / "plain.gguf", kind))
    weighed = tensors(quantize(full, tmp_path / "weighed.gguf", kind, imatrix))
    better = 0
    for name, (type_, values) in weighed.items():
        if name not in imatrix.values:
            assert np.array_equal(values, plain[name][1])
        elif type_ == plain[name][0] and not np.array_equal(values, plain[name][1]):
            error, before = (
                float((imatrix.values[name] * (one - exact[name][1]) ** 2).sum())
                for one in (values, plain[name][1])
            )
            assert error < before, name
            better += 1
    assert better


@pytest.mark.parametrize("kind", [kind for kind in TYPES if not uses_imatrix(kind)])
def test_some_types_use_no_importance_matrix(kind: str, full: Path, imatrix: Imatrix, tmp_path: Path) -> None:
    plain = quantize(full, tmp_path / "plain.gguf", kind)
    assert quantize(full, tmp_path / "weighed.gguf", kind, imatrix).read_bytes() == plain.read_bytes()


def test_the_file_says_what_the_importance_matrix_was_of(
    full: Path, imatrix: Imatrix, tmp_path: Path
) -> None:
    def metadata(made: Imatrix | None) -> dict[str, Any]:
        fields = gguf.GGUFReader(quantize(full, tmp_path / "q.gguf", "q4_k_m", made)).fields
        return {key: field.contents() for key, field in fields.items() if key.startswith("quantize.")}

    assert metadata(None) == {}
    assert metadata(imatrix) == {
        "quantize.imatrix.dataset": "rows “of” a test",
        "quantize.imatrix.entries_count": 21,
        "quantize.imatrix.chunks_count": 7,
    }
    lengthy = metadata(Imatrix(imatrix.values, "a" + "é" * 100, 0, 0))
    assert lengthy == {
        "quantize.imatrix.dataset": "a" + "é" * 63,
        "quantize.imatrix.entries_count": 21,
    }


def test_a_mixed_type_is_coarser_where_it_costs_least(full: Path, tmp_path: Path) -> None:
    made = tensors(quantize(full, tmp_path / "mixed.gguf", "q8_0_ffn_q4_0"))
    kinds = {name: kind.name for name, (kind, _) in made.items()}
    assert {kinds[f"blk.1.ffn_{name}.weight"] for name in ("gate", "up")} == {"Q4_0"}
    assert (
        kinds["blk.1.ffn_down.weight"] == kinds["blk.1.attn_q.weight"] == kinds["token_embd.weight"] == "Q8_0"
    )


def test_an_importance_matrix_of_zeros_is_harmless(full: Path, imatrix: Imatrix, tmp_path: Path) -> None:
    nothing = {name: np.zeros_like(values) for name, values in imatrix.values.items()}
    for kind in filter(uses_imatrix, TYPES):
        made = quantize(full, tmp_path / "q.gguf", kind, Imatrix(nothing, "silence", 1, 1))
        assert all(np.isfinite(values).all() for _, values in tensors(made).values())


def test_an_importance_matrix_that_does_not_fit_is_an_error_not_a_crash(full: Path, tmp_path: Path) -> None:
    for values, why in (
        (np.ones(65, np.float32), "imatrix size 65 is different from tensor size 64"),
        (np.full(64, np.nan, np.float32), "non-finite value"),
    ):
        with pytest.raises(EngineError, match=why):
            quantize(full, tmp_path / "q.gguf", "q4_0", Imatrix({"blk.0.attn_q.weight": values}, "x", 1, 1))
        assert not (tmp_path / "q.gguf").exists()


def test_types_by_role() -> None:
    assert types_by_role([]) == {"planner": "auto", "caller": "auto", "summarizer": "auto"}
    assert types_by_role(["caller=Q6_K", "q4_k_m", "planner=Auto"]) == {
        "planner": "auto",
        "caller": "q6_k",
        "summarizer": "q4_k_m",
    }
    assert types_by_role(["AUTO", "caller=bf16"])["planner"] == "auto"
    for wrong in ("q3", "caller=q3"):
        with pytest.raises(InputError, match=f"unknown quantization 'q3'; choose one of {', '.join(TYPES)}"):
            types_by_role([wrong])
    with pytest.raises(InputError, match="unknown role cook"):
        types_by_role(["cook=q8_0"])


def test_every_type_leads_to_f32_by_finer_ones() -> None:
    order = list(TYPES)
    for kind in order:
        steps = [kind]
        while (following := finer(steps[-1])) is not None:
            assert order.index(following) < order.index(steps[-1])
            steps.append(following)
        assert steps[-1] == "f32"
    assert finer("iq4_xs") == finer("q4_k_s") == finer("q3_k_m") == "q4_k_m"
    assert finer("q5_k_s") == "q5_k_m"
    assert finer("bf16") == "f32"


@pytest.mark.parametrize(
    ("speeds", "order"),
    [
        ({"q4_0": Speed(400, 100), "q8_0": Speed(300, 80)}, ["q4_0", "q8_0"]),
        ({"q4_0": Speed(300, 80), "q8_0": Speed(400, 100)}, ["q8_0", "q4_0"]),
        ({"q4_0": Speed(400, 80), "q8_0": Speed(401, 80), "q6_k": Speed(9, 9)}, ["q8_0", "q4_0", "q6_k"]),
    ],
)
def test_the_fastest_type_comes_first_and_of_equal_ones_the_finer(
    speeds: dict[str, Speed], order: list[str]
) -> None:
    assert fastest_first(speeds) == order


def test_speeds_are_of_the_files(full: Path, tmp_path: Path) -> None:
    speeds = measure_speeds({"f32": full, "q8_0": quantize(full, tmp_path / "small.gguf", "q8_0")}, rounds=1)
    assert list(speeds) == ["f32", "q8_0"]
    assert all(speed.read > speed.write > 0 for speed in speeds.values())
    assert candidate_types("q6_k") == ["q6_k"]
    assert candidate_types("auto") == [*AUTO_TYPES, "f16"]
