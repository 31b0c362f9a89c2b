"""The adapters of a bundle of deltas are as small as costs no role a part of its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
from fakes import run_export as main
from gguf import GGMLQuantizationType as Type
from tiny_base import make_run

from agent.bundle.deltas.merge import read_delta
from agent.evaluation.tasks import primary_metric
from agent.transcript import Role
from export.gguf.adapter import AdapterType, write_adapter
from export.proof.divergence import Divergence
from export.quantize.adapters import select_adapter_type
from export.quantize.selection import Candidate, LimitExceededError, Selection
from train.model.weights.adapter import read_adapter


def outcome(
    scores: Mapping[AdapterType, float | None], folder: Path, wanted: str = "auto", cases: int = 4
) -> tuple[str, str, list[str]]:
    """Return the type that is selected, what its file holds, and what is said.

    `scores` has the caller's score with each type of adapters, None for one that exceeds a limit.
    """
    (folder / "scratch").mkdir()
    said: list[str] = []
    job: Any = SimpleNamespace(
        options=SimpleNamespace(adapter_type=wanted),
        build=SimpleNamespace(scratch=folder / "scratch"),
        say=said.append,
    )

    def attempt(kind: AdapterType, types: Sequence[str]) -> Selection:
        score = scores[kind]
        if score is None:
            raise LimitExceededError("caller-q8_0.gguf has a KL divergence over 0.02")
        file = folder / f"caller-{types[0]}.gguf"
        file.write_text(kind)
        metrics = {primary_metric("caller"): score}
        divergences: dict[Role, Divergence] = {"caller": Divergence(9, 9, 0.0, 0.0, cases, metrics, metrics)}
        return Selection(Candidate(file, types[0], None, divergences), [], {"caller": 0}, [])

    kind, selection = select_adapter_type(job, "caller", ["q8_0"], attempt)
    assert not list((folder / "scratch").iterdir())
    return kind, selection.best.file.read_text(), said


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"f16": 0.8, "q4_0": 0.8, "q8_0": 0.8}, "q4_0"),
        ({"f16": 0.8, "q4_0": 0.79, "q8_0": 0.9}, "q8_0"),
        ({"f16": 0.8, "q4_0": None, "q8_0": 0.8}, "q8_0"),
        ({"f16": 0.8, "q4_0": None, "q8_0": 0.7}, "f16"),
    ],
)
def test_the_smallest_type_that_costs_no_score(
    scores: dict[AdapterType, float | None], expected: str, tmp_path: Path
) -> None:
    kind, content, said = outcome(scores, tmp_path)
    assert (kind, content) == (expected, expected)
    assert expected == "f16" or f"adapters in {expected} cost nothing" in said[-1]


def test_without_held_out_turns_nothing_says_that_smaller_adapters_cost_nothing(tmp_path: Path) -> None:
    assert outcome({"f16": 0.0}, tmp_path, cases=0)[:2] == ("f16", "f16")


def test_a_type_that_was_asked_for_is_not_compared(tmp_path: Path) -> None:
    assert outcome({"q4_0": 0.1}, tmp_path, wanted="q4_0")[:2] == ("q4_0", "q4_0")


def test_rows_that_no_block_divides_stay_in_f16(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    adapter = read_adapter(run / "caller")
    out = write_adapter(adapter, tmp_path / "base", tmp_path / "caller.gguf", "q8_0")
    types = {tensor.name.rpartition(".")[2]: tensor.tensor_type for tensor in gguf.GGUFReader(out).tensors}
    assert types == {"lora_a": Type.Q8_0, "lora_b": Type.F16}
    exact = read_delta(write_adapter(adapter, tmp_path / "base", tmp_path / "exact.gguf", "f32"))
    for name, (a, b) in read_delta(out).pairs.items():
        for ours, theirs in zip((a, b), exact.pairs[name], strict=True):
            assert np.abs(ours - theirs).max() <= np.abs(theirs).max() / 127


def test_the_type_of_adapters_belongs_to_deltas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["bundle", str(tmp_path), "--out", str(tmp_path / "out"), "--adapter-type", "q8_0"]
    assert main(argv) == 2
    assert "give --deltas too" in capsys.readouterr().err
