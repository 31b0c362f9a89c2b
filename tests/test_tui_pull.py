"""`umi models pull`, `remove` and `list`, and that nothing else of the command goes near the network."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub import REPO, Hub, made_bundle

from agent.bundle.store import find_bundle, partial_folder, select_bundle
from agent.paths import SHIPPED, config_path
from tui.cli.main import main

ROOT = Path(__file__).parent.parent

WATCHED = """
import sys
def refuse(event, arguments):
    connects = event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
    if connects or (event == "socket.__new__" and arguments[1] in (2, 10)):  # AF_INET, AF_INET6
        raise AssertionError(f"the network was used: {event} {arguments}")
sys.addaudithook(refuse)
"""
CLIENTS = ("huggingface_hub", "httpx2", "httpx", "hf_xet", "requests", "urllib3", "aiohttp")

ASK = f"""{WATCHED}
from tui.cli.main import main
import agent.llama.speed.probe as probe
probe._measure = lambda folder, kind, threads: probe.Rates(0.0, 1e-10, 0.0, 1e-10)
code = max(main(line.split("|")) for line in sys.argv[1:])
print(code, *[name for name in {CLIENTS} if name in sys.modules], file=sys.stderr)
"""
APP = f"""{WATCHED}
import asyncio
from pathlib import Path
from tui.app.app import UmiApp
from tui.setup import Options, open_agent
from tui.app.transcript.blocks import PlainAnswerBlock
from tui.app.question_input import QuestionInput
from tui.app.status_line import StatusLine
from textual.widgets import DataTable
import agent.llama.speed.probe as probe
probe._measure = lambda folder, kind, threads: probe.Rates(0.0, 1e-10, 0.0, 1e-10)
async def until(pilot, true):
    for _ in range(1200):
        if true():
            return
        await pilot.pause(0.025)
    raise AssertionError("it did not happen")
async def run():
    app = UmiApp(lambda: open_agent(Options(workspace=Path(sys.argv[1]))))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.query_one(StatusLine).state == "ready")
        app.query_one(QuestionInput).insert("what is 12 * 12?")
        await pilot.press("enter")
        await until(pilot, lambda: any("144" in block.text for block in app.query(PlainAnswerBlock)))
        app.query_one(QuestionInput).insert("/model")
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.screen.query(DataTable)))
        await until(pilot, lambda: app.screen.query_one(DataTable).row_count > 5)
        await pilot.press("escape")
    app.opened.close()
