"""Models are built of adapters and a base, once, and whole or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from full_disk import full_disk
from hub import Hub, repository_of
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf

import agent.bundle.deltas.build
import agent.bundle.deltas.merge
from agent.bundle import Bundle, load_bundle, write_bundle
from agent.bundle.deltas.build import build_bundle, open_bundle
from agent.bundle.deltas.merge import merge, read_base, read_delta
from agent.bundle.files import BaseFile
from agent.bundle.store import find_bundle, remove_bundle
from agent.errors import BundleError, InputError, UmiError
from agent.llama.binding.gguf_model import open_gguf
from agent.llama.binding.quantize import quantize
from agent.paths import bases_folder, models_folder, sha256_of
from agent.transcript import ROLES, Role
from export.push import bundle_files
from tui.cli.main import main

QUICKLY = ("--max-steps", "1", "--tools", "calculate")
READ = " s: read "
"""That models ran; those of random weights seldom end a turn well."""
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def base(umi_home: Path) -> Path:
    """A base among the user's own."""
    folder = bases_folder() / "tiny"
    folder.mkdir(parents=True)
    return write_tiny_gguf(folder / "tiny.gguf", chat_template="{{ messages }}")


@pytest.fixture
def deltas(base: Path, tmp_path: Path) -> Bundle:
    """A bundle of deltas over it."""
    return write_deltas(tmp_path / "mine", base)


def write_deltas(folder: Path, base: Path, kind: str = "q8_0") -> Bundle:
    """Write a merged bundle of deltas over `base` to `folder`."""
    folder.mkdir()
    opened = read_base(base)
    for seed, role in enumerate(ROLES):
        delta = write_tiny_adapter(folder / f"{role}-delta.gguf", [], seed=seed)
        file = merge(opened, [read_delta(delta)], folder / "f32.gguf")
        if kind == "f32":
            file.rename(folder / f"{role}.gguf")
        else:
            quantize(file, folder / f"{role}.gguf", kind)
            file.unlink()
    names: dict[Role, str] = {role: f"{role}.gguf" for role in ROLES}
    bundle = write_bundle(
        folder,
        name="mine",
        context_length=1024,
        files=names,
        base=BaseFile(base.name, sha256_of(base), base.stat().st_size, base.parent.name),
        deltas={role: [f"{role}-delta.gguf"] for role in ROLES},
        types=dict.fromkeys(ROLES, kind),
    )
    for name in names.values():
        (folder / name).unlink()
    return bundle


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def silent(_line: str) -> None:
    """Take a line of progress."""


def test_a_merged_file_says_what_llama_cpp_says_with_the_adapter(base: Path, tmp_path: Path) -> None:
    adapter = write_tiny_adapter(tmp_path / "delta.gguf", [], seed=4)
    merged = merge(read_base(base), [read_delta(adapter)], tmp_path / "merged.gguf")
    ids = list(range(5, 60))
    with open_gguf(base, 64, adapter) as model:
        plain, adapted = model.logits(ids, 0), model.logits(ids, 0, adapter_start=0)
    with open_gguf(merged, 64) as model:
        found = model.logits(ids, 0)
    assert np.abs(adapted - plain).max() > 1
    assert np.abs(found - adapted).max() < 1e-3
    np.testing.assert_array_equal(found.argmax(-1), adapted.argmax(-1))


def test_metadata_is_that_of_the_base_and_what_the_delta_sets(base: Path, tmp_path: Path) -> None:
    adapter = write_tiny_adapter(tmp_path / "delta.gguf", [])
    reader = gguf.GGUFReader(adapter)
    writer = gguf.GGUFWriter(tmp_path / "own.gguf", "qwen3")
    agent.bundle.deltas.merge.copy_fields(writer, reader.fields)
    writer.add_chat_template("{{ own }}")
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    merged = merge(read_base(base), [read_delta(tmp_path / "own.gguf")], tmp_path / "merged.gguf")
    old, new = gguf.GGUFReader(base).fields, gguf.GGUFReader(merged).fields
    assert new["tokenizer.chat_template"].contents() == "{{ own }}"
    assert new["general.type"].contents() == "model"
    assert not any(key.startswith("adapter.") for key in new)
    for key, field in old.items():
        if key.startswith(("tokenizer.ggml.", "qwen3.")):
            assert new[key].contents() == field.contents()


