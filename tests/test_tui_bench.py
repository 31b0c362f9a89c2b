"""`umi bench`: the trace, what each system reads of it, and the two forms of the report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf

from agent.bundle import Bundle, load_bundle
from agent.bundle.assemble import assemble
from agent.checks.answers.answer_check import AnswerCheck
from agent.config import EngineSettings
from agent.engine import Generated
from agent.errors import EngineError
from agent.evaluation.trace import TRACE, generated_turns
from agent.evaluation.trace_tools import TOOLS
from agent.llama.binding.model import Model
from agent.llama.engine import LlamaEngine
from agent.llama.grammar.constraints import Constraints
from agent.llama.sampling import ForcedDecoding
from agent.paths import SHIPPED
from agent.prompting import prompt_ids, segments
from agent.transcript import ROLES, Role, Transcript, UserTurn
from tui.bench.trace.checks import PARTS, check_shares
from tui.bench.trace.command import OTHERS, SYSTEMS, layout_figures
from tui.cli.main import main

QWEN2_PIECES = re.compile(r"[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+[\r\n]*|\s+")
"""How Qwen2's tokenizer splits ASCII before it looks pieces up: of these few are more than one token."""
TOKENS_A_PIECE = 1.04
SIZES = {
    "system": 1500,
    "user": 40,
    "planner": 4 * 40 + 30,
    "caller": 4 * 30,
    "tool": 4 * 120,
    "summarizer": 80,
}
STEP = ["planner", "caller"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    backbone = write_tiny_gguf(folder / "b.gguf", seed=7)
    adapters: dict[Role, Path] = {
        role: write_tiny_adapter(folder / f"{role}.gguf", header_ids(backbone, role), seed=seed)
        for seed, role in enumerate(ROLES)
    }
    return assemble(folder / "small", adapters, backbone=backbone).folder


@pytest.fixture(scope="module")
def counts(shared: Path) -> dict[str, int]:
    """Tokens that the arithmetic says are read, by system."""
    model = Model(shared / "backbone.gguf")
    tokenize = model.vocabulary.tokenize
    turns = list(generated_turns(TRACE))
    tools = len(prompt_ids(Transcript(TOOLS), None, tokenize))
    whole = [len(prompt_ids(turn.before, turn.role, tokenize)) for turn in turns]
    blind = len(prompt_ids(replace(turns[-1].before, tools=()), "summarizer", tokenize))
    headers = sum(len(tokenize(f"<|im_start|>{turn.role}\n", True)) for turn in turns)
    last = len(prompt_ids(turns[-1].before, None, tokenize))
    model.close()
    return {
        "plain": sum(whole[:-1]) + blind,
        "shared": last + headers,
        "shared_disk": last + headers - tools,
    }


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, str]:
    assert main(["bench", "--threads", "1", *argv]) == 0
    return capsys.readouterr()


def test_the_trace_has_the_documented_sizes() -> None:
    assert len(TOOLS) == 20
    assert [turn.role for turn in generated_turns(TRACE)] == [*STEP * 4, "planner", "summarizer"]
    sizes = dict.fromkeys(SIZES, 0.0)
    for part in segments(TRACE):
        sizes[part.role] += TOKENS_A_PIECE * len(QWEN2_PIECES.findall(part.content))
    assert sizes == pytest.approx(SIZES, rel=0.1)


def test_the_trace_is_what_the_roles_may_write(shared: Path) -> None:
    model = Model(shared / "backbone.gguf")
    end = model.vocabulary.tokenize("<|im_end|>", True)[0]
    constraints = Constraints(model.vocabulary.grammar_tokenizer(end))
    for turn in generated_turns(TRACE):
        constraint = constraints.start(turn.role, turn.before, grounded=True)
        for token in model.vocabulary.tokenize(turn.text, False):
            assert constraint.allows(token), turn.text
            constraint.accept(token)
        assert constraint.may_end or constraint.must_end
    model.close()


@pytest.mark.parametrize("jump", [False, True])
def test_forced_decoding_writes_its_text(shared: Path, jump: bool) -> None:
    tools = TOOLS[4:6]
    call = '{"name":"current_time","arguments":{"timezone":"Asia/Tokyo"}}'
    engine = LlamaEngine(load_bundle(shared), EngineSettings(threads=1, disk=False, speculate=False))
    asked = Transcript(tools, (UserTurn("What time is it?"),))
    *_, generated = engine.generate(
        "caller", asked, cancelled=lambda: False, forced=ForcedDecoding(call, jump_forward=jump)
    )
    assert isinstance(generated, Generated)
    assert (generated.text, generated.stop) == (call, "end")
    with pytest.raises(EngineError, match="does not allow"):
        list(engine.generate("caller", asked, cancelled=lambda: False, forced=ForcedDecoding("no call")))
    engine.close()


