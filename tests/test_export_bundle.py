"""A run becomes a bundle that the agent loads, whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import run_export as main
from tiny_base import make_run

import export.build_folder
import export.layouts.unquantized
from agent.bundle import load_bundle
from agent.errors import InputError, UmiError
from agent.paths import sha256_of
from agent.transcript import ROLES
from export.build_folder import open_build_folder
from export.proof.parity import Parity

QUICK = ("--quant", "f16", "--merge-base", "original")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("bundle"))


def test_a_run_becomes_a_bundle(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    argv = ["bundle", str(run_folder), "--out", str(out), "--quant", "q4_k_m", "--quant", "caller=q8_0"]
    assert main([*argv, "--grounded", "summarizer", "--license", "Apache-2.0"]) == 0
    output = capfd.readouterr()
    assert output.out == f"{out}\n"
    steps = [line.split(": ", 1) for line in output.err.splitlines()]
    assert list(dict.fromkeys(part for part, _ in steps)) == ["base", *ROLES]
    bundle = load_bundle(out, verify=True)
    assert (bundle.name, bundle.license, bundle.context_length) == ("mine", "Apache-2.0", 1024)
    assert {role: bundle.roles[role].file for role in ROLES} == {
        "planner": "planner-q4_k_m.gguf",
        "caller": "caller-q8_0.gguf",
        "summarizer": "summarizer-q4_k_m.gguf",
    }
    assert bundle.roles["summarizer"].grounded
    assert bundle.recipe["lora"]["rank"] == 4
    for file in out.iterdir():  # what is passed on tells nothing of the disk that it was made on
        assert str(run_folder.parent).encode() not in file.read_bytes()
    assert bundle.metrics["train"]["backbone"]["steps"] == 30
    for role in ROLES:
        made = bundle.metrics["export"][role]
        assert made["f32"]["agreed"] + made["f32"]["near_ties"] == made["f32"]["positions"] > 0
        assert made["merge_base"] in ("dequant", "original")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine"]
    assert sorted(file.name for file in out.iterdir()) == sorted(
        [
            "README.md",
            "bundle.json",
            *(f"{role}.{kind}" for role in ROLES for kind in ("Modelfile", "ngrams")),
            *files(out),
        ]
    )


def test_a_bundle_is_replaced_and_other_files_are_not(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    argv = ["bundle", str(run_folder), "--out", str(out), "--merge-base", "original", "--quant", "f16"]
    assert main(argv) == 0
    assert main([*argv, "--name", "second"]) == 0
    assert load_bundle(out).name == "second"
    (out / "bundle.json").unlink()
    capsys.readouterr()
    assert main(argv) == 2
    assert "is not a bundle" in capsys.readouterr().err
    assert len(files(out)) == 3


def test_a_file_that_differs_from_its_model_leaves_no_bundle(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        export.layouts.unquantized, "measure_parity", lambda *_: Parity(3, 9, 8, 0, 1e-5, 1e-5, 2.0)
    )
    assert main(["bundle", str(run_folder), "--out", str(tmp_path / "mine")]) == UmiError.exit_code
    assert "differs from its model at 1 of 9 tokens" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def whole(run_folder: Path) -> Path:
    """An export that nothing disturbed."""
    out = run_folder.parent / "whole"
    assert main(["bundle", str(run_folder), "--out", str(out), *QUICK]) == 0
    return out


def trained_anew(run: Path, stage: str) -> None:
    """Write into a run's manifest that the adapter that lies there is what a stage trained."""
    manifest = json.loads((run / "manifest.json").read_text())
    file = f"{stage}/adapter_model.safetensors"
    manifest["files"][file] = sha256_of(run / file)
    (run / "manifest.json").write_text(json.dumps(manifest))


def stop_after(role: str, monkeypatch: pytest.MonkeyPatch, stopped: BaseException | None = None) -> Any:
    """Let a merge that comes after `role`'s fail, as Ctrl-C and errors do; returns what undoes it."""
    real = export.layouts.unquantized.merge_stage

    def merge_stage(run: Any, stage: str, *given: Any, **options: Any) -> Any:
        if stage == ROLES[ROLES.index(role) + 1]:
            (given[1] / "half").write_bytes(b"half")
            raise stopped or KeyboardInterrupt
        return real(run, stage, *given, **options)

    monkeypatch.setattr(export.layouts.unquantized, "merge_stage", merge_stage)
    return lambda: monkeypatch.setattr(export.layouts.unquantized, "merge_stage", real)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix == ".gguf"}


