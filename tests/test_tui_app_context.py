"""How full the context is, and notes about what was left out of it."""

from __future__ import annotations

import json

from agent.events import Finished, Reason, Trimmed, event_from_json, event_to_json
from tui.app.chat.context import ContextMeter
from tui.text import count_text, trimmed_text


def test_the_context_warns_once_before_it_is_full() -> None:
    meter = ContextMeter()
    assert not meter.update(500, 2048)
    assert meter.text == "context 500 of 2,048 tokens, 24 %"
    assert "84 % full" in meter.update(1720, 2048)
    assert not meter.update(1800, 2048)
    assert not meter.update(100, 2048)
    assert meter.update(1900, 2048)


def test_what_a_turn_without_an_answer_left_out_comes_back() -> None:
    meter = ContextMeter()
    ends: list[tuple[Reason, list[str]]] = [("cancelled", []), ("answered", ["first"])]
    for reason, left_out in ends:
        meter.take(Trimmed(4, ("first",), 1))
        meter.take(Finished(reason, ""))
        assert meter.left_out == left_out
    meter.begin()
    assert meter.left_out == []


def test_a_note_says_what_was_left_out() -> None:
    assert trimmed_text(Trimmed(1)).endswith("see an older step or part of a result")
    said_of_five = trimmed_text(Trimmed(17, tuple("abcde"), 2))
    assert "5 earlier questions (“a”, “b”, “c” and 2 more)" in said_of_five
    assert said_of_five.endswith("and 2 older steps or parts of results")
    trimmed = Trimmed(4, ("first",), 1)
    assert event_from_json(json.loads(json.dumps(event_to_json(trimmed)))) == trimmed


def test_plurals() -> None:
    assert [count_text(n, "line") for n in (0, 1, 2, 1200)] == ["0 lines", "1 line", "2 lines", "1,200 lines"]
