"""The intent of two requests in one message."""

from __future__ import annotations

from dataclasses import replace

from agent.transcript import ToolTurn
from train.data.phrasings import FRAMING
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import INTENTS, Intent, Question, Script, Step, planned
from train.data.synthetic.worlds.world import World

_JOINTS = (
    *(" and ", ". And ", "? and ", "; also ", ", then ", ". Also, ", " plus: ", ". Then ", "? Plus: ", " + "),
    *(
        " and also ",
        ". Second question: ",
        ", and secondly ",
        "? Oh, and ",
        " & ",
        " / ",
        ", besides ",
        "? 2) ",
    ),
    *(
        " as well as ",
        "? and while you're at it: ",
        ". Apart from that: ",
        "; and ",
        ". one more: ",
        ", plus ",
        ". ",
        "? ",
        "; ",
        "? Then ",
        ". After that ",
        ", after that ",
        ". Next: ",
        ". By the way, ",
        ". Another thing: ",
        "... and ",
        ". As well: ",
        ", together with ",
        " then ",
        "\n",
    ),
)
_LONGEST = 90
"""Characters of a second request, which the thoughts copy."""
_LEADS = (
    "two things: ",
    "Two questions. ",
    "i need both: ",
    "first ",
    "1) ",
    "Please answer both. ",
    "twofold: ",
    "Two at once: ",
    "a double one: ",
    "both of these please: ",
    "I have two: ",
)
"""Before two requests, sometimes."""
_BOTH: tuple[str, ...] = (
    *("time_in", "convert", "temperature", "percent_of", "multiply", "add", "from_today", "days_until"),
    *("weekday_of", "note_add", "info_size", "system", "date_today", "divide", "near_day", "span_after"),
    *(
        "span_from_today",
        "days_to_feast",
        "spelled_operation",
        "days_before",
        "tip",
        "average",
        "days_between",
    ),
    *("value_of", "stated_in_file", "stated_in_notes", "count_entries", "info_lines", "quantity_in"),
)
"""Intents that a person may ask two of at once; the first is never a note, whose text has no end."""


def _both(sample: Sampler, world: World) -> Script:
    """Two requests in one message: one after the other, and one answer for both."""
    first_name, second_name = sample.rng.sample(_BOTH, 2)
    if first_name == "note_add":
        first_name, second_name = second_name, first_name
    first, second = (INTENTS[name].script(sample, world) for name in (first_name, second_name))
    asked, asked2 = next(first), next(second)
    assert isinstance(asked, Question)
    assert isinstance(asked2, Question)
    also = _without_opening(asked2.text)
    if len(also) > _LONGEST:
        raise ValueError(second_name)
    joint = sample.rng.choice(_JOINTS)
    lead = sample.rng.choice(_LEADS) if sample.chance(0.15) else ""
    yield Question(f"{lead}{asked.text.rstrip('?.! ')}{joint}{also}")
    rest = _copied(also)
    outcome = yield from planned(first, rest)
    if outcome.gave_up:
        raise ValueError(first_name)
    outcome2 = yield from _led(second, f"{outcome.thought.rstrip('.')}. Next {rest}.")
    if outcome2.gave_up:
        raise ValueError(second_name)
    return replace(
        outcome2,
        answer=f"{outcome.answer.rstrip('.')}. {outcome2.answer}",
        expects=(*outcome.expects, *outcome2.expects),
        thought=f"{outcome.thought} {outcome2.thought}",
        memory=Memory(),
    )


def _without_opening(question: str) -> str:
    """Return a request without words before it that greet."""
    said = question.lower()
    openings = [opening for opening in FRAMING["opening"] if said.startswith(opening.lower())]
    return question[len(max(openings, key=len, default="")) :]


def _copied(question: str) -> str:
    """Return a request as a thought names it that is still to be done: in the words of the question."""
    words = question.strip().rstrip("?.! ").replace("\n", " ")
    return words[:1].lower() + words[1:]


def _led(script: Script, done: str) -> Script:
    """Run a script whose first thought begins with what is done already."""
    seen: list[ToolTurn] = []
    is_first = True
    try:
        said = script.send(None)  # type: ignore[arg-type]
        while True:
            if isinstance(said, Step) and is_first:
                said, is_first = Step(f"{done} {said.thought}", said.calls), False
            seen = yield said
            said = script.send(seen)
    except StopIteration as stop:
        return stop.value


def _needs() -> tuple[str, ...]:
    return tuple(dict.fromkeys(tool for name in _BOTH for tool in INTENTS[name].needs))


INTENTS["both"] = Intent("both", _needs(), "several", 3.2, _both)
