"""The loop with a scripted engine: its path, its limits, and whose mistakes end a turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_turns import finished, generations, only, turn
from fakes import calculation, call, plan, scripted

from agent.consent import Allow, Decision, Deny, Request
from agent.errors import ContextFullError, InputError
from agent.events import (
    AnswerDelta,
    CallProposed,
    Event,
    Finished,
    Observation,
    Thought,
    Trimmed,
    event_to_json,
)
from agent.transcript import CallerTurn, SummarizerTurn, ToolTurn, UserTurn


def test_a_question_takes_planner_caller_tool_and_summarizer(tmp_path: Path) -> None:
    agent = scripted(calculation(), tmp_path).agent
    conversation = agent.begin()
    events = turn(agent, conversation=conversation)
    assert [role for role, _ in generations(agent)] == ["planner", "caller", "planner", "summarizer"]
    assert only(events, Observation) == [Observation(1, 0, "calculate", True, "42")]
    assert [t.next for t in only(events, Thought)] == ["caller", "summarizer"]
    assert "".join(event.text for event in only(events, AnswerDelta)) == "It is 42."
    assert finished(events).reason == "answered"
    assert finished(events).answer == "It is 42."
    assert finished(events).stats["planner"].prompt_evaluated == 2
    kinds = [type(t) for t in conversation.transcript.turns]
    assert kinds[0] is UserTurn
    assert kinds[-1] is SummarizerTurn


def test_giving_up_answers_with_the_thought_and_skips_the_summarizer(tmp_path: Path) -> None:
    agent = scripted([plan("No tool can do that.", "give up")], tmp_path).agent
    last = turn(agent)[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.answer) == ("gave_up", "No tool can do that.")
    assert [role for role, _ in generations(agent)] == ["planner"]


def test_two_calls_in_one_step_are_observed_in_order(tmp_path: Path) -> None:
    calls = "\n".join((call("calculate", expression="1+1"), call("calculate", expression="2+2")))
    script = [plan("Two.", "caller"), calls, plan("Done.", "summarizer"), "2 and 4"]
    agent = scripted(script, tmp_path).agent
    seen = only(turn(agent), Observation)
    assert [(o.index, o.content) for o in seen] == [(0, "2"), (1, "4")]
    shown = generations(agent)[2][1].turns
    assert [type(t) for t in shown[-3:]] == [CallerTurn, ToolTurn, ToolTurn]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (call("fly", to="Rome"), "there is no tool fly"),
        (call("calculate", wrong="1"), "expression"),
        (call("calculate", expression="1/0"), "zero"),
        (call("read_file", path="../../etc/passwd"), "outside"),
        (call("read_file", path="."), ""),
    ],
)
def test_errors_of_the_models_become_observations(tmp_path: Path, made: str, says: str) -> None:
    script = [plan("Try.", "caller"), made, plan("It failed.", "give up")]
    agent = scripted(script, tmp_path).agent
    events = turn(agent)
    (seen,) = only(events, Observation)
    assert not seen.ok
    assert says in seen.content
    observation = generations(agent)[2][1].turns[-1]
    assert isinstance(observation, ToolTurn)
    assert observation.error
    assert (finished(events).reason, finished(events).answer) == ("failed", "It failed.")


def test_the_same_call_is_not_run_twice(tmp_path: Path) -> None:
    note = call("add_note", text="milk")
    script = [
        plan("Save.", "caller"),
        note,
        plan("Again.", "caller"),
        note,
        plan("Done.", "summarizer"),
        "Saved.",
    ]
    agent = scripted(script, tmp_path).agent
    first, second = only(turn(agent), Observation)
    assert first.ok
    assert not second.ok
    assert len((tmp_path / "notes.jsonl").read_text().splitlines()) == 1


def test_a_tool_that_breaks_is_an_observation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = scripted(calculation(), tmp_path).agent

    def broken(*_: object) -> str:
        raise RuntimeError("a bug in a tool")

    monkeypatch.setattr(agent.toolbox, "run", broken)
    (seen,) = only(turn(agent), Observation)
    assert not seen.ok
    assert "a bug in a tool" in seen.content


@pytest.mark.parametrize("answer", [None, False, True])
def test_writing_needs_approval(tmp_path: Path, answer: bool | None) -> None:
    script = [
        plan("Write.", "caller"),
        call("write_file", path="a.txt", content="hi"),
        plan("So.", "give up"),
    ]
    agent = scripted(script, tmp_path).agent
    asked = []

    def approve(request: Request) -> Decision:
        asked.append((request.kind, request.call.name, request.tool.may))
        return Allow(request.call) if answer else Deny()

    (seen,) = only(turn(agent, approve=None if answer is None else approve), Observation)
    assert seen.ok is bool(answer)
    assert (tmp_path / "workspace" / "a.txt").exists() is bool(answer)
    assert asked == ([] if answer is None else [("permission", "write_file", "write")])


@pytest.mark.parametrize("path", [".git/hooks/post-checkout", ".env", "link/config"])
def test_the_user_is_not_asked_about_a_protected_place(tmp_path: Path, path: str) -> None:
    agent = scripted([plan("Write.", "caller"), call("write_file", path=path, content="x")], tmp_path).agent
    (tmp_path / "workspace" / "link").symlink_to(".git")
    (tmp_path / "workspace" / ".git").mkdir()
    asked: list[Request] = []

    def approve(request: Request) -> Decision:
        asked.append(request)
        return request.allow()

    (seen,) = only(turn(agent, approve=approve), Observation)
    assert not seen.ok
    assert "is refused" in seen.content
    assert not asked


def test_a_tool_sees_that_the_turn_was_cancelled(tmp_path: Path) -> None:
    agent = scripted([plan("Look.", "caller"), call("search_text", query="x")], tmp_path).agent
    (tmp_path / "workspace" / "a.txt").touch()
    events: list[Event] = []
    looked: list[bool] = []

    def cancelled() -> bool:
        """Cancel when the call was proposed, and the loop has looked a last time before it runs the tool."""
        proposed = bool(only(events, CallProposed))
        looked.extend([True] * proposed)
        return len(looked) > 1

    for event in agent.run(agent.begin(), "look", cancelled=cancelled):
        events.append(event)
    (seen,) = only(events, Observation)
    assert (seen.ok, seen.content) == (False, "the call was cancelled")
    assert finished(events).reason == "cancelled"


def test_the_step_limit_ends_the_turn_and_keeps_the_conversation(tmp_path: Path) -> None:
    script = [plan("One.", "caller"), call("calculate", expression="1"), plan("Two.", "caller")]
    agent = scripted(script, tmp_path, max_steps=1).agent
    conversation = agent.begin()
    assert finished(turn(agent, conversation=conversation)).reason == "step_limit"
    assert conversation.transcript.turns == ()


def test_a_step_limit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="step limit is 0"):
        scripted([], tmp_path, max_steps=0)


@pytest.mark.parametrize("text", ["", "   \n"])
def test_an_empty_question_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="empty"):
        turn(scripted([], tmp_path).agent, text)


@pytest.mark.parametrize("ending", ["I will call\nNext: somebody", "no ending at all", "caller"])
def test_an_unknown_ending_calls_no_tool(tmp_path: Path, ending: str) -> None:
    events = turn(scripted([ending], tmp_path).agent)
    assert not only(events, CallProposed)
    assert finished(events).reason == "error"


def test_cancelling_keeps_the_conversation_as_it_was(tmp_path: Path) -> None:
    agent = scripted(calculation() + calculation(), tmp_path).agent
    conversation = agent.begin()
    stop = []
    events = []
    for event in agent.run(conversation, "17.5% of 240", cancelled=lambda: bool(stop)):
        events.append(event)
        if isinstance(event, Thought):
            stop.append(True)
    assert finished(events).reason == "cancelled"
    assert not only(events, Observation)
    assert conversation.transcript.turns == ()


def test_a_second_question_sees_the_first(tmp_path: Path) -> None:
    agent = scripted([*calculation(), plan("Small talk.", "summarizer"), "You are welcome."], tmp_path).agent
    conversation = agent.begin()
    turn(agent, conversation=conversation)
    turn(agent, "thanks", conversation=conversation)
    questions = [t.content for t in generations(agent)[4][1].turns if isinstance(t, UserTurn)]
    assert questions == ["what is 17.5% of 240?", "thanks"]


def test_a_question_longer_than_the_context_is_refused_before_anything_runs(tmp_path: Path) -> None:
    agent = scripted([], tmp_path, context_length=500).agent
    conversation = agent.begin()
    with pytest.raises(ContextFullError, match="models hold 500"):
        turn(agent, "word " * 600, conversation=conversation)
    assert conversation.transcript.turns == ()


READING = (
    plan("Read.", "caller"),
    call("read_file", path="long.txt"),
    plan("Done.", "summarizer"),
    "Read it.",
)


def test_old_exchanges_are_dropped_and_the_user_is_informed(tmp_path: Path) -> None:
    told = " ".join(f"{number:04}" for number in range(200))
    script = [plan("Small talk.", "summarizer"), told, plan("Small talk.", "summarizer"), "Yes."]
    agent = scripted(script, tmp_path, context_length=480).agent
    conversation = agent.begin()
    turn(agent, "tell me", conversation=conversation)
    events = turn(agent, "word " * 60, conversation=conversation)
    assert only(events, Trimmed) == [Trimmed(3, ("tell me",))]
    assert finished(events).reason == "answered"
    assert len(conversation.transcript.turns) == 3
    assert conversation.transcript.turns[0] == UserTurn(("word " * 60).strip())


def test_a_long_observation_is_shortened_to_make_room(tmp_path: Path) -> None:
    opened = scripted(READING, tmp_path, context_length=700)
    (tmp_path / "workspace" / "long.txt").write_text("a b c d " * 400)
    events = turn(opened.agent, "read long.txt")
    assert only(events, Trimmed)
    assert finished(events).reason == "answered"


def test_an_observation_is_shortened_beside_a_longer_question(tmp_path: Path) -> None:
    opened = scripted(READING, tmp_path, context_length=700)
    (tmp_path / "workspace" / "long.txt").write_text("a b c d " * 100)
    events = turn(opened.agent, f"read long.txt {'incomprehensibilities ' * 100}")
    assert only(events, Trimmed)
    assert finished(events).reason == "answered"


def test_the_oldest_step_goes_before_an_observation_is_cut(tmp_path: Path) -> None:
    names = [f"{n}.txt" for n in range(3)]
    script = [text for n in names for text in (plan(f"Read {n}.", "caller"), call("read_file", path=n))]
    opened = scripted([*script, plan("Done.", "summarizer"), "Read them."], tmp_path, context_length=700)
    for name in names:
        (tmp_path / "workspace" / name).write_text(f"{name} " * 130)
    events = turn(opened.agent, "read all three")
    assert finished(events).reason == "answered"
    dropped = [event.dropped for event in only(events, Trimmed)]
    assert dropped
    assert all(not event.questions and event.rest == event.dropped for event in only(events, Trimmed))
    assert {count % 3 for count in dropped} == {0}  # whole steps: a thought, a call, an observation
    last = generations(opened.agent)[-1][1].turns
    assert last[0] == UserTurn("read all three")
    kept = [t.content for t in last if isinstance(t, ToolTurn)]
    assert kept[-1] == ("2.txt " * 130)
    assert len(kept) < 3


def test_events_as_json(tmp_path: Path) -> None:
    names = [event_to_json(event)["event"] for event in turn(scripted(calculation(), tmp_path).agent)]
    assert set(names) == {"reading", "thought", "call", "observation", "answer", "finished"}
