"""Pushing bundles and runs to a stand-in hub: what is uploaded, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import run_train as train_main
from hub import TOKEN, Hub, Repository, hub_in_use, made_bundle
from safetensors.numpy import save_file

from agent.bundle import load_bundle
from agent.bundle.download.pull import pull
from agent.errors import UmiError
from tui.cli.tree.root import run as run_command

ROOT = Path(__file__).parent.parent
STAGES = ("backbone", "planner", "caller", "summarizer")
REPO = "someone/new"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """An empty hub, where somebody is logged in."""
    with hub_in_use(monkeypatch, tmp_path) as hub:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle, and things beside it."""
    folder = made_bundle(tmp_path / "mine").folder
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    (folder / "Modelfile.caller").write_text("FROM ./caller.gguf\n")
    for name in ("heldout.jsonl", "notes.txt", "old.gguf", ".env"):
        (folder / name).write_text("mine alone")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run as `umi train glpft` leaves it, and things beside it."""
    folder = tmp_path / "run"
    about = {"format": 1, "prompt_version": 1, "recipe": {"base": "runs/base"}, "inputs": {}}
    for stage in STAGES:
        (folder / stage).mkdir(parents=True)
        save_file(
            {"a.lora_A.weight": np.ones((4, 64), np.float32)}, folder / stage / "adapter_model.safetensors"
        )
        (folder / stage / "adapter_config.json").write_text('{"r": 4}')
        (folder / stage / "stage.json").write_text('{"steps": 1}')
        (folder / stage / "optimizer.pt").write_text("mine alone")
    (folder / "recipe.json").write_text(json.dumps(about))
    (folder / "manifest.json").write_text(json.dumps({**about, "stages": {stage: {} for stage in STAGES}}))
    (folder / "README.md").write_text("# Run\n")
    for name in ("heldout.jsonl", "train.jsonl", "metrics.jsonl"):
        (folder / name).write_text("mine alone")
    for name in ("checkpoints/caller.pt", "merged_base/model.safetensors", "tensorboard/events"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("mine alone")
    return folder


def push_bundle(argv: list[str]) -> int:
    """Run `umi export push`. Raises UmiError for what it refuses."""
    return run_command(["export", "push", *argv])


def push_run(argv: list[str]) -> int:
    """Run `umi train push`. Raises UmiError for what it refuses."""
    return run_command(["train", "push", *argv])


def refusal(push: Callable[[list[str]], int], *argv: object) -> str:
    """The one line of a push that must fail."""
    with pytest.raises(UmiError) as caught:
        push([str(argument) for argument in argv])
    assert caught.value.hint
    return str(caught.value)


def test_a_bundle_arrives_and_comes_back(
    hub: Hub, bundle: Path, umi_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push_bundle([str(bundle), REPO]) == 0
    out, err = capsys.readouterr()
    assert out == f"{hub.address}/{REPO}\n"
    assert f"to {hub.address}/{REPO}:\n" in err
    assert "  caller.gguf  0.30 MB\n" in err
    assert "  6 files, 0.90 MB\n" in err
    sent = hub.repositories[REPO].files
    names = {"bundle.json", "README.md", "Modelfile.caller", "planner.gguf", "caller.gguf", "summarizer.gguf"}
    assert sent == {name: (bundle / name).read_bytes() for name in names}
    assert len(hub.asked("/commit/", "POST")) == 1
    pulled = pull(REPO, None, lambda *_: None)
    assert load_bundle(pulled.folder, verify=True).roles == load_bundle(bundle).roles


def test_a_private_upload_never_becomes_public(hub: Hub, bundle: Path) -> None:
    assert push_bundle([str(bundle), REPO, "--private"]) == 0
    assert hub.repositories[REPO].private
    assert push_bundle([str(bundle), REPO, "--private"]) == 0
    hub.repositories["someone/open"] = Repository()
    hub.requests.clear()
    assert "someone/open exists and is public" in refusal(push_bundle, bundle, "someone/open", "--private")
    assert hub.repositories["someone/open"].files == {}
    assert {request.method for request in hub.requests} == {"GET"}


def test_an_upload_that_broke_off_does_not_send_finished_files_again(hub: Hub, bundle: Path) -> None:
    hub.statuses.append(("/commit/main", 500))
    assert "the hub answered 500; wait a little and give the same" in refusal(push_bundle, bundle, REPO)
    assert hub.repositories[REPO].files == {}
    assert len(hub.asked("", "PUT")) == 3
    assert push_bundle([str(bundle), REPO]) == 0
    assert len(hub.asked("", "PUT")) == 3
    assert len(hub.repositories[REPO].files) == 6


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "bundle.json").unlink(), "has no bundle.json"),
        (lambda folder: (folder / "caller.gguf").unlink(), "caller.gguf is missing"),
        (lambda folder: (folder / "caller.gguf").write_bytes(b"GGUF"), "caller.gguf is truncated"),
        (
            lambda folder: (folder / "caller.gguf").write_bytes(b"GGUF" + bytes(299_996)),
            "caller.gguf is damaged",
        ),
        (shutil.rmtree, "mine does not exist"),
    ],
)
def test_a_bundle_that_is_not_whole_is_refused_before_the_hub_is_asked(
    hub: Hub, bundle: Path, harm: Callable[[Path], object], message: str
) -> None:
    harm(bundle)
    assert message in refusal(push_bundle, bundle, REPO)
    assert not hub.requests


def test_a_run_arrives_without_its_data(hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_main(["push", str(run), REPO, "--private"]) == 0
    sent = hub.repositories[REPO].files
    of_stages = {
        f"{stage}/{name}"
        for stage in STAGES
        for name in ("adapter_config.json", "adapter_model.safetensors", "stage.json")
    }
    assert set(sent) == {"README.md", "recipe.json", "manifest.json"} | of_stages
    assert sent["caller/adapter_model.safetensors"] == (run / "caller/adapter_model.safetensors").read_bytes()
    assert not any(b"mine alone" in data for data in [*sent.values(), *hub.storage.values()])
    assert "  caller/adapter_model.safetensors  0.00 MB\n" in capsys.readouterr().err


def test_a_run_without_a_card(hub: Hub, run: Path) -> None:
    (run / "README.md").unlink()
    assert push_run([str(run), REPO]) == 0
    assert "README.md" not in hub.repositories[REPO].files


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda run: (run / "recipe.json").unlink(), "is not a run folder"),
        (lambda run: (run / "manifest.json").unlink(), "is not finished; go on with: umi train glpft RECIPE"),
        (lambda run: (run / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda run: (run / "manifest.json").write_text("[]"), "manifest.json is damaged"),
        (
            lambda run: (run / "manifest.json").write_text('{"format": 1, "stages": {"../x": {}}}'),
            "has format 1 and the stages ../x",
        ),
        (
            lambda run: (run / "manifest.json").write_text('{"format": 9, "stages": {"caller": {}}}'),
            "has format 9",
        ),
        (lambda run: shutil.rmtree(run / "caller"), "caller/adapter_config.json is missing; train it again"),
        (lambda run: (run / "caller/stage.json").write_text("{"), "caller/stage.json is damaged"),
        (
            lambda run: os.truncate(run / "planner/adapter_model.safetensors", 700),
            "planner/adapter_model.safetensors is damaged",
        ),
        (
            lambda run: (run / "planner/adapter_model.safetensors").unlink(),
            "is missing; train it again: umi train run RECIPE --only planner --again",
        ),
    ],
)
def test_a_run_that_is_not_whole_is_refused_before_the_hub_is_asked(
    hub: Hub, run: Path, harm: Callable[[Path], object], message: str
) -> None:
    harm(run)
    assert message in refusal(push_run, run, REPO)
    assert not hub.requests


def test_without_a_token_no_request_is_sent(hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert "needs a token of the hub; log in with: hf auth login" in refusal(push_bundle, bundle, REPO)
    assert not hub.requests


def test_a_token_without_access_is_refused(hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.statuses.append(("/api/repos/create", 403))
    assert "your token does not allow that; log in with one" in refusal(push_bundle, bundle, REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_outdated")
    assert "log in with another token: hf auth login" in refusal(push_bundle, bundle, REPO)
    assert not hub.repositories


def test_invalid_names_and_an_unreachable_hub_are_reported(
    hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "give it as OWNER/NAME" in refusal(push_bundle, bundle, "mine")
    assert "give it as OWNER/NAME" in refusal(push_bundle, bundle, "me/mine@main")
    assert not hub.requests
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in refusal(push_bundle, bundle, REPO)


def test_a_push_connects_to_the_hub_only(hub: Hub, bundle: Path, tmp_path: Path) -> None:
    """With huggingface-hub's own settings, which it reads when it is imported: no telemetry, one address."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from tui.cli.main import main; main(['export', 'push', *sys.argv[1:]])",
            str(bundle),
            REPO,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "hf")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{hub.address}/{REPO}\n"
    assert len(hub.repositories[REPO].files) == 6
    assert not hub.asked("agent-harnesses")
