"""`umi export verify`: a bundle is checked against its report, or against its run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from fakes import run_export as main
from full_disk import full_disk
from tiny_base import make_run

from agent.bundle import Bundle, load_bundle
from agent.errors import UmiError
from agent.paths import sha256_of
from agent.transcript import ROLES
from export.quantize.quantize import AUTO_TYPES
from export.quantize.speed import Speed, fastest_first

PLAIN = ("--merge-base", "original", "--prompts", "4")
LOUD = {"learning_rate": 2e-2, "max_steps": 8}
ACCEPT = ("--max-kl", "9", "--max-drop", "1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("verify"))


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    out = run.parent / "mine"
    assert main(["bundle", str(run), "--out", str(out), "--quant", "q8_0", *PLAIN]) == 0
    return out


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    return make_run(folder, adapter="alora", planner=LOUD, caller=LOUD, summarizer=LOUD)


@pytest.fixture(scope="module")
def shared(shared_run: Path) -> Path:
    out = shared_run.parent / "mine"
    assert main(["bundle", str(shared_run), "--out", str(out), "--quant", "q8_0", *PLAIN]) == 0
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def exchange(folder: Path, change: Any) -> Bundle:
    """Change a bundle's manifest and make its hashes those of the files that are there."""
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    for role in manifest["roles"].values():
        for entry in (role, role["adapter"] or role):
            file = folder / entry["file"]
            entry |= {"sha256": sha256_of(file), "size": file.stat().st_size}
    path.write_text(json.dumps(manifest))
    return load_bundle(folder, verify=True)


def test_the_report_is_in_the_bundle(bundle: Path) -> None:
    report = load_bundle(bundle).metrics["export"]
    assert report["limits"] == {"kl": 0.02, "drop": 0.02}
    assert len(report["tokenizer"]["sha256"]) == 64
    for role in ROLES:
        found = report[role]
        assert (found["file"], found["type"]) == (f"{role}-q8_0.gguf", "q8_0")
        assert 0 < found["f32"]["prompts"] <= 4
        assert found["f32"]["agreed"] + found["f32"]["near_ties"] == found["f32"]["positions"]
        assert 0 < found["quantized"]["kl"] < 0.02
        assert found["quantized"]["kl"] <= found["quantized"]["largest_kl"]
        assert found["quantized"]["agreed"] <= found["quantized"]["positions"] == found["f32"]["positions"]
        assert found["quantized"]["scores"].keys() == found["quantized"]["full_scores"].keys()
        assert found["probe"]["agreed"] <= len(found["probe"]["text"].split()) <= 24
        assert found["tried"] == []
    # Held-out rows may be private.
    assert "add 3 and 2" not in (bundle / "bundle.json").read_text()


