"""The `umi` command around the agent: bad input in one line, listings, the doctor, what `--help` imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

import agent.setup
from agent.bundle import write_bundle
from agent.engine import ScriptedEngine
from tui.cli.main import main
from tui.installation import EXTRAS

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folders, empty, and a fresh working folder."""
    home = tmp_path / "home"
    monkeypatch.setenv("UMI_HOME", str(home))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return home


@pytest.fixture
def bundle(home: Path) -> Path:
    """A bundle named `small` whose files have the right form and hold no model."""
    folder = home / "models" / "small"
    folder.mkdir(parents=True)
    for role in ("planner", "caller", "summarizer"):
        (folder / f"{role}.gguf").write_bytes(b"GGUF" + role.encode() * 100)
    write_bundle(
        folder,
        name="small",
        context_length=2048,
        files={"planner": "planner.gguf", "caller": "caller.gguf", "summarizer": "summarizer.gguf"},
        license="Apache-2.0",
        metrics={"questions": 0.9},
    )
    return folder


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr of a command that must exit with 2."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith("umi: ")
    assert "Traceback" not in err
    return err.strip()


@pytest.mark.parametrize(
    ("argv", "thing", "step"),
    [
        (["ask"], "the question is empty", "umi ask"),
        (["ask", "  "], "the question is empty", "umi ask"),
        (["ask", "hi", "--jsn"], "no option --jsn", "did you mean --json?"),
        (["ask", "-5 + 3"], "no option -5", "put --"),
        (["ask", "hi", "--max-steps", "0"], "the step limit is 0", "at least 1"),
        (["ask", "hi", "--max-steps", "many"], "--max-steps", "umi ask --help"),
        (["ask", "hi", "--models"], "--models", "umi ask --help"),
        (["ask", "hi", "--models", "no/such/folder"], "no/such/folder", "umi models list"),
        (["ask", "hi", "--workspace", "no/such/folder"], "no/such/folder does not exist", "--workspace"),
        (["ask", "hi", "--tools", "calculat"], "'calculat'", "did you mean calculate?"),
        (["ask", "hi", "--tools", ","], "--tools", "--tools calculate"),
        (["akk"], "'akk'", "umi ask"),
        (["what is 2+2?"], "'what is 2+2?'", 'umi ask "what is 2+2?"'),
        (["--xyzzy"], "--xyzzy", "umi --help"),
        (["--models", "x", "ask", "hi"], "before ask", "umi ask …"),
        (["tools"], "missing command", "umi tools --help"),
        (["tools", "show"], "missing argument", "umi tools show --help"),
        (["tools", "show", "read_fil"], "'read_fil'", "did you mean read_file?"),
        (["models", "show", "nothing"], "nothing", "umi models list"),
        (["models", "use", "nothing"], "nothing", "umi models list"),
        (["models", "show", "x" * 300], "x" * 300, "umi models list"),
        (["ask", "hi", "--models", "~nobody-at-all"], "~nobody-at-all", "umi models list"),
        (["ask", "hi", "--workspace", "~nobody-at-all"], "~nobody-at-all does not exist", "--workspace"),
        (["train"], "command", "umi train --help"),
        (["train", "walk"], "'walk'", "umi train --help"),
        (["train", "glptf"], "'glptf'", "did you mean `umi train glpft`?"),
        (["train", "run", "r.toml", "--onyl", "caller"], "no option --onyl", "did you mean --only?"),
        (
            ["train", "run", "r.toml", "--only", "caler"],
            "--only: invalid choice: 'caler'",
            "did you mean caller?",
        ),
        (["train", "run", "r.toml", "--only", "x"], "invalid choice: 'x'", "choose one of backbone, planner"),
        (["train", "data", "chek"], "'chek'", "did you mean `umi train data check`?"),
        (["train", "data", "check", "x", "--agains", "y"], "no option --agains", "did you mean --against?"),
        (["train", "data", "check", "x", "--against"], "--against", "see `umi train data check --help`"),
        (["train", "bench", "memry"], "'memry'", "did you mean `umi train bench memory`?"),
        (["export", "--jsn"], "umi export has no option --jsn", "--help"),
        (["export", "bundel"], "'bundel'", "did you mean `umi export bundle`?"),
        (["export", "bundle", "run"], "missing option '--out'", "umi export bundle --help"),
        (["export", "verify", "b", "--promts", "3"], "no option --promts", "did you mean --prompts?"),
        (["train", "data", "make", "--out", "x", "--count", "0"], "--count is 0", "at least 1"),
        (["train", "data", "make", "--out", "/dev/null/x", "--count", "1"], "/dev/null/x", "another file"),
        (["eval", "no/such/file"], "no/such/file", "schema-1 rows"),
        (["eval", "--limit", "3", "no/such/file"], "no/such/file", "schema-1 rows"),
        (["eval", "suite", "no/such/file"], "no/such/file", "schema-1 rows"),
        (["eval", "suit"], "'suit'", "did you mean `umi eval suite`?"),
        (["eval", "rows.jsonl", "--limt", "3"], "no option --limt", "did you mean --limit?"),
    ],
)
def test_bad_input_is_one_line_that_names_the_thing_and_the_step(
    argv: list[str], thing: str, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(argv, capsys)
    assert thing in line
    assert step in line


def test_a_workspace_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert "is not a folder" in refused(["ask", "hi", "--workspace", str(tmp_path / "file")], capsys)


def test_a_suite_that_is_no_text_or_no_rows_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data, message in (
        (b"\xff\xfe", "line 1 is not UTF-8"),
        (b'["a"]\n', "line 1: the line is not a JSON object"),
        (
            b'{"schema":1,"id":"","source":"","split":"test","tools":[],"turns":["a"]}',
            "turns[0] is 'a', not an object",
        ),
    ):
        (tmp_path / "suite.jsonl").write_bytes(data)
        assert message in refused(["eval", str(tmp_path / "suite.jsonl")], capsys)


def damage(folder: Path, how: str) -> None:
    """Spoil a bundle in one way."""
    file, manifest = folder / "caller.gguf", folder / "bundle.json"
    match how:
        case "truncated":
            file.write_bytes(file.read_bytes()[:-9])
        case "sha256":
            file.write_bytes(file.read_bytes()[:-1] + b"?")
        case "missing":
            file.unlink()
        case "prompt version":
            manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"prompt_version": 999}))
        case "not JSON":
            manifest.write_text("{")