def test_deltas_are_built_once_and_run(deltas: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert {file.file for file in deltas.files} == {f"{role}-delta.gguf" for role in ROLES}
    assert main(["models", "build", str(deltas.folder)]) == 0
    said = capsys.readouterr()
    target = models_folder() / "mine"
    assert said.out.startswith(f"{target}: merged, ")
    assert said.err.startswith("building mine from tiny, once\nplanner: planner.gguf, 0.1 MB\n")
    assert names(models_folder()) == ["bases", "mine"]
    assert names(target) == ["bundle.json", "caller.gguf", "deltas", "planner.gguf", "summarizer.gguf"]
    built = load_bundle(target, verify=True)
    assert built.base is None
    assert {role: built.roles[role].sha256 for role in ROLES} == {
        role: deltas.roles[role].sha256 for role in ROLES
    }
    assert main(["models", "build", "mine"]) == 0
    assert "building" not in capsys.readouterr().err
    main(["ask", "hello", "--models", "mine", *QUICKLY])
    assert READ in capsys.readouterr().err


def test_ask_builds_what_is_used_first(deltas: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["ask", "hello", "--models", str(deltas.folder), *QUICKLY]
    main(argv)
    said = capsys.readouterr().err
    assert READ in said
    assert said.startswith("building mine from tiny, once\n")
    assert "planner.gguf" not in said
    main(argv)
    assert "building" not in capsys.readouterr().err


def test_deltas_among_the_users_models_are_built_in_their_place(deltas: Bundle) -> None:
    pulled = models_folder() / "pulled"
    shutil.move(deltas.folder, pulled)
    built = open_bundle(find_bundle("pulled"), silent)
    assert built.folder == pulled
    assert "planner-delta.gguf" in names(pulled / "deltas")
    (pulled / "caller.gguf").write_bytes(b"GGUF")
    with pytest.raises(BundleError, match=r"caller.gguf is truncated.*umi models build pulled"):
        load_bundle(pulled)
    assert build_bundle(pulled, silent).roles == built.roles
    assert names(models_folder()) == ["bases", "pulled"]
    remove_bundle("pulled")
    assert names(models_folder()) == ["bases"]


def test_other_deltas_of_the_name_replace_what_was_built(deltas: Bundle, base: Path, tmp_path: Path) -> None:
    first = build_bundle(deltas.folder, silent)
    shutil.rmtree(deltas.folder)
    second = build_bundle(write_deltas(tmp_path / "mine", base, "f32").folder, silent)
    assert second.folder == first.folder
    assert second.roles["planner"].size > first.roles["planner"].size


def test_models_of_another_origin_are_not_replaced(deltas: Bundle, tiny_bundle: Bundle) -> None:
    shutil.copytree(tiny_bundle.folder, models_folder() / "mine")
    with pytest.raises(InputError, match=r"models named mine already; umi models remove mine"):
        build_bundle(deltas.folder, silent)
    with pytest.raises(InputError, match="nothing to build"):
        build_bundle(tiny_bundle.folder, silent)


def test_a_shared_bundle_is_a_backbone_delta_and_activated_adapters(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    delta = write_tiny_adapter(folder / "backbone-delta.gguf", [], seed=9)
    backbone = merge(read_base(base), [read_delta(delta)], folder / "backbone.gguf")
    for seed, role in enumerate(ROLES):
        write_tiny_adapter(folder / f"{role}.gguf", header_ids(base, role), seed=seed)
    write_bundle(
        folder,
        name="shared",
        context_length=1024,
        layout="shared",
        files=dict.fromkeys(ROLES, "backbone.gguf"),
        adapters={role: f"{role}.gguf" for role in ROLES},
        base=BaseFile(base.name, sha256_of(base), base.stat().st_size, "tiny"),
        deltas={role: ["backbone-delta.gguf"] for role in ROLES},
        types=dict.fromkeys(ROLES, "f32"),
    )
    backbone.unlink()
    built = build_bundle(folder, silent)
    assert built.layout == "shared"
    assert names(built.folder) == sorted(
        ["bundle.json", "deltas", "backbone.gguf", *(f"{r}.gguf" for r in ROLES)]
    )
    main(["ask", "hello", "--models", "shared", *QUICKLY])
    assert READ in capsys.readouterr().err


def test_a_build_that_was_stopped_goes_on(
    deltas: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, calls = agent.bundle.deltas.merge.merge, []

    def stopped(*given: object) -> Path:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(agent.bundle.deltas.merge, "merge", stopped)
    assert main(["models", "build", str(deltas.folder)]) == 130
    assert "give the same command again to go on" in capsys.readouterr().err
    assert names(models_folder()) == [".mine.build", "bases"]
    assert names(models_folder() / ".mine.build") == ["deltas", "planner.gguf"]
    (models_folder() / ".mine.build" / "unquantized.part").write_bytes(b"half")  # as a killed process leaves
    assert main(["models", "build", str(deltas.folder)]) == 0
    assert len(calls) == 4
    assert names(models_folder()) == ["bases", "mine"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda base, _: base.unlink(),
            r"needs the base tiny, .* does not exist; get it with: umi models pull",
        ),
        (
            lambda base, _: base.write_bytes(base.read_bytes()[:-1] + b"x"),
            r"tiny.gguf is not the base of mine: its sha256 .*umi models pull tiny",
        ),
        (
            lambda _, deltas: (deltas.folder / "caller-delta.gguf").write_bytes(b"GGUF"),
            r"caller-delta.gguf is truncated",
        ),
    ],
    ids=["no base", "another base", "damaged adapter"],
)
def test_one_line_for_what_cannot_be_built(
    change: Callable[[Path, Bundle], object],
    message: str,
    deltas: Bundle,
    base: Path,
) -> None:
    change(base, deltas)
    with pytest.raises(InputError, match=message):
        build_bundle(deltas.folder, silent)
    assert names(models_folder()) == ["bases"]


def test_a_full_disk_leaves_nothing(deltas: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    with full_disk(100_000), pytest.raises(UmiError, match=r"cannot be written: File too large; free space"):
        build_bundle(deltas.folder, silent)
    assert names(models_folder()) == ["bases"]
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000),  # type: ignore[attr-defined]
    )
    with pytest.raises(InputError, match=r"mine takes \d+ MB to build, .*; make room"):
        build_bundle(deltas.folder, silent)
    assert names(models_folder()) == ["bases"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("base", {"file": "a.gguf", "sha256": "0" * 64, "size": 9}, "base.name is missing"),
        (
            "base",
            {"name": "a", "file": "a.gguf", "sha256": "12", "size": 9},
            "a base has a sha256 and a size",
        ),
        (
            "base",
            {
                "name": "a",
                "file": "a.gguf",
                "sha256": "0" * 64,
                "size": 9,
                "repository": "a/b",
                "revision": "main",
            },
            "a repository is named with the commit",
        ),
        ("base", {"name": "../a", "file": "a.gguf", "sha256": "0" * 64, "size": 9}, "base.name"),
        ("base", None, "deltas need a base"),
    ],
)
def test_a_base_that_is_not_named_and_hashed_is_refused(
    field: str, value: object, problem: str, deltas: Bundle
) -> None:
    path = deltas.folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(BundleError, match=problem):
        load_bundle(deltas.folder)


