"""A call whose argument says the same over and over is not written to the limit; what may repeat is."""

from __future__ import annotations

from pathlib import Path

from approval_turns import finished, observed, run
from fakes import call, plan, scripted

from agent.events import Finished
from agent.turn import TOO_LONG

PART = "the milk of the cow in the barn "
ENDING = [plan("", "summarizer"), "Done."]


def test_a_call_that_loops_is_cut_and_the_planner_told(tmp_path: Path) -> None:
    looping = call("search_text", query=PART * 40)
    opened = scripted([plan("", "caller"), looping, *ENDING], tmp_path)
    events = run(opened.agent)
    assert observed(events) == []
    (cut,) = [turn for turn in opened.agent.engine.seen[-1][1].turns if getattr(turn, "error", False)]  # pyright: ignore
    assert cut.content == TOO_LONG
    stats = finished(events).stats
    assert stats is not None
    assert stats["caller"].generated < len(looping.split()) / 4


def test_a_second_one_ends_the_turn(tmp_path: Path) -> None:
    looping = [plan("", "caller"), call("search_text", query=PART * 40)]
    last = finished(run(scripted(looping * 2, tmp_path).agent))
    assert isinstance(last, Finished)
    assert last.reason == "failed"
    assert TOO_LONG[1:] in last.answer


def test_what_may_repeat_is_not_cut(tmp_path: Path) -> None:
    row = "| 0 | 0 | 0 | milk |\n"
    agent = scripted(
        [plan("", "caller"), call("write_file", path="a.txt", content=row * 50), *ENDING], tmp_path
    )
    run(agent.agent, lambda request: request.allow())
    assert (tmp_path / "workspace" / "a.txt").read_text() == row * 50
    copied = scripted([plan("", "caller"), call("search_text", query=PART * 10), *ENDING], tmp_path).agent
    assert observed(run(copied, text=f"search for {PART * 20}")), "the person repeated it"
    lines = 'say "milk" and no other word\n' * 20
    copied = scripted([plan("", "caller"), call("search_text", query=lines), *ENDING], tmp_path).agent
    assert observed(run(copied, text=f"search for\n{lines}")), "in lines and quotes too"
    calls = "\n".join(call("search_text", query=f"milk {'x' * 50}") for _ in range(4))
    several = scripted([plan("", "caller"), calls, *ENDING], tmp_path).agent
    assert observed(run(several)), "each of several like calls is one"