def test_an_interrupted_export_is_continued(
    run_folder: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["bundle", str(run_folder), "--out", str(tmp_path / "whole"), *QUICK]
    undo = stop_after("caller", monkeypatch)
    assert main(argv) == 130
    part = tmp_path / ".whole.part"
    assert f"finished parts are kept in {part}; the same command goes on" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [".whole.part"]
    assert sorted(path.relative_to(part).as_posix() for path in part.rglob("*")) == [
        *("bundle", "bundle/caller-f16.gguf", "bundle/planner-f16.gguf"),
        *("caller.json", "planner.json"),
    ]
    # What a killed process leaves, and a file that is no longer what was written.
    (part / "scratch").mkdir()
    for name in ("scratch/planner-f32.gguf", "bundle/summarizer-f16.gguf", "summarizer.json", "x.json.part"):
        (part / name).write_bytes(b"half")
    with (part / "bundle" / "caller-f16.gguf").open("ab") as file:
        file.write(b"more")
    undo()
    assert main(argv) == 0
    output = capsys.readouterr().err
    assert "planner: planner-f16.gguf" in output
    assert "was made before" in output
    assert "planner: adding" not in output
    assert "caller: adding" in output
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert files(tmp_path / "whole") == files(whole)
    assert (tmp_path / "whole" / "bundle.json").read_text() == (whole / "bundle.json").read_text()


@pytest.mark.parametrize("changed", ["option", "adapter", "program"])
def test_finished_parts_of_other_inputs_are_not_reused(
    changed: str,
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    argv = ["bundle", str(copy), "--out", str(tmp_path / "mine"), *QUICK]
    stop_after("planner", monkeypatch)
    assert main(argv) == 130
    assert (tmp_path / ".mine.part" / "planner.json").exists()
    if changed == "option":
        argv += ["--quant", "planner=f32"]
    elif changed == "adapter":
        shutil.copy(copy / "caller" / "adapter_model.safetensors", copy / "planner")
        trained_anew(copy, "planner")
    else:
        monkeypatch.setattr(export.build_folder, "version", lambda _: "9.9")
    capsys.readouterr()
    assert main(argv) == 130
    output = capsys.readouterr().err
    assert "planner: adding" in output
    assert "was made before" not in output


def test_an_error_keeps_finished_parts_and_the_old_bundle(
    run_folder: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "mine"))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    stop_after("planner", monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    assert main(["bundle", str(run_folder), "--out", str(out), *QUICK]) == 1
    err = capsys.readouterr().err.splitlines()
    assert err[-1] == f"umi: {out} cannot be written: No space left on device; free space or write elsewhere"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", "mine"]


def test_a_bundle_that_a_killed_export_moved_is_restored(
    run_folder: Path, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / ".mine.old")
    argv = ["bundle", str(run_folder), "--out", str(tmp_path / "mine"), "--context", "999999"]
    assert main(argv) == 2
    assert load_bundle(tmp_path / "mine").name == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_files_beside_the_old_bundles_are_not_deleted(
    run_folder: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "mine"))
    (out / "notes.txt").write_text("mine")
    assert main(["bundle", str(run_folder), "--out", str(out), *QUICK]) == 2
    assert "holds notes.txt, which is not part of the bundle there; move that away" in capsys.readouterr().err
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    assert main(["bundle", str(run_folder), "--out", str(out), *QUICK]) == 0
    assert "bundle: whole in" in capsys.readouterr().err


def test_two_exports_do_not_share_a_folder(tmp_path: Path) -> None:
    with open_build_folder(tmp_path / "mine", {}, lambda _: None) as work:
        (work.scratch / "file").touch()
        with (
            pytest.raises(InputError, match="another export is making"),
            open_build_folder(tmp_path / "mine", {}, lambda _: None),
        ):
            pass
        assert (work.scratch / "file").exists()
    assert list(tmp_path.iterdir()) == []


def test_another_base_is_refused_and_named(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = Path(shutil.copytree(run_folder.parent / "base", tmp_path / "base"))
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    manifest = (copy / "manifest.json").read_text().replace(str(run_folder.parent / "base"), str(base))
    (copy / "manifest.json").write_text(manifest)
    argv = ["bundle", str(copy), "--out", str(tmp_path / "mine")]
    weights = base / "model.safetensors"
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-1] + b"!")
    shutil.copy(weights, base / "more.safetensors")
    assert main(argv) == 2
    message = (
        f"{base} is not the base that {copy} was trained on: model.safetensors, more.safetensors differ;"
    )
    assert message in capsys.readouterr().err
    weights.unlink()
    (base / "more.safetensors").unlink()
    assert main(argv) == 2
    assert "trained on: model.safetensors differs; put that base back" in capsys.readouterr().err
    weights.write_bytes(sound)
    config = (base / "config.json").read_text()
    (base / "config.json").write_text(config.replace("Qwen3ForCausalLM", "MambaForCausalLM"))
    assert main(argv) == 2
    assert "is a MambaForCausalLM; known are Qwen2ForCausalLM, Qwen3" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "run"]