@pytest.mark.parametrize("how", ["truncated", "sha256", "missing", "prompt version", "not JSON"])
@pytest.mark.parametrize("command", [["ask", "hi", "--models"], ["models", "verify"], ["models", "use"]])
def test_a_damaged_bundle_is_named_with_the_next_step(
    bundle: Path, how: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(bundle, how)
    line = refused([*command, "small"], capsys)
    assert how in line
    assert "umi" in line.partition("; ")[2]


def test_models_are_listed_shown_verified_and_picked(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "verify", "small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "planner.gguf"],
        ["ok", "caller.gguf"],
        ["ok", "summarizer.gguf"],
    ]
    assert main(["models", "show", str(bundle)]) == 0
    shown = capsys.readouterr().out
    for part in ("small", "2048 tokens", "Apache-2.0", "planner.gguf", "questions=0.9"):
        assert part in shown
    assert main(["models", "show", str(bundle), "--all"]) == 0
    assert '"questions": 0.9' in capsys.readouterr().out
    assert main(["models", "show", "umi-mini"]) == 0
    assert len(capsys.readouterr().out.splitlines()) <= 24
    assert main(["models", "list"]) == 0
    assert "* umi-mini" in capsys.readouterr().out
    assert main(["models", "use", "small"]) == 0
    assert main(["models", "list"]) == 0
    assert "* small" in capsys.readouterr().out


def test_tools_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "list"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.endswith("(off)")]
    assert len(lines) == 14
    assert [line.split()[0] for line in lines if line.split()[1] == "write"] == ["write_file"]
    assert main(["tools", "show", "write_file"]) == 0
    shown = capsys.readouterr().out
    assert "asks first" in shown
    assert json.loads(shown.partition("\n\n")[2])["required"] == ["path", "content"]


