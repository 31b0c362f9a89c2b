"""A run over a GGUF base becomes adapters, and what is built of them says what the whole export says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
from fakes import run_export as main
from tiny_base import make_run, tiny_rows

from agent.bundle import load_bundle
from agent.bundle.deltas.build import build_bundle
from agent.llama.binding.gguf_model import open_gguf
from agent.paths import bases_folder, sha256_of
from agent.prompting import prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, Role
from export.gguf.convert import convert

NEAR_TIE = 0.1
"""Difference of the two largest logits below which adapters in q8_0 may rank them otherwise."""


def make_imported_run(folder: Path, **fields: object) -> tuple[Path, Path]:
    """Return a finished run, and the GGUF file that its base could have been imported from."""
    run = make_run(folder, **fields)
    file = convert(folder / "base", folder / "tiny.gguf", "f32")
    record = {"source": file.name, "sha256": sha256_of(file), "bytes": file.stat().st_size}
    (folder / "base" / "import.json").write_text(json.dumps(record))
    return run, file


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_imported_run(tmp_path_factory.mktemp("deltas"), hand_over="stack")


def install(file: Path) -> None:
    """Put a base among those of the user."""
    folder = bases_folder() / "tiny"
    folder.mkdir(parents=True)
    shutil.copyfile(file, folder / file.name)


def answers(file: Path, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the best token after each of `ids` by the model in `file`, and by how much it is the best."""
    with open_gguf(file, 1024) as model:
        logits = np.sort(values := model.logits(ids, 0), -1)
    return values.argmax(-1), logits[:, -1] - logits[:, -2]


@pytest.mark.parametrize(
    ("kind", "adapters", "merge_base"),
    [("f32", "f16", "original"), ("q8_0", "f16", "dequant"), ("q8_0", "q8_0", "original")],
)
def test_what_is_built_says_what_the_whole_export_says(
    imported: tuple[Path, Path],
    kind: str,
    adapters: str,
    merge_base: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, file = imported
    install(file)
    argv = ["bundle", str(run), "--quant", kind, "--name", "mine", "--license", "MIT"]
    argv += ["--merge-base", merge_base]
    assert main([*argv, "--out", str(tmp_path / "whole")]) == 0
    options = ["--deltas", "--adapter-type", adapters]
    assert main([*argv, *options, "--out", str(tmp_path / "deltas")]) == 0
    bundle = load_bundle(tmp_path / "deltas", verify=True)
    assert bundle.base
    assert (bundle.base.name, bundle.base.sha256) == ("tiny", sha256_of(file))
    names = [f"{stage}-delta-{adapters}.gguf" for stage in ("backbone", *ROLES)]
    assert sorted(path.name for path in bundle.folder.iterdir()) == sorted(
        ["README.md", "bundle.json", *names, *(f"{role}.ngrams" for role in ROLES)]
    )
    for path in bundle.folder.iterdir():  # what is passed on tells nothing of the disk that it was made on
        assert str(run.parent).encode() not in path.read_bytes()
    whole, built = load_bundle(tmp_path / "whole"), build_bundle(bundle.folder, print)
    assert [built.roles[role].sha256 for role in ROLES] == [bundle.roles[role].sha256 for role in ROLES]
    tokenize = load_tokenize(run.parent / "base")
    for role in ROLES:
        compared = 0
        for row in tiny_rows(8, "test"):
            ids = prompt_ids(row.transcript, role, tokenize)
            best, margin = answers(whole.path(role), ids)
            found, _ = answers(built.path(role), ids)
            clear = margin > (NEAR_TIE if adapters == "q8_0" else 0)
            np.testing.assert_array_equal(found[clear], best[clear])
            compared += clear.sum()
        assert compared > 300
        same_metadata(whole.path(role), built.path(role))
        if adapters == "f16":  # what a run keeps of an adapter, so nothing was rounded
            same_tensors(whole.path(role), built.path(role))
    capsys.readouterr()
    assert main(["verify", str(built.folder), "--against", str(run)]) == 0
    assert main(["verify", str(bundle.folder)]) == 2
    assert "mine holds deltas" in capsys.readouterr().err


def same_metadata(whole: Path, built: Path) -> None:
    """Check what a program reads of both files."""
    one, other = gguf.GGUFReader(whole).fields, gguf.GGUFReader(built).fields
    for key, field in one.items():
        if key.startswith(("tokenizer.", "qwen3.", "umi.", "general.architecture", "general.name")):
            assert other[key].contents() == field.contents(), key


def same_tensors(whole: Path, built: Path) -> None:
    """Check that the weights of two files are the same bits."""
    one, other = (
        {tensor.name: (tensor.tensor_type, tensor.data.tobytes()) for tensor in gguf.GGUFReader(file).tensors}
        for file in (whole, built)
    )
    assert one == other


def test_activated_adapters_travel_with_the_delta_of_their_backbone(tmp_path: Path) -> None:
    run, file = make_imported_run(tmp_path / "run", adapter="alora")
    install(file)
    out = tmp_path / "out"
    assert main(["bundle", str(run), "--quant", "q8_0", "--deltas", "--out", str(out)]) == 0
    bundle = load_bundle(out, verify=True)
    kind = bundle.metrics["export"]["backbone"]["adapter_type"]
    files = [f"backbone-delta-{kind}.gguf", *(f"{role}-adapter-{kind}.gguf" for role in ROLES)]
    tables = [f"{role}.ngrams" for role in ROLES]
    assert sorted(one.file for one in bundle.files) == sorted(files + tables)
    built = build_bundle(out, print)
    assert built.layout == "shared"
    assert main(["verify", str(built.folder), "--against", str(run)]) == 0
    adapters: dict[Role, Path | None] = {role: built.adapter_path(role) for role in ROLES}
    marks = {gguf.GGUFReader(path).fields["umi.backbone"].contents() for path in adapters.values() if path}
    assert marks == {gguf.GGUFReader(built.path("planner")).fields["umi.backbone"].contents()}


def test_one_line_for_what_cannot_be_built_elsewhere(
    imported: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = imported
    argv = ["bundle", str(run), "--deltas", "--out", str(tmp_path / "out")]

    def refusal(*options: str) -> str:
        assert main([*argv, *options]) == 2
        return capsys.readouterr().err

    assert "tiny.gguf, which" in (said := refusal())
    assert "get it with umi models pull" in said
    install(file)
    assert "without an importance matrix" in refusal("--imatrix", str(file))
    record = run.parent / "base" / "import.json"
    record.rename(tmp_path / "import.json")
    try:
        assert "was not imported from a GGUF file" in (said := refusal())
        assert "umi train base import" in said
    finally:
        (tmp_path / "import.json").rename(record)
    assert not (tmp_path / "out").exists()