def test_a_file_that_is_not_the_exports_has_to_answer_the_canary(deltas: Bundle) -> None:
    path = deltas.folder / "bundle.json"
    manifest = json.loads(path.read_text())
    manifest["roles"]["caller"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"caller.gguf is not bit for bit its export's, .* no canary"):
        build_bundle(deltas.folder, silent)
    answer = {"text": "1 2 3 4 5 6 7 8", "agreed": 8}
    path.write_text(json.dumps({**manifest, "metrics": {"export": {"caller": {"probe": answer}}}}))
    with pytest.raises(UmiError, match=r"caller.gguf answers as its model on \d tokens of 8, and did on 8"):
        build_bundle(deltas.folder, silent)
    answer["agreed"] = 0
    path.write_text(json.dumps({**manifest, "metrics": {"export": {"caller": {"probe": answer}}}}))
    assert build_bundle(deltas.folder, silent).roles["caller"].sha256 == deltas.roles["caller"].sha256


def test_what_was_built_is_loaded_in_a_child_first(deltas: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for _ in range(2):
        with pytest.raises(BundleError, match=r"planner.gguf cannot be loaded: llama.cpp ended with code 1"):
            build_bundle(deltas.folder, silent)
    assert not list(models_folder().glob("*/*.gguf"))


def test_building_loads_no_torch(deltas: Bundle) -> None:
    program = (
        "import sys; from pathlib import Path; from agent.bundle.deltas.build import build_bundle;"
        f"build_bundle(Path({str(deltas.folder)!r}), print);"
        "print(sorted({'torch', 'transformers', 'train', 'export'} & {n.split('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_deltas_are_pulled_and_built(hub: Hub, deltas: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    hub.repositories["someone/mine"] = repository_of(deltas.folder)
    assert main(["models", "pull", "someone/mine"]) == 0
    assert "it is built over tiny with: umi models build mine" in capsys.readouterr().err
    assert {file.name for file in bundle_files(deltas).values()} == {
        "bundle.json",
        *(f"{role}-delta.gguf" for role in ROLES),
    }
    assert main(["models", "show", "mine"]) == 0
    assert "planner.gguf" in (shown := capsys.readouterr().out)
    assert "to be built of planner-delta.gguf" in shown
    assert main(["models", "use", "mine"]) == 0
    main(["ask", "hello", *QUICKLY])
    said = capsys.readouterr().err
    assert said.startswith("building mine from tiny, once\n")
    assert READ in said
