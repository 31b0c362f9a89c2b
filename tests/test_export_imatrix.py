"""Importance matrices: what is counted, which rows are read, and files of llama.cpp's own program."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from imatrix_files import write_gguf, write_legacy
from numpy.typing import NDArray
from tiny_base import make_tokenizer, tiny_rows
from tiny_families import FAMILIES, make_family

from agent.errors import InputError
from agent.prompting import CHATML
from agent.prompting.encoding import Encoded, encode, load_tokenize
from agent.transcript import ROLES, Role, Row, Transcript
from export.gguf.convert import convert
from export.merge.selection import load_model
from export.quantize.calibration import calibration_sequences
from export.quantize.imatrix import Imatrix, collect, load, require_fit
from train.data.rows import write_rows
from train.model.weights.reader import read_config
from train.run.finished import Run

GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""transformers' name in a layer -> llama.cpp's."""


def ignore(_: str) -> None:
    """Ignore progress."""


def sequence(prefix: Sequence[int], rest: Sequence[int]) -> Encoded:
    return Encoded(np.array(prefix, np.int64), np.array(rest, np.int64), np.zeros(len(rest), np.bool_))


def read_whole(model: Any, sequences: Sequence[Encoded]) -> tuple[dict[str, NDArray[np.float64]], int]:
    """The same means by reading each sequence by itself, and the count of tokens."""
    inputs: dict[str, torch.Tensor] = {}
    hooks = []
    for name, module in model.named_modules():
        parts = name.split(".")
        if (inner := ".".join(parts[3:])) in GGUF_NAMES:
            target = f"blk.{parts[2]}.{GGUF_NAMES[inner]}.weight"
            hooks.append(
                module.register_forward_pre_hook(
                    lambda _, given, target=target: inputs.__setitem__(target, given[0][0].double())
                )
            )
    sums: dict[str, Any] = {}
    seen, count = set(), 0
    for one in sequences:
        with torch.no_grad():
            model(input_ids=torch.from_numpy(one.ids)[None], use_cache=False)
        skip = len(one.prefix) if one.prefix.tobytes() in seen else 0
        seen.add(one.prefix.tobytes())
        count += len(one) - skip
        for name, given in inputs.items():
            sums[name] = sums.get(name, 0) + given[skip:].square().sum(0)
    for hook in hooks:
        hook.remove()
    return {name: (total / count).numpy() for name, total in sums.items()}, count


@pytest.mark.parametrize("name", FAMILIES)
def test_shared_prefixes_are_read_once_and_counted_once(name: str, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "base", name)
    config, model = read_config(folder), load_model(folder)
    draw = np.random.default_rng(0)
    prefixes = [draw.integers(3, config["vocab_size"], size) for size in (20, 9)]
    sequences = [
        sequence(list(prefixes[n % 2]), list(draw.integers(3, config["vocab_size"], 4 + 3 * n)))
        for n in range(5)
    ]
    made = collect(model, config, sequences, "random ids", ignore)
    expected, count = read_whole(model, sequences)
    assert (made.tokens, made.rows, made.source) == (count, 5, "random ids")
    assert made.values.keys() == expected.keys()
    for tensor, values in made.values.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[tensor], rtol=1e-4, err_msg=tensor)
    full = convert(folder, tmp_path / "full.gguf", "f32")
    matrices = {
        t.name for t in gguf.GGUFReader(full).tensors if len(t.shape) == 2 and t.name.startswith("blk.")
    }
    assert made.values.keys() == matrices
    require_fit(made, full)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_family(tmp_path_factory.mktemp("imatrix") / "base", "qwen3")


def test_no_more_tokens_than_asked_for_but_one_sequence_at_least(base: Path) -> None:
    model, config = load_model(base), read_config(base)
    sequences = [sequence([5, 6, 7, 8], [9] * 10) for _ in range(4)]
    for most, tokens, rows in ((1, 14, 1), (33, 24, 2), (34, 34, 3), (999, 44, 4)):
        made = collect(model, config, sequences, "ids", ignore, max_tokens=most)
        assert (made.tokens, made.rows) == (tokens, rows)
    bare = collect(model, config, [sequence([], [5, 6, 7])], "ids", ignore)
    assert bare.tokens == 3
    with pytest.raises(InputError, match=r"no row is left .* --imatrix none"):
        collect(model, config, [], "ids", ignore)


