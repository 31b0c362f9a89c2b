"""Thoughts that quote a line: it was read, or the planner's next choice is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.checks.thoughts import invented_line, is_repeated
from agent.engine import Choice, ScriptedEngine
from agent.events import Finished, Thought
from agent.loop import Agent
from agent.setup import make_toolbox
from agent.transcript import Call, CallerTurn, PlannerTurn, SummarizerTurn, ToolTurn, Transcript, UserTurn

READ = Transcript(
    (),
    (
        UserTurn("what is left of the sandals?"),
        ToolTurn("read_file", "item,left\nsandals,14\nraincoats,6\ncare: wash cold, no bleach"),
    ),
)


@pytest.mark.parametrize(
    ("thought", "line"),
    [
        ("The line of autumn is autumn,6, so item autumn, left 6.", "autumn,6"),
        ("The line says: boots,14 - asked for is 14.", "boots,14"),
        ("Line 2 says: boots,14", "boots,14"),
        ("The line of sandals is sandals,14, so item sandals, left 14.", ""),
        ("The line says: care: wash cold - asked for is cold.", ""),
        ("The lines with boots are those of Tuesday.", ""),
        ("The line of sandals is the last one.", ""),
        ("The columns are item,left, so the line is boots,3: I will write it with write_file.", ""),
        ("I know this; no tool is needed.", ""),
    ],
)
def test_a_line_that_nobody_has_read_is_found(thought: str, line: str) -> None:
    assert invented_line(thought, READ) == line


@pytest.mark.parametrize(
    ("question", "thought", "called", "repeated"),
    [
        ("and in gallons?", "The tank holds 70 litres.", True, True),
        ("and in gallons?", "The tank holds 70 litres.", False, False),
        ("and in gallons?", "I will convert 70 litres.", True, False),
        ("how large is the tank?", "The tank holds 70 litres.", True, False),
    ],
)
def test_the_thought_on_another_question_is_found(
    question: str, thought: str, called: bool, repeated: bool
) -> None:
    asked, told = UserTurn("how large is the tank?"), PlannerTurn("The tank holds 70 litres.", "summarizer")
    made = (CallerTurn((Call("read_file", {"path": "van.txt"}),)), ToolTurn("read_file", "tank 70 litres"))
    turns = (asked, *(made if called else ()), told, SummarizerTurn("70 litres"), UserTurn(question))
    assert is_repeated(thought, Transcript((), turns)) is repeated
    assert not is_repeated(thought, Transcript((), (UserTurn(question),)))


CHOICES = (Choice((1,), 2, 0.2), Choice((1, 2), 3, 0.5))
INVENTED = "The line of autumn is autumn,6, so item autumn, left 6.\nNext: summarizer"
READING = "I will read autumn.csv with read_file.\nNext: caller"


def test_the_planners_next_choice_takes_the_place_of_an_invented_line(tmp_path: Path) -> None:
    (tmp_path / "autumn.csv").write_text("item,left\nsandals,14\n")
    script = [INVENTED, INVENTED, READING, Call("read_file", {"path": "autumn.csv"}).line()]
    script += ["The line of sandals is sandals,14.\nNext: summarizer", "sandals,14"]
    engine = ScriptedEngine(script, grounded_answers=True, choices=CHOICES)
    agent = Agent(engine, make_toolbox(tmp_path))
    events = list(agent.run(agent.begin(), "what is left in autumn.csv?"))
    assert [event.text for event in events if isinstance(event, Thought)] == [
        "I will read autumn.csv with read_file.",
        "The line of sandals is sandals,14.",
    ]
    assert engine.reconsidered == [None, *CHOICES, None, None, None]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "answered"


def test_a_thought_stays_where_no_other_choice_is_better(tmp_path: Path) -> None:
    engine = ScriptedEngine([INVENTED, INVENTED, INVENTED, "6 left"], grounded_answers=True, choices=CHOICES)
    agent = Agent(engine, make_toolbox(tmp_path))
    events = list(agent.run(agent.begin(), "what is left of autumn?"))
    assert [event.text for event in events if isinstance(event, Thought)] == [INVENTED.split("\n")[0]]
    assert len(engine.seen) == 4
