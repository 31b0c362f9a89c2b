"""llama-server as a system of `umi bench`, over a stand-in for the package that has it."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import fake_xllamacpp
import pytest
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf

from agent.bundle import Bundle
from agent.bundle.assemble import assemble
from agent.errors import EngineError
from agent.evaluation.trace import TRACE, generated_turns
from agent.events import Usage
from agent.prompting import segments
from agent.transcript import ROLES, Role
from tui.bench.systems import llama_server
from tui.bench.systems.llama_server import LlamaServer, ServerProcess, forcing_grammar, server_python
from tui.bench.trace import command, worker
from tui.bench.trace.command import median_of
from tui.bench.trace.job import Job
from tui.bench.trace.process import processor_seconds, resident_mb
from tui.cli.main import main

TURNS = list(generated_turns(TRACE))[:3]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose Python has the stand-in."""
    folder = tmp_path / "venv-server"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(fake_xllamacpp.__file__, folder / "xllamacpp.py")
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(llama_server, "ENVIRONMENT", folder)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("server")
    backbone = write_tiny_gguf(folder / "b.gguf", seed=7)
    adapters: dict[Role, Path] = {
        role: write_tiny_adapter(folder / f"{role}.gguf", header_ids(backbone, role), seed=seed)
        for seed, role in enumerate(ROLES)
    }
    return assemble(folder / "small", adapters, backbone=backbone)


def write_turns(bundle: Bundle, states: Path, **options: Any) -> list[Usage]:
    """Let a server write the first turns of the trace; `states` holds what it is asked."""
    python = server_python()
    assert python
    process = ServerProcess(python, states / "server.log")
    server = LlamaServer(process, bundle, 1, states, **options)
    firsts: list[None] = []
    try:
        assert (resident_mb(process.pid) or 0) > 1
        assert (processor_seconds(process.pid) or 0) > 0
        if not list(states.glob("*.state")):
            server.save_tools(TRACE)
        return [server.write(turn, lambda: firsts.append(None)) for turn in TURNS]
    finally:
        server.close()
        assert len(firsts) == len(TURNS)


def requests(states: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (states / "requests.jsonl").read_text().splitlines()]


def test_one_model_writes_the_trace_and_reads_no_token_twice(
    environment: Path, shared: Bundle, tmp_path: Path
) -> None:
    states = tmp_path / "states"
    states.mkdir()
    cold = write_turns(shared, states)
    tools = len(next(iter(segments(TRACE))).content.encode())
    # Tokens are bytes: the tools were read before the first turn, which everything else follows.
    assert cold[0].prompt_reused > tools > cold[0].prompt_evaluated
    for usage, turn, before in zip(cold[1:], TURNS[1:], cold, strict=False):
        assert usage.generated == len(turn.text.encode())
        assert usage.prompt_reused == before.prompt_evaluated + before.prompt_reused + before.generated
    assert (cold[0].read_seconds, cold[0].write_seconds) == (0.002, 0.003)
    completions = [request for request in requests(states) if request["path"] == "/completion"]
    assert bytes(completions[1]["prompt"]).decode().endswith("<|im_end|>\n<|im_start|>planner\n")
    assert {request["id_slot"] for request in completions} == {0}

    warm = write_turns(shared, states, speculation=("NGRAM_SIMPLE",))
    assert [usage.prompt_evaluated for usage in warm] == [usage.prompt_evaluated for usage in cold]


def test_roles_have_a_slot_and_an_adapter_each(environment: Path, shared: Bundle, tmp_path: Path) -> None:
    write_turns(shared, tmp_path, adapted=True)
    completions = [request for request in requests(tmp_path) if request["path"] == "/completion"]
    on = [[entry["scale"] for entry in request["lora"]] for request in completions]
    planner, caller = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    assert on == [[0.0] * 3, planner, caller, planner]
    assert [request["id_slot"] for request in completions] == [0, 0, 1, 0]
    write_turns(shared, tmp_path, adapted=True)
    restored = [request["path"] for request in requests(tmp_path) if "restore" in request["path"]]
    assert restored == [f"/slots/{slot}?action=restore" for slot in range(3)]


def test_a_server_that_cannot_load_or_answer_is_named(
    environment: Path, shared: Bundle, tmp_path: Path
) -> None:
    python = server_python()
    assert python
    process = ServerProcess(python, tmp_path / "log")
    with pytest.raises(EngineError, match="llama-server does not start: ValueError: no model /nowhere"):
        process.load(
            model="/nowhere", adapters=[], context_length=9, threads=1, speculation=[], states=f"{tmp_path}/"
        )
    (environment / "xllamacpp.py").unlink()
    with pytest.raises(EngineError, match="No module named 'xllamacpp'; make it again: make bench-server"):
        ServerProcess(python, tmp_path / "log")


def test_a_process_of_the_bench_measures_a_server(environment: Path, shared: Bundle, tmp_path: Path) -> None:
    job = Job("fill_server_roles", str(shared.folder), str(tmp_path), threads=1)
    assert worker.TASKS[job.task](job) == {}
    figures = worker.TASKS["llama_server_roles"](job)
    assert figures["roles"].keys() == set(ROLES)
    assert figures["prompt_tokens"] == sum(row["evaluated"] for row in figures["roles"].values())
    assert figures["resident_mb"] > 1
    assert figures["seconds"] > figures["load_seconds"] > 0


def test_without_an_environment_the_bench_says_how_to_make_one(
    shared: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(llama_server, "ENVIRONMENT", tmp_path)
    argv = ["bench", "--models", str(shared.folder), "--systems", "llama_server"]
    assert main(argv) == 2
    assert "make bench-server" in capsys.readouterr().err


def test_systems_take_turns_and_figures_are_medians(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    prepared = {"threads": 1, "context_length": 64, "vocabulary": 9, "tokens": {}}

    def run_task(self: Any, task: str, home: Path | None = None) -> dict[str, Any]:
        ran.append(task)
        return (
            prepared if task == "prepare" else {"seconds": float(len(ran)), "prompt_tokens": 7, "none": None}
        )

    monkeypatch.setattr(command._BenchRun, "_run_task", run_task)
    result = command._BenchRun(tiny_bundle, tmp_path, 1).run(["plain", "merged"], 3)
    assert ran == ["prepare", "plain", "merged", "merged", "plain", "plain", "merged"]
    assert result["trace"]["plain"] == {"seconds": 5.0, "prompt_tokens": 7, "none": None}
    assert result["trace"]["merged"]["seconds"] == 4.0
    assert result["trace"]["llama_server"] is None
    assert median_of([{"a": {"b": 1}}, {"a": {"b": 4}}]) == {"a": {"b": 2}}


def test_a_forced_text_is_its_tokens_in_order() -> None:
    assert forcing_grammar([7, 12]) == "%llguidance {}\nstart: <[7]> <[12]>"