def test_a_model_that_computes_no_numbers_is_refused_and_left_as_it_was(base: Path) -> None:
    model, config = load_model(base), read_config(base)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 4] = torch.nan
    with pytest.raises(InputError, match=r"blk\.1\.ffn_down\.weight are not all numbers"):
        collect(model, config, [sequence([], [5, 6, 7])], "ids", ignore)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_what_is_no_importance_matrix_is_refused(base: Path, tmp_path: Path) -> None:
    full = convert(base, tmp_path / "full.gguf", "f32")
    (tmp_path / "text").write_text("a text of some words\n" * 100)
    (tmp_path / "empty").touch()
    (tmp_path / "zeros").write_bytes(bytes(4096))
    for file, why in (
        (full, "its general.type is model"),
        (tmp_path / "text", "damaged"),
        (tmp_path / "empty", "damaged"),
        (tmp_path / "zeros", "no entries"),
        (tmp_path / "nothing", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (write_gguf(tmp_path / "nan", count=float("nan")), "damaged"),
        (write_gguf(tmp_path / "below", count=-5.0), "a count that none can be"),
        (write_gguf(tmp_path / "many", count=1e30), "a count that none can be"),
        (write_legacy(tmp_path / "minus", {"blk.0.attn_q.weight": [-1.0]}), "not the mean of squares"),
    ):
        with pytest.raises(InputError, match=why):
            load(file)


def test_an_importance_matrix_of_another_model_is_refused(base: Path, tmp_path: Path) -> None:
    full = convert(base, tmp_path / "full.gguf", "f32")
    there = {"blk.0.attn_q.weight": np.ones(64, np.float32)}

    def of(values: Mapping[str, NDArray[np.float32]]) -> Imatrix:
        return Imatrix(values, "wiki.gguf", 1, 1)

    require_fit(of({**there, "output.weight": np.ones(64, np.float32)}), full)
    for values, why in (
        ({}, "wiki.gguf is of another model"),
        ({"token_embd.weight": np.ones(64, np.float32)}, "wiki.gguf is of another model"),
        (
            {**there, "blk.1.ffn_down.weight": np.ones(64, np.float32)},
            r"64 columns for blk\.1\.ffn_down\.weight, and the model has 96",
        ),
        ({**there, "blk.3.attn_q.weight": there["blk.0.attn_q.weight"]}, r"it has blk\.3\.attn_q\.weight"),
    ):
        with pytest.raises(InputError, match=why):
            require_fit(of(values), full)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that was trained on two files, one row of which was held out."""
    (tmp_path / "base").mkdir()
    make_tokenizer(tmp_path / "base")
    (tmp_path / "run").mkdir()
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl.gz"]
    write_rows(files[0], tiny_rows(20))
    write_rows(files[1], [renamed(row, "other") for row in [*tiny_rows(26)[20:], *tiny_rows(4, "valid")]])
    write_rows(tmp_path / "run" / "heldout.jsonl", [renamed(tiny_rows(1)[0], "held")])
    recipe = {"base": str(tmp_path / "base"), "markers": asdict(CHATML), "max_length": 512}
    data = {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return Run(tmp_path / "run", recipe, {stage: {"data": data} for stage in ("backbone", *ROLES)}, data)


def renamed(row: Row, name: str) -> Row:
    return replace(row, id=f"{name}-{row.id}")


def texts(run: Run, rows: Sequence[Row], role: str, turns: Sequence[int]) -> set[bytes]:
    """The ids of rows up to their given turn."""
    tokenize = load_tokenize(run.base)
    cut = [
        Transcript(row.transcript.tools, row.transcript.turns[:turn])
        for row, turn in zip(rows, turns, strict=True)
    ]
    return {encode(one, [role], tokenize).ids.tobytes() for one in cut}


def test_the_rows_are_those_that_were_trained_on(run: Run) -> None:
    found, source = calibration_sequences(run, ["caller"])
    assert source == "training rows of caller"
    with_calls = [row for n, row in enumerate(tiny_rows(26)) if n % 4 != 3 and n > 0]
    assert {one.ids.tobytes() for one in found} == texts(run, with_calls, "caller", [3] * len(with_calls))
    assert len(found) == len(with_calls)
    again, _ = calibration_sequences(run, ["caller"])
    assert [list(one.ids) for one in again] == [list(one.ids) for one in found]
    every, source = calibration_sequences(run, ROLES)
    assert source == "training rows of planner and caller and summarizer"
    assert len(every) == 25
    assert max(len(one) for one in every) > max(len(one) for one in found)


def test_rows_that_are_too_long_are_left_out(run: Run) -> None:
    whole, _ = calibration_sequences(run, ["caller"])
    limit = sorted(len(one) for one in whole)[5]
    short = Run(run.folder, {**run.recipe, "max_length": limit}, run.stages, run.inputs)
    found, _ = calibration_sequences(short, ["caller"])
    assert sorted(len(one) for one in found) == sorted(len(one) for one in whole if len(one) <= limit)
    nothing = Run(run.folder, {**run.recipe, "max_length": 3}, run.stages, run.inputs)
    assert calibration_sequences(nothing, ["caller"]) == ([], "held-out rows of caller")


def test_a_role_that_was_trained_alone_has_its_own_rows(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    write_rows(own, tiny_rows(30)[28:30])
    data = {str(own): hashlib.sha256(own.read_bytes()).hexdigest()}
    alone = Run(run.folder, run.recipe, {**run.stages, "caller": {"data": data}}, run.inputs)
    found, _ = calibration_sequences(alone, ["caller"])
    assert {one.ids.tobytes() for one in found} == texts(alone, tiny_rows(30)[28:30], "caller", [3, 3])
    others, _ = calibration_sequences(alone, ["planner"])
    assert len(others) == 25


@pytest.mark.parametrize("damage", ["changed", "gone", "unknown"])
def test_held_out_rows_stand_in_for_data_that_is_gone(run: Run, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "one.jsonl"
    stages = run.stages
    if damage == "changed":
        file.write_bytes(file.read_bytes().replace(b"sum", b"Sum"))
    elif damage == "gone":
        file.unlink()
    else:
        stages = {stage: {} for stage in run.stages}
    role: Role = "summarizer"
    found, source = calibration_sequences(Run(run.folder, run.recipe, stages, run.inputs), [role])
    assert source == "held-out rows of summarizer"
    assert {one.ids.tobytes() for one in found} == texts(run, tiny_rows(1), role, [6])


def test_the_sample_is_spread_over_all_of_a_long_file(run: Run, tmp_path: Path) -> None:
    long = tmp_path / "long.jsonl"
    write_rows(long, [renamed(row, str(n)) for n in range(40) for row in tiny_rows(50)])
    data = {str(long): hashlib.sha256(long.read_bytes()).hexdigest()}
    lengthy = Run(run.folder, run.recipe, {"caller": {"data": data}}, run.inputs)
    found, _ = calibration_sequences(lengthy, ["caller"])
    distinct = {one.ids.tobytes() for one in found}
    assert 100 < len(found) <= 256
    assert len(distinct) > 25, "of 37 different rows with calls"