@pytest.mark.slow
def test_a_shared_bundle(shared: Path, counts: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    systems = "plain,merged_disk,shared,shared_disk,single_disk,one_role"
    out, err = run(capsys, "--models", str(shared), "--json", "--systems", systems)
    result: dict[str, Any] = json.loads(out)
    trace = result["trace"]
    assert list(trace) == list(SYSTEMS)
    assert {name: trace[name]["prompt_tokens"] for name in counts} == counts
    assert trace["merged"] is trace["chat_completion"] is None
    for name in counts:
        row = trace[name]
        assert row["seconds"] > row["first_token_seconds"] > 0
        assert row["resident_mb"] > 0
        assert sum(used["evaluated"] for used in row["roles"].values()) == row["prompt_tokens"]
        assert all(used["reused"] >= 0 for used in row["roles"].values())
    read = [trace[name]["prompt_tokens"] for name in ("single_disk", "shared_disk", "merged_disk", "plain")]
    assert read == sorted(read)  # a layout reads again what other models or adapters wrote
    assert all(seconds > 0 for seconds in result["layout_seconds"].values())
    assert result["fastest_layout"] in result["layout_seconds"]
    assert result["machine"]["threads"] == 1
    assert result["model"]["layout"] == "shared"
    assert result["one_role_resident_mb"] > 0
    assert result["start_ratio"] is None
    assert [line.split(" …")[0] for line in err.splitlines()] == [
        "plain",
        "merged disk",
        "shared",
        "shared disk",
        "single disk",
        "one role",
    ]


@pytest.mark.slow
def test_systems_that_are_not_run_have_no_figures(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "--models", str(shared), "--systems", "chat_completion,merged")
    lines = {line[:20].strip(): line[20:].split() for line in out.splitlines()}
    assert lines["umi, merged"][-1] != "\N{EN DASH}"
    assert lines["chat completion"][-1] != "\N{EN DASH}"
    assert set(lines["umi, shared"]) == {"\N{EN DASH}"}


@pytest.mark.slow
def test_rates_and_stopping(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "--models", str(shared), "--json", "--systems", "rates,cancel")
    result = json.loads(out)
    assert set(result["write_tokens_per_second"]) == {"bare", "free", "constrained"}
    assert all(rate > 0 for rate in result["write_tokens_per_second"].values())
    assert result["read_tokens_per_second"] > 0
    assert result["cancel_seconds"] >= 0


def test_the_share_of_checks_in_the_time_of_questions() -> None:
    before = AnswerCheck.feed
    settings = EngineSettings(threads=1, disk=False)
    figures = check_shares(load_bundle(SHIPPED), settings, tasks=2)
    assert figures["checks_turns"] >= 2
    assert list(figures["checks_share"]) == list(PARTS)
    assert 0 < sum(figures["checks_share"].values()) < 1
    assert AnswerCheck.feed is before


def test_the_start_of_the_shipped_models(tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "--models", str(tiny_bundle.folder), "--json", "--systems", "start,shared")
    result = json.loads(out)
    assert result["start_ratio"] > 0
    assert result["trace"]["shared"] is None  # a merged bundle shares nothing


def test_the_fastest_layout_is_that_of_loaded_models() -> None:
    trace: dict[str, Any] = dict.fromkeys(SYSTEMS)
    assert layout_figures("merged", trace)["fastest_layout"] is None
    trace |= {
        "merged_disk": {"seconds": 5.0, "load_seconds": 3.0},
        "shared_disk": {"seconds": 2.5, "load_seconds": 0.25},
        "single_disk": {"seconds": 3.0, "load_seconds": 0.5},
    }
    assert layout_figures("shared", trace) == {
        "layout_seconds": {"merged": 2.0, "shared": 2.25, "single": 2.5},
        "fastest_layout": "merged",
    }
    assert layout_figures("single", trace)["layout_seconds"]["shared"] is None  # it has no adapters


@pytest.mark.parametrize(("systems", "thing"), [("plain,fast", "no system fast"), (",", "names none")])
def test_unknown_systems_are_refused(systems: str, thing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--systems", systems]) == 2
    err = capsys.readouterr().err
    assert thing in err
    assert all(name in err for name in (*SYSTEMS, *OTHERS))
