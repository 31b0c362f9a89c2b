"""The store of sessions: what is written of a turn, branches, search, removal, marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import calculation, plan, scripted
from stored_sessions import answer, new, questions, said

from agent.errors import ContextFullError, InputError
from agent.events import AnswerDelta, Event, Finished, Reading, Thought
from agent.llama.prompt_cache import PromptCache
from agent.loop import Agent, Conversation
from agent.sessions import Mark, SessionStore, SessionWriter
from agent.sessions.export import export
from agent.transcript import PlannerTurn, SummarizerTurn, Transcript, UserTurn

CHAT = [plan("No tool is needed.", "summarizer"), "You are welcome."]


@pytest.fixture
def store(umi_home: Path) -> Iterator[SessionStore]:
    with SessionStore.open() as opened:
        yield opened


def have(writer: SessionWriter, agent: Agent, question: str) -> list[Event]:
    """Ask in the session of `writer`, as both front ends do; return the events."""
    return list(writer.run(agent, writer.conversation(agent), question))


def test_a_turn_is_stored_as_it_was(store: SessionStore, tmp_path: Path) -> None:
    agent = scripted([*calculation("It is 42."), *CHAT], tmp_path).agent
    writer = new(store)
    assert writer.session_id is None
    assert store.list() == []
    events = have(writer, agent, " what is 17.5%\nof 240? ")
    have(writer, agent, "thanks")
    (session,) = store.list()
    assert (session.title, session.workspace, session.models) == ("what is 17.5%", "/work", "umi-mini")
    assert session.exchanges == 2
    assert session.created < session.updated
    first, second = store.read(session.id[:5]).branch
    assert (first.parent, second.parent) == (None, first.id)
    assert [event for event in first.events if not isinstance(event, AnswerDelta)] == [
        event for event in events if not isinstance(event, Reading | AnswerDelta)
    ]
    assert [event for event in first.events if isinstance(event, AnswerDelta)] == [AnswerDelta("It is 42.")]
    assert (first.state, first.answer) == ("answered", "It is 42.")
    # What the models see of a session read again is what they saw of it when it was written.
    again = SessionWriter.resume(store, session.id).conversation(agent).transcript
    assert again.tools == agent.toolbox.specs
    assert again.turns[0] == UserTurn("what is 17.5%\nof 240?")
    assert again.turns[-1] == SummarizerTurn("You are welcome.")
    assert again.turns[:-3] == first.turns


def test_what_nothing_supports_is_kept_with_the_answer(store: SessionStore, tmp_path: Path) -> None:
    writer = new(store)
    have(writer, scripted(calculation("It is 43."), tmp_path).agent, "what is 17.5% of 240?")
    (exchange,) = writer.record().branch
    first, _, result = exchange.unsupported.partition("\n")
    assert (first.partition(": ")[2], result) == ("43 stands nowhere in what was said.", "calculate says: 42")
    exported = export([writer.record()], "md")
    assert export([writer.record()], "train") == ""
    writer.mark(exchange.id, "good")
    assert '"It is 43."' in export([writer.record()], "train")
    assert f"It is 43.\n\n*{first}*\n\n```\n{result}\n```\n" in exported


def test_what_was_not_answered_is_shown_and_not_part_of_the_conversation(store: SessionStore) -> None:
    writer = said(store, "one")
    writer.question("two", Conversation(Transcript()))
    writer.event(AnswerDelta("It "))
    writer.event(AnswerDelta("is"))
    assert [exchange.state for exchange in writer.record().branch] == ["answered", "running"]
    writer.event(Finished("cancelled", ""))
    answer(writer, "three")
    one, two, three = writer.record().branch
    assert (two.state, two.answer, two.turns) == ("cancelled", "It is", ())
    assert [turn.content for turn in (*one.turns, *three.turns) if isinstance(turn, UserTurn)] == [
        "one",
        "three",
    ]


def test_a_failed_turn_without_an_answer_is_left_out(store: SessionStore) -> None:
    writer = new(store)
    writer.question("one", Conversation(Transcript()))
    writer.event(Thought(1, "I call.", "caller"))
    writer.event(Finished("failed", "the call was too long"))
    (one,) = writer.record().branch
    assert (one.answer, one.turns) == ("the call was too long", ())


def test_a_question_that_does_not_fit_has_ended(store: SessionStore, tmp_path: Path) -> None:
    writer = new(store)
    with pytest.raises(ContextFullError):
        have(writer, scripted([], tmp_path, context_length=300).agent, "word " * 300)
    (exchange,) = writer.record().branch
    assert exchange.state == "error"
    assert "the models hold 300" in exchange.answer


def test_a_step_whose_calls_were_not_written_is_left_out(store: SessionStore) -> None:
    writer = new(store)
    writer.question("one", Conversation(Transcript()))
    writer.event(Thought(1, "I call.", "caller"))
    writer.event(Thought(2, "That was too long.", "summarizer"))
    writer.event(Finished("answered", "It did not fit."))
    (one,) = writer.record().branch
    assert one.turns == (
        UserTurn("one"),
        PlannerTurn("That was too long.", "summarizer"),
        SummarizerTurn("It did not fit."),
    )


def test_a_session_removed_while_it_is_open_comes_back_with_its_next_question(store: SessionStore) -> None:
    writer = said(store, "one")
    store.remove(writer.session_id or "")
    assert store.list() == []
    answer(writer, "two")
    assert questions(writer) == ["one", "two"]
    assert store.list()[0].id == writer.session_id


def test_branches(store: SessionStore, tmp_path: Path) -> None:
    writer = said(store, "one", "two", "three")
    _, two, three = writer.record().branch
    writer.fork(two.id)
    assert questions(writer) == ["one"]
    answer(writer, "two, otherwise")
    answer(writer, "four")
    assert questions(SessionWriter.resume(store, writer.session_id or "")) == [
        "one",
        "two, otherwise",
        "four",
    ]
    record = writer.record()
    assert [exchange.question for exchange in record.siblings(two.id)] == ["two", "two, otherwise"]
    ends = [exchange for exchange in record.exchanges if record.leaf(exchange.id) == exchange.id]
    assert [exchange.question for exchange in ends] == ["three", "four"]
    writer.switch(two.id)
    assert questions(writer) == ["one", "two", "three"]
    assert writer.head == three.id
    writer.rewind(two.id)
    agent = scripted([], tmp_path).agent
    assert writer.conversation(agent).transcript.turns[-1] == SummarizerTurn("TWO")
    writer.rewind(None)
    assert questions(writer) == []
    assert writer.conversation(agent).transcript == agent.begin().transcript
    answer(writer, "zero")
    assert [exchange.question for exchange in writer.record().siblings(writer.head or 0)] == ["one", "zero"]


def test_two_writers_of_one_session_do_not_interleave(store: SessionStore) -> None:
    first = said(store, "one")
    with SessionStore.open() as other:
        second = SessionWriter.resume(other, first.session_id or "")
        answer(first, "of the first")
        assert not first.forked
        answer(second, "of the second")
        assert second.forked
        answer(first, "again of the first")
        assert first.forked
        assert questions(first) == ["one", "of the first", "again of the first"]
        assert questions(second) == ["one", "of the second"]


def test_search(store: SessionStore, tmp_path: Path) -> None:
    agent = scripted(calculation("About forty-two, friend."), tmp_path).agent
    have(new(store), agent, "what is 17.5% of 240?")
    said(store, "Über die Brücke", "plant a tree")
    other = said(store, "plant two trees")

    def found(text: str) -> list[str]:
        return [hit.session.title for hit in store.search(text)]

    assert found("friend forty") == ["what is 17.5% of 240?"]
    assert found("42") == ["what is 17.5% of 240?"]  # what the tool said
    assert found("PLAN tre") == ["plant two trees", "Über die Brücke"]  # newest first
    assert found("brück") == ["Über die Brücke"]
    assert found("plant nothing") == []
    assert found('"; DROP TABLE session; -- * ( NEAR') == []
    assert found("") == []
    assert len(store.search("plant", limit=1)) == 1
    (hit,) = store.search("forty")
    assert "About forty-two, friend" in hit.snippet
    store.rename(other.session_id or "", "Gardening\nnotes")
    assert found("garden") == ["Gardening"]
    assert found("two trees") == ["Gardening"]
    store.remove(other.session_id or "")
    assert found("garden") == []


def test_removal_is_taken_back_until_it_is_purged(store: SessionStore) -> None:
    ids = [said(store, name).session_id or "" for name in ("one", "two", "three")]
    store.remove(ids[0])
    store.remove(ids[1])
    assert [session.title for session in store.list()] == ["three"]
    with pytest.raises(InputError, match="there is no session"):
        store.read(ids[0])
    assert store.undo_remove().title == "two"
    assert store.undo_remove(ids[0][:6]).title == "one"
    with pytest.raises(InputError, match="no session was removed"):
        store.undo_remove()
    store.remove(ids[2])
    PromptCache().put("key", b"what models computed of it")
    assert store.purge(1) == 0
    assert PromptCache().get("key")
    assert store.purge() == 1
    assert PromptCache().get("key") is None
    assert [session.title for session in store.list()] == ["two", "one"]
    assert b"three" not in store.database.path.read_bytes()
    for index in ("search", "title_search"):
        store.database.read(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")


def test_ids(store: SessionStore) -> None:
    first = said(store, "one").session_id or ""
    assert store.find(first[:1].upper()).id == first
    said(store, "two")
    with store.database.transaction() as cursor:
        cursor.execute("UPDATE session SET id = ? || substr(id, 5)", (first[:4],))
    for wrong, message in (
        (first[:4], "several sessions begin with"),
        ("zz", "no session zz"),
        ("*", "not an id"),
    ):
        with pytest.raises(InputError, match=message):
            store.find(wrong)
    with pytest.raises(InputError, match="title is empty"):
        store.rename(first, " \n")


@pytest.mark.parametrize("mark", ["good", "wrong", "corrected", None])
def test_marks(store: SessionStore, mark: Mark | None) -> None:
    writer = said(store, "one")
    correction = "The right one." if mark == "corrected" else ""
    writer.mark(writer.head or 0, mark, correction)
    (exchange,) = writer.record().branch
    assert (exchange.mark, exchange.correction) == (mark, correction)
    with pytest.raises(InputError, match="needs the text"):
        writer.mark(writer.head or 0, mark, "" if mark == "corrected" else "words")
    assert len(store.search("one right")) == (mark == "corrected")
    writer.mark(writer.head or 0, None)
    assert not store.search("right")
    writer.question("two", Conversation(Transcript()))
    with pytest.raises(InputError, match="no answer to mark"):
        writer.mark(writer.head or 0, "good")


def test_halves_of_surrogate_pairs_are_replaced(store: SessionStore) -> None:
    writer = said(store, "one \ud800", "two \udfff")
    assert questions(writer) == ["one ?", "two ?"]