asyncio.run(run())
print(0, *[name for name in {CLIENTS} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture
def own(umi_home: Path) -> Path:
    """A bundle named `small` among the user's."""
    return made_bundle(umi_home / "models" / "small").folder


def refused(argv: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """The one line on stderr of a command that must fail."""
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err.strip()


def test_pull_list_use_and_remove(hub: Hub, umi_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", REPO, "--name", "mine"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{umi_home / 'models' / 'mine'}: merged, 900.0 kB, licence MIT\n"
    assert "  caller.gguf  300.0 kB\n" in err
    assert "\x1b" not in err  # no live line where there is no terminal
    assert "run it with: umi models use mine" in err
    assert main(["models", "list"]) == 0
    assert "  mine      " in capsys.readouterr().out
    assert main(["models", "verify", "mine"]) == 0
    assert main(["models", "use", "mine"]) == 0
    capsys.readouterr()
    assert main(["models", "remove", "mine", "--yes"]) == 0
    assert "removed mine (90" in (output := capsys.readouterr().out)
    assert "from now on umi runs umi-mini, the models it ships" in output
    assert find_bundle() == SHIPPED
    assert list((umi_home / "models").iterdir()) == []


def test_pull_fails_in_one_line(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert "hf auth login" in refused(["models", "pull", "someone/nothing"], capsys)
    assert "OWNER/NAME" in refused(["models", "pull", "small"], capsys)
    hub.statuses.append((REPO, 503))
    assert "the hub answered 503" in refused(["models", "pull", REPO], capsys, code=1)


def test_control_characters_of_a_repository_are_escaped(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.repositories[REPO].files = {"\x1b[2J\x07evil\n.gguf": b"GGUF"}
    line = refused(["models", "pull", REPO], capsys)
    assert "\x1b" not in line
    assert "\\x1b[2J\\x07evil" in line


def test_remove_asks(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is nobody to ask; add --yes" in refused(["models", "remove", "small"], capsys)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, code in (("\n", 130), ("no\n", 130), ("", 130), ("y\n", 0)):
        assert own.exists()
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert main(["models", "remove", "small"]) == code
        assert f"remove {own} (90" in capsys.readouterr().err
    assert not own.exists()
    assert not config_path().exists()


@pytest.mark.parametrize(
    "name", ["umi-mini", "../outside", "/tmp", ".", "..", "", "outside", "notes", "smal"]
)
def test_bundles_that_cannot_be_removed(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = made_bundle(tmp_path / "outside").folder
    (own.parent / "notes").mkdir()
    (own.parent / "outside").symlink_to(outside)
    monkeypatch.chdir(own)
    before = sorted(tmp_path.rglob("*"))
    refused(["models", "remove", name, "--yes"], capsys)
    refused(["models", "remove", str(outside), "--yes"], capsys)
    refused(["models", "remove", str(SHIPPED), "--yes"], capsys)
    assert sorted(tmp_path.rglob("*")) == before
    assert (SHIPPED / "bundle.json").exists()


def test_a_link_is_for_its_maker_to_remove(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = made_bundle(tmp_path / "outside").folder
    (own.parent / "linked").symlink_to(outside)
    line = refused(["models", "remove", "linked", "--yes"], capsys)
    assert f"linked is a link to {outside}; remove the link yourself" in line


def test_a_name_among_the_models_comes_before_a_folder_here(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_bundle(tmp_path / "here" / "small")
    monkeypatch.chdir(tmp_path / "here")
    assert main(["models", "remove", "small", "--yes"]) == 0
    assert not own.exists()
    assert (tmp_path / "here" / "small" / "bundle.json").exists()


def test_removing_keeps_another_selected_bundle(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picked = made_bundle(tmp_path / "picked").folder
    select_bundle(str(picked))
    assert main(["models", "remove", "small", "--yes"]) == 0
    assert "from now on" not in capsys.readouterr().out
    assert find_bundle() == picked


def test_partial_files_of_an_interrupted_pull_can_be_removed(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.cut["caller.gguf"] = [100_000, 0, 0, 0]
    assert main(["models", "pull", REPO]) == 1
    assert partial_folder("small").exists()
    assert main(["models", "list"]) == 0
    assert "small" not in capsys.readouterr().out
    assert main(["models", "remove", "small", "--yes"]) == 0
    assert not partial_folder("small").exists()


def run_watched(program: str, folder: Path, *arguments: str) -> list[str]:
    """The exit code and the network clients in memory, after a program that may open no connection."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "UMI_HOME": str(folder / ".umi")},
    )
    assert done.returncode == 0, done.stderr
    return [*done.stdout.splitlines(), done.stderr.splitlines()[-1]]


def test_ask_neither_connects_nor_loads_a_client(tmp_path: Path) -> None:
    line = f"ask|--json|--workspace|{tmp_path}|what is 12 * 12?"
    *out, last = run_watched(ASK, tmp_path, line)
    assert "144" in json.loads(out[-1])["answer"]
    assert last == "0"


def test_the_app_neither_connects_nor_loads_a_client(tmp_path: Path) -> None:
    assert run_watched(APP, tmp_path, str(tmp_path)) == ["0"]


def test_other_commands_neither_connect_nor_load_a_client(tmp_path: Path) -> None:
    lines = ["models|list", "models|catalogue", "models|show", "config|show", "tools|list", "doctor"]
    assert run_watched(ASK, tmp_path, *lines)[-1] == "0"


def test_the_connection_check_detects_a_connection(tmp_path: Path) -> None:
    program = f"{WATCHED}\nimport socket\nsocket.create_connection(('127.0.0.1', 9))"
    with pytest.raises(AssertionError, match="the network was used"):
        run_watched(program, tmp_path)