def test_a_bundle_is_verified_alone(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(bundle)
    assert main(["verify", str(bundle)]) == 0
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()] == list(ROLES)
    assert "nats a token" in output.out
    assert output.err.endswith("mine is verified; --against RUN compares with its run\n")
    assert main(["verify", str(bundle), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["roles"]["caller"]["problems"] == []
    assert contents(bundle) == before


def test_a_bundle_is_verified_against_its_run(
    run: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(bundle)
    argv = ["verify", str(bundle), "--against", str(run), "--prompts", "4", "--json"]
    assert main(argv) == 0
    value = json.loads(capsys.readouterr().out)
    report = load_bundle(bundle).metrics["export"]
    for role in ROLES:
        assert value["roles"][role]["f32"]["positions"] == report[role]["f32"]["positions"]
        assert value["roles"][role]["quantized"]["kl"] == pytest.approx(
            report[role]["quantized"]["kl"], rel=0.05, abs=1e-7
        )
    assert contents(bundle) == before


def test_a_shared_bundle_is_verified(
    shared_run: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(shared)]) == 0
    assert main(["verify", str(shared), "--against", str(shared_run), "--prompts", "4"]) == 0
    assert "planner-adapter-f32.gguf" in capsys.readouterr().out


def test_one_model_for_all_roles_is_verified(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("single")
    run = make_run(folder, method="multi-task")
    out = folder / "one"
    assert main(["bundle", str(run), "--out", str(out), "--quant", "q8_0", *PLAIN]) == 0
    bundle = load_bundle(out)
    assert {file.file for file in bundle.roles.values()} == {"backbone-q8_0.gguf"}
    assert set(ROLES) < bundle.metrics["export"].keys()
    assert main(["verify", str(out), "--against", str(run), "--prompts", "4"]) == 0
    assert capsys.readouterr().out.count("backbone-q8_0.gguf") == 3


def test_a_file_with_other_weights_is_detected(
    run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hashes and metadata alone cannot tell: the manifest names what is there."""
    copy = Path(shutil.copytree(bundle, tmp_path / "mine"))
    reader = gguf.GGUFReader(copy / "summarizer-q8_0.gguf", "r+")
    tensor = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    tensor.data[:] = np.roll(tensor.data, 1, axis=0)
    del reader, tensor
    exchange(copy, lambda manifest: None)
    assert main(["verify", str(copy), "--against", str(run), "--prompts", "4"]) == 1
    output = capsys.readouterr()
    last = output.err.splitlines()[-1]
    assert last.startswith("umi: mine is not verified: summarizer-q8_0.gguf has a KL divergence of")
    assert last.endswith("; export it with --quant f16")
    assert "summarizer-q8_0.gguf has a KL divergence of" in output.out.splitlines()[2]
    assert main(["verify", str(copy)]) == 1


def test_an_adapter_of_another_role_is_detected(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(shared, tmp_path / "mine"))
    shutil.copy(copy / "planner-adapter-f32.gguf", copy / "caller-adapter-f32.gguf")
    exchange(copy, lambda manifest: None)
    assert main(["verify", str(copy)]) == 1
    assert "caller-adapter-f32.gguf answers as its model on" in capsys.readouterr().err


def test_a_tokenizer_of_another_base_is_detected(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "mine"))

    def other(manifest: dict[str, Any]) -> None:
        manifest["metrics"]["export"]["tokenizer"]["sha256"] = "0" * 64

    exchange(copy, other)
    assert main(["verify", str(copy)]) == 1
    assert (
        "planner-q8_0.gguf cuts the hard texts otherwise than its base (and 2 more)"
        in capsys.readouterr().err
    )


def test_too_much_loss_makes_no_bundle_and_names_the_next_finer_type(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    argv = ["bundle", str(run), "--out", str(out), "--quant", "iq4_xs", "--imatrix", "none", *PLAIN]
    assert main([*argv, "--max-kl", "1e-7"]) == UmiError.exit_code
    last = capsys.readouterr().err.splitlines()[-1]
    assert "planner-iq4_xs.gguf has a KL divergence of" in last
    assert "over 1e-07" in last
    assert "give --quant planner=q4_k_m, or accept it with --max-kl " in last
    assert list(tmp_path.iterdir()) == []
    limit = last.rsplit(" ", 1)[1]
    assert main([*argv, "--quant", "caller=f32", "--quant", "summarizer=f32", "--max-kl", limit]) == 0
    assert load_bundle(out).metrics["export"]["limits"]["kl"] == float(limit)
    capsys.readouterr()
    assert main(["verify", str(out), "--max-kl", "1e-7"]) == 1
    assert "planner-iq4_xs.gguf has a KL divergence" in capsys.readouterr().err


def test_auto_tries_types_by_their_speed_until_the_limits_are_met(
    run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fine"
    report = load_bundle(bundle).metrics["export"]
    limit = str(report["planner"]["quantized"]["kl"] / 2)
    argv = ["bundle", str(run), "--out", str(out), *PLAIN, "--max-kl", limit]
    assert main([*argv, "--quant", "caller=f16", "--quant", "summarizer=f16"]) == 0
    found = load_bundle(out).metrics["export"]["planner"]
    assert found["file"] == "planner-f16.gguf"
    assert [one["type"] for one in found["tried"]] == fastest_first(
        {kind: Speed(**speed) for kind, speed in found["speeds"].items()}
    )
    assert set(found["speeds"]) == set(AUTO_TYPES)
    assert all("a KL divergence of" in one["lost"] for one in found["tried"])
    assert "planner: q8_0 has a KL divergence of" in capsys.readouterr().err
    assert not (out / "planner-q8_0.gguf").exists()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda report: report.pop("caller"), "caller is missing"),
        (lambda report: report["caller"].update(quantized=7), "caller.quantized is 7, not an object"),
        (lambda report: report["caller"]["quantized"].update(kl="much"), "caller.quantized.kl is 'much'"),
        (lambda report: report["caller"]["probe"].update(text="1 2 x"), "caller.probe.text"),
        (lambda report: report["caller"]["probe"].update(text="9 " * 99999), "caller.probe.text"),
        (lambda report: report.update(limits=[]), "limits is [], not an object"),
        (lambda report: report["limits"].update(drop=-1), "--max-drop is -1"),
        (lambda report: report["planner"].update(file="caller-q8_0.gguf"), "planner.file cannot be"),
        (lambda report: report["caller"]["quantized"].update(agreed=10**30), "caller.quantized.agreed"),
        (lambda report: report["caller"]["quantized"].update(kl=-5), "caller.quantized.kl"),
        (lambda report: report["caller"]["quantized"].update(scores={"zzz": 1}), "caller.quantized.scores"),
        (lambda report: report["caller"].update(type="q0"), "caller.type"),
    ],
)
def test_a_damaged_report_is_one_line(
    change: Any, where: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "mine"))
    exchange(copy, lambda manifest: change(manifest["metrics"]["export"]))
    assert main(["verify", str(copy)]) == 2
    err = capsys.readouterr().err
    assert f"bundle.json is damaged: {where}" in err
    assert err.endswith("; export it again\n")
    assert err.count("\n") == 1


def test_a_probe_of_ids_that_are_no_tokens_is_one_line(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "mine"))
    exchange(
        copy, lambda manifest: manifest["metrics"]["export"]["caller"]["probe"].update(text="9999999999999 1")
    )
    assert main(["verify", str(copy)]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_files_are_loaded_in_a_child_first(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "mine"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert main(["verify", str(copy)]) == 2
    assert "planner-q8_0.gguf cannot be loaded: llama.cpp ended with code 1" in capsys.readouterr().err


def test_a_full_disk_is_one_line(
    run: Path,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with full_disk(50_000):
        code = main(["verify", str(bundle), "--against", str(run), "--prompts", "4"])
    assert code == 1
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir() if path.name != "umi-home"] == []


def test_comparisons_that_cannot_be_made_are_one_line(
    run: Path,
    bundle: Path,
    shared_run: Path,
    tmp_path: Path,
    tiny_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for code, argv, message in (
        (
            1,
            [str(tiny_bundle.folder)],
            "carries no report of its export; its files are whole; give --against",
        ),
        (2, [str(bundle), "--against", str(shared_run)], "makes a bundle that is shared"),
        (2, [str(bundle), "--against", str(tmp_path)], "is not a run folder"),
        (2, [str(bundle), "--prompts", "0"], "--prompts is 0"),
        (2, [str(tmp_path)], "is not a model bundle"),
    ):
        capsys.readouterr()
        assert main(["verify", *argv]) == code
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    cut = Path(shutil.copytree(bundle, tmp_path / "cut"))
    (cut / "caller-q8_0.gguf").write_bytes((cut / "caller-q8_0.gguf").read_bytes()[:-9])
    assert main(["verify", str(cut)]) == 2
    assert "caller-q8_0.gguf is truncated" in capsys.readouterr().err


def test_another_run_of_the_same_base_is_detected(
    run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(run, tmp_path / "run"))
    shutil.copy(other / "caller" / "adapter_model.safetensors", other / "planner")
    argv = ["verify", str(bundle), "--against", str(other), "--prompts", "4"]
    assert main(argv) == 2
    assert "planner/adapter_model.safetensors is not what the run trained" in capsys.readouterr().err
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["files"] = {}
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert main(argv) == 2
    message = f"planner-q8_0.gguf was made of other adapters than those of the planner in {other}"
    assert message in capsys.readouterr().err