def test_a_mistake_in_the_last_role_shows_before_the_first_is_made(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    (copy / "summarizer" / "adapter_model.safetensors").write_bytes(b"half")
    assert main(["bundle", str(copy), "--out", str(tmp_path / "mine")]) == 2
    output = capsys.readouterr().err
    assert "summarizer/adapter_model.safetensors is not what the run trained; put its own back" in output
    trained_anew(copy, "summarizer")
    assert main(["bundle", str(copy), "--out", str(tmp_path / "mine")]) == 2
    output = capsys.readouterr().err
    assert "the adapter in" in output
    assert "planner: adding" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_mistakes_are_one_line(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run_folder, unfinished, ignore=shutil.ignore_patterns("manifest.json"))
    out = ["--out", str(tmp_path / "mine")]
    for argv, message in (
        ([str(unfinished), *out], "is not finished"),
        ([str(tmp_path / "none"), *out], "is not a run folder"),
        ([str(run_folder), *out, "--quant", "q1"], "choose one of f32, f16"),
        ([str(run_folder)], "--out"),
        ([str(run_folder), *out, "--merge-base", "thin air"], "invalid choice"),
        ([str(run_folder), *out, "--context", "-1"], "--context is -1"),
        ([str(run_folder), *out, "--context", "999999"], "--context is 999999"),
    ):
        assert main(["bundle", *argv]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("hand_over", ["stack", "merge16"])
def test_runs_of_other_hand_overs_become_verified_bundles(hand_over: str, tmp_path: Path) -> None:
    run, out = make_run(tmp_path, hand_over=hand_over), tmp_path / "mine"
    assert main(["bundle", str(run), "--out", str(out), "--quant", "q8_0", "--prompts", "4"]) == 0
    assert main(["verify", str(out), "--against", str(run), "--prompts", "4"]) == 0


def test_a_finished_part_is_reused_under_looser_limits_only(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["bundle", str(run_folder), "--out", str(tmp_path / "mine"), *QUICK[2:], "--quant", "q8_0"]
    for limit, again in (("0.02", True), ("0.5", False), ("1e-9", True)):
        stop_after("planner", monkeypatch)
        capsys.readouterr()
        assert main([*argv, "--max-kl", limit]) in (1, 130)
        assert ("planner: adding" in capsys.readouterr().err) == again


def test_a_part_made_again_leaves_no_file_of_its_first_type(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine"
    argv = ["bundle", str(run_folder), "--out", str(out), *QUICK[2:], "--quant", "f16", "--quant"]
    undo = stop_after("planner", monkeypatch)
    assert main([*argv, "planner=q8_0"]) == 130
    made = json.loads((tmp_path / ".mine.part" / "planner.json").read_text())["metrics"]
    assert made["file"] == "planner-q8_0.gguf"
    undo()
    assert main([*argv, "planner=auto", "--max-kl", str(made["quantized"]["kl"] / 2)]) == 0
    assert sorted(files(out)) == ["caller-f16.gguf", "planner-f16.gguf", "summarizer-f16.gguf"]
    made = {file.file for file in load_bundle(out).roles.values()}
    assert sorted(made) == sorted(files(out))


def test_a_role_without_a_held_out_turn_is_compared_on_a_greeting_and_says_so(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    (copy / "heldout.jsonl").write_text("")
    assert main(["bundle", str(copy), "--out", str(tmp_path / "mine"), *QUICK]) == 0
    assert (
        "caller: no held-out turn of it fits, so files are compared on a greeting" in capsys.readouterr().err
    )
    assert "compared on a greeting only" in (tmp_path / "mine" / "README.md").read_text()


def test_a_bundle_that_cannot_be_moved_leaves_the_old_one(
    run_folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "mine"))
    before = files(out)
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name == "bundle":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    assert main(["bundle", str(run_folder), "--out", str(out), *QUICK]) == 1
    assert files(out) == before
    assert load_bundle(out).name == "whole"