def test_the_doctor_reports_ok_or_the_next_step(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine([])
    engine.threads = 1  # type: ignore[attr-defined]
    monkeypatch.setattr(agent.setup, "open_engine", lambda bundle, **options: engine)
    monkeypatch.setattr("tui.cli.doctor.REQUIRED", ("textual",))
    assert main(["models", "use", "small"]) == 0
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "ok"
    assert str(bundle) in out
    damage(bundle, "truncated")
    assert main(["doctor"]) == 1
    todo = capsys.readouterr().out.partition("to do:\n")[2].splitlines()
    assert len(todo) == 1
    assert "caller.gguf is truncated" in todo[0]


def test_the_doctor_knows_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"]) - {"bench", "dev"}


@pytest.mark.parametrize("argv", [["train", "run", "recipe.toml"], ["export", "bundle", "run", "--out", "x"]])
def test_an_extra_that_is_missing_is_named(argv: list[str]) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"from tui.cli.main import main; sys.exit(main({argv!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"umi: `umi {argv[0]}` needs torch, which is not installed; pip install 'umi-agent[{argv[0]}]'"
    ]


def test_the_train_commands_take_typed_arguments_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = types.ModuleType("train.commands")
    given: list[tuple[object, ...]] = []

    def take(recipe: Path, overrides: list[str], say: object, **options: object) -> int:
        given.append((recipe, overrides, options))
        return 7

    commands.train_recipe = take  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "train.commands", commands)
    assert main(["train", "run", "recipe.toml", "lr=2e-4", "--only", "caller", "--again", "seed=3"]) == 7
    assert main(["train", "glpft", "--plan", "--json", "recipe.toml"]) == 7
    plain = {"only": None, "again": False, "tensorboard": False, "plan_only": False, "as_json": False}
    assert given == [
        (Path("recipe.toml"), ["lr=2e-4", "seed=3"], plain | {"only": "caller", "again": True}),
        (Path("recipe.toml"), [], plain | {"plan_only": True, "as_json": True}),
    ]


@pytest.mark.parametrize("extra", ["train", "export"])
def test_ctrl_c_prints_how_to_resume(
    extra: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("train.data.make.make", interrupted)
    monkeypatch.setattr("export.push.push", interrupted)
    argv = {"train": ["train", "data", "make", "--out", "x"], "export": ["export", "push", "x", "a/b"]}[extra]
    assert main(argv) == 130
    assert capsys.readouterr().err == "umi: stopped; give the same command again to finish\n"


def test_an_internal_error_is_one_line_and_exits_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("agent.tool_sources.available_tools", broken)
    assert main(["tools", "list"]) == 1
    err = capsys.readouterr().err
    assert err.splitlines() == [err.strip()]
    assert "ZeroDivisionError: by zero" in err


def umi(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`umi` as a process of its own, away from any terminal."""
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-m", "tui", *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_without_a_terminal_the_chat_points_to_ask() -> None:
    done = umi()
    assert done.returncode == 2
    assert done.stderr == 'umi: the chat needs a terminal; ask one question with `umi ask "…"`\n'
    assert done.stdout == ""


def test_bad_usage_in_a_process_is_one_line() -> None:
    done = umi("ask", "hi", "--max-stepz", "3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "umi: umi ask has no option --max-stepz; did you mean --max-steps?\n"


def test_help_and_version_need_nothing() -> None:
    done = umi("--help")
    assert done.returncode == 0
    for command in ("ask", "doctor", "models", "tools", "train", "export"):
        assert f"  {command} " in done.stdout
    assert umi("--version").stdout.startswith("umi ")


def test_a_log_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "umi.log"
    assert umi("tools", "list", UMI_LOG=str(log)).returncode == 0
    assert log.exists()
    assert "UMI_LOG" in umi("tools", "list", UMI_LOG=str(tmp_path / "no" / "umi.log")).stderr


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, tui.cli.main, tui.cli.tree.root;"
        "print([m for m in ('textual', 'llama_cpp', 'torch', 'transformers', 'pydantic', 'numpy')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
