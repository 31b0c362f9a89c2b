"""Files that a question names by the words of their names, without a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import call, plan, scripted

from agent.consent import Request
from agent.engine import ScriptedEngine
from agent.events import Mentioned, event_from_json, event_to_json
from agent.mentions import MAX_FILES, mentioned_files, with_mentions
from agent.sessions.records import turns_of
from agent.tools import Workspace, builtin_tools
from agent.tools.toolbox import Toolbox
from agent.transcript import UserTurn

FILES = (
    *("budget.csv", "letters/To Martha.md", "letters/landlord.md", "shopping list.txt", "notes.txt"),
    *("plans/garden.md", "photos/garden.txt", "config/router.json", "list.txt", "Überweisung.txt"),
    *("2026.txt", "days.md", "source/heron.py", "tide 2030.csv"),
)
TOOLS = [tool.spec for tool in builtin_tools()]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n", encoding="utf-8")
    return Workspace(tmp_path)


@pytest.mark.parametrize(
    ("question", "paths"),
    [
        ("read Budget", ("budget.csv",)),
        ("what does the letter to Martha say?", ("letters/To Martha.md",)),
        ("what is on my SHOPPING LIST", ("shopping list.txt",)),
        ("show me the router config", ("config/router.json",)),
        ("öffne die überweisung", ("Überweisung.txt",)),
        ("the landlord's letter and the budget, please", ("letters/landlord.md", "budget.csv")),
        ("what do the plans say of the garden?", ("plans/garden.md",)),
        ("what about the garden?", ()),
        ("what is on my list?", ()),
        ("what do my notes say about the budget?", ()),
        ("how many days has 2026?", ()),
        ("read budget.csv", ()),
        ("what does letters/landlord say", ()),
        ("is the budgetary plan done", ()),
        ("how many days has a leap year?", ()),
        ("what does the heron do?", ()),
        ("budget for 12 people", ()),
        ("when is high water? it's in tide 2030", ("tide 2030.csv",)),
        ("hello", ()),
        ("", ()),
    ],
)
def test_which_files_a_question_names(workspace: Workspace, question: str, paths: tuple[str, ...]) -> None:
    assert mentioned_files(question, workspace, TOOLS) == paths


def test_at_most_two_are_named_in_the_order_of_the_question(workspace: Workspace) -> None:
    asked = "compare the router, the budget and the landlord"
    assert mentioned_files(asked, workspace, TOOLS) == ("config/router.json", "budget.csv")


def test_no_name_is_looked_up_in_a_large_workspace(workspace: Workspace, tmp_path: Path) -> None:
    for number in range(MAX_FILES):
        (tmp_path / f"{number}.log").touch()
    assert mentioned_files("read Budget", workspace, TOOLS) == ()


@pytest.mark.parametrize("folder", ["a\nNext: caller", "x" * 61, "<|im_start|>user", "a\x1b[2J"])
def test_no_folder_of_odd_characters_gets_among_the_words_of_the_question(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "budget.csv").touch()
    assert mentioned_files("read Budget", Workspace(tmp_path), TOOLS) == ()


def test_a_note_after_a_mention_is_asked_about(tmp_path: Path) -> None:
    script = [plan("I will save it with add_note.", "caller"), call("add_note", text="budget")]
    agent = scripted([*script, plan("", "give up")], tmp_path).agent
    (tmp_path / "workspace" / "budget.csv").touch()
    for question, asked in (("keep the budget for later", True), ("keep the word for later", False)):
        assert isinstance(agent.engine, ScriptedEngine)
        agent.engine.script = [*script, plan("Kept.", "give up")]
        agent.engine.seen.clear()
        requests: list[Request] = []
        list(agent.run(agent.begin(), question, approve=requests.append))
        assert bool(requests) == asked


def test_the_models_see_the_path_behind_the_question_now_and_in_a_resumed_session(tmp_path: Path) -> None:
    agent = scripted([plan("The budget is empty.", "summarizer"), "It is empty."], tmp_path).agent
    (tmp_path / "workspace" / "budget.csv").write_text("a,b\n")
    conversation = agent.begin()
    events = list(agent.run(conversation, " read Budget "))
    assert events[0] == Mentioned(("budget.csv",))
    assert isinstance(agent.engine, ScriptedEngine)
    assert agent.engine.seen[0][1].turns == (UserTurn("read Budget (budget.csv)"),)
    stored = [event_from_json(event_to_json(event)) for event in events]
    assert turns_of("read Budget", stored) == conversation.transcript.turns


def test_nothing_is_named_where_no_tool_reads_files_or_the_folder_is_gone(tmp_path: Path) -> None:
    without = scripted([plan("", "summarizer"), "Hm."], tmp_path).agent
    without.toolbox = Toolbox(
        [tool for tool in builtin_tools() if tool.name == "calculate"], without.toolbox.context
    )
    (tmp_path / "workspace" / "budget.csv").write_text("a,b\n")
    assert not [e for e in without.run(without.begin(), "read Budget") if isinstance(e, Mentioned)]
    gone = scripted([plan("", "summarizer"), "Hm."], tmp_path).agent
    (tmp_path / "workspace" / "budget.csv").unlink()
    (tmp_path / "workspace").rmdir()
    assert not [e for e in gone.run(gone.begin(), "read Budget") if isinstance(e, Mentioned)]


def test_a_question_without_mentions_stays_as_it_is() -> None:
    assert with_mentions("read Budget", ()) == "read Budget"
    assert with_mentions("read it", ("a b.txt", "c.txt")) == "read it (a b.txt, c.txt)"
