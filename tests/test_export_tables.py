"""N-gram tables in a bundle: made of rows, written into it, and what is written with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from engine_runs import CHOICES, F32_CACHE, QUESTION, WITH_RESULT, run
from fakes import run_export
from tiny_gguf import write_tiny_bundle

from agent.bundle import load_bundle
from agent.errors import BundleError
from agent.llama.drafting.ngram_table import MAX_BYTES
from agent.llama.engine import LlamaEngine
from agent.transcript import (
    ROLES,
    CallerTurn,
    PlannerTurn,
    Role,
    Row,
    SummarizerTurn,
    Transcript,
    parse_calls,
    parse_planner,
)
from agent.transcript.rows import append_row

EXACT = replace(F32_CACHE, flash_attention="off", speculate=False)

BEFORE: dict[Role, Transcript] = {"planner": QUESTION, "caller": CHOICES, "summarizer": WITH_RESULT}
"""What each role writes a turn after."""


def written(engine: LlamaEngine, role: Role, transcript: Transcript) -> Transcript:
    """Return the transcript with the turn that the role writes after it."""
    text = run(engine, role, transcript).text
    if role == "caller":
        return transcript.plus(CallerTurn(tuple(parse_calls(text) or ())))
    if role == "planner":
        return transcript.plus(parse_planner(text) or PlannerTurn(text, "summarizer"))
    return transcript.plus(SummarizerTurn(text))


@pytest.mark.parametrize("role", ROLES)
def test_a_table_saves_decodes_and_changes_no_text(role: Role, tmp_path: Path) -> None:
    """Made of what the models themselves write, so that its guesses are right."""
    folder = write_tiny_bundle(tmp_path / "mine").folder
    before = BEFORE[role]
    plain = LlamaEngine(load_bundle(folder), EXACT, [role])
    alone = run(plain, role, before)
    rows = tmp_path / "rows.jsonl"
    row = Row("1", "test", "train", written(plain, role, before))
    for _ in range(3):
        append_row(rows, row)
    plain.close()
    assert run_export(["tables", str(folder), str(rows)]) == 0
    bundle = load_bundle(folder)
    table = bundle.roles[role].table
    assert table
    assert 0 < table.size <= MAX_BYTES
    drafting = LlamaEngine(bundle, replace(EXACT, speculate=True), [role])
    drafted = run(drafting, role, before)
    drafting.close()
    assert drafted.text == alone.text
    assert drafted.usage.decodes < alone.usage.decodes
    assert drafted.usage.accepted > 0
    assert drafted.usage.generated == alone.usage.generated


def test_a_table_is_checked_as_every_file(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "mine").folder
    rows = tmp_path / "rows.jsonl"
    append_row(rows, Row("1", "test", "train", QUESTION.plus(PlannerTurn("No.", "give up"))))
    assert run_export(["tables", str(folder), str(rows)]) == 0
    assert "planner.ngrams" in {file.file for file in load_bundle(folder).files}
    path = folder / "planner.ngrams"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleError, match="sha256"):
        load_bundle(folder)
    path.write_bytes(b"GGUF" + data[4:])
    with pytest.raises(BundleError, match="it is not a table of n-grams"):
        load_bundle(folder)
    path.unlink()
    with pytest.raises(BundleError, match="missing"):
        load_bundle(folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["roles"]["planner"]["table"]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert load_bundle(folder).table_path("planner") is None


def test_rows_without_turns_of_the_roles_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_tiny_bundle(tmp_path / "mine").folder
    rows = tmp_path / "rows.jsonl"
    rows.write_text("")
    assert run_export(["tables", str(folder), str(rows)]) == 2
    assert "no turn of a role" in capsys.readouterr().err
