"""A conversation that no longer fits is cut seldom, and what was cut stays cut."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from fakes import call, plan, scripted

from agent.engine import ScriptedEngine
from agent.events import Event, Finished, Observation, Trimmed
from agent.loop import Agent, Conversation
from agent.transcript import ToolTurn, Transcript, UserTurn

Kind = TypeVar("Kind")


def turn(agent: Agent, text: str, conversation: Conversation) -> list[Event]:
    events = list(agent.run(conversation, text))
    assert ended(events) == "answered"
    return events


def ended(events: list[Event]) -> str:
    assert isinstance(events[-1], Finished)
    return events[-1].reason


def only(events: list[Event], kind: type[Kind]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


def shown_to(agent: Agent, generation: int) -> Transcript:
    assert isinstance(agent.engine, ScriptedEngine)
    return agent.engine.seen[generation][1]


def test_a_full_conversation_is_trimmed_seldom_and_the_trimming_persists(tmp_path: Path) -> None:
    rounds = 30
    script = [plan("I know.", "summarizer"), "word " * 20] * rounds
    agent = scripted(script, tmp_path, context_length=900).agent
    conversation = agent.begin()
    cuts, shown = 0, conversation.transcript.turns
    bare = agent.engine.room("planner", conversation.transcript)
    for at in range(rounds):
        before = len(conversation.transcript.turns)
        events = turn(agent, f"question {at}", conversation)
        seen = shown_to(agent, 2 * at)
        trimmed = only(events, Trimmed)
        if trimmed:
            cuts += 1
            assert sum(event.dropped for event in trimmed) == before + 3 - len(conversation.transcript.turns)
            assert bare // 3 <= agent.engine.room("planner", seen)
        else:  # nothing that was read before has moved
            assert seen.turns[: len(shown)] == shown
        shown = conversation.transcript.turns
        assert shown_to(agent, 2 * at + 1).turns[-2] == UserTurn(f"question {at}")
    assert 2 <= cuts <= 5


def test_trimming_for_a_cancelled_turn_is_undone(tmp_path: Path) -> None:
    script = [
        plan("Small talk.", "summarizer"),
        " ".join(map(str, range(1000, 1200))),
        plan("Small talk.", "summarizer"),
    ]
    agent = scripted(script, tmp_path, context_length=480).agent
    conversation = agent.begin()
    turn(agent, "tell me", conversation)
    before = conversation.transcript
    events = list(agent.run(conversation, "word " * 60, cancelled=lambda: True))
    assert only(events, Trimmed)
    assert ended(events) == "cancelled"
    assert conversation.transcript == before


def test_a_question_keeps_its_steps_where_older_exchanges_make_room(tmp_path: Path) -> None:
    names = ["a.txt", "b.txt"]
    steps = [text for n in names for text in (plan(f"Read {n}.", "caller"), call("read_file", path=n))]
    script = [
        plan("Hi.", "summarizer"),
        " ".join(map(str, range(1000, 1200))),
        *steps,
        plan("Done.", "summarizer"),
        "Read them.",
    ]
    opened = scripted(script, tmp_path, context_length=560)
    for name in names:
        (tmp_path / "workspace" / name).write_text("word " * 60)
    conversation = opened.agent.begin()
    turn(opened.agent, "hello", conversation)
    events = turn(opened.agent, "read both", conversation)
    assert only(events, Trimmed) == [Trimmed(3, ("hello",))]
    assert len(only(events, Observation)) == len(
        [t for t in conversation.transcript.turns if isinstance(t, ToolTurn)]
    )
