"""Rules that a call is checked by before it runs, against the words of the question.

A rule speaks only where the question is plain: it names an operator, a direction in time, a unit beside its
number. It does not repair a call; it says what is doubtful, so that somebody can be asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.checks.calls.expressions import factors, once, operator, percent, shared_factor
from agent.checks.calls.last_result import expression_of_another_number, value_of_an_earlier_question
from agent.checks.calls.operands import left_out
from agent.checks.spoken import days_named, spoken_operands
from agent.llama.grammar.numbers import number_atoms, spoken_numbers
from agent.transcript import Call, CallerTurn, PlannerTurn, ToolTurn, Transcript, Turn, UserTurn

ANY_TOOL = "*"
"""Stands for the tools that have no least margin of their own."""
UNSURE = "the models were not sure of this call"

Rule = Callable[[Mapping[str, Any], str], str | None]

_BACKWARD = re.compile(
    r"\b(?:ago|before(?! (?:yesterday|lunch|dinner|bed|I|we|you)\b)|earlier|prior"
    r"|(?<!it )(?<!them )(?<!give )(?<!paid )back(?! (?:in|on|home)\b)"
    r"|backwards?|subtract|minus|take (?:away|off))\b",
    re.IGNORECASE,
)
_DATES = ("date", "start", "end")
_IN_DIGITS = re.compile(r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b")
_COUNTED_DAYS = re.compile(r"\b(\d+|(?:[a-z]+[ -]){0,6}[a-z]+) days\b", re.IGNORECASE)
_DAYS_FROM = re.compile(
    r"\b(?:\d+|[a-z]*(?:ty|teen|ten|nine|eight|seven|six|five|four|three|two)) (?:days|weeks)"
    r" (?:before|after|from)\b",
    re.IGNORECASE,
)
_DAYS_TO = re.compile(r"\bdays (?:to|until|till|between)\b", re.IGNORECASE)
_TOOL_NAMED = re.compile(r"\b(?:use|call) ([a-z]+(?:_[a-z0-9]+)+)\b(?![./]\w)")
_WRITES = re.compile(
    r"\b(?:writ|sav|put|stor|creat|mak|add|append|cop[iy]|chang|replac|overwrit|record|insert|remov|delet|correct"
    r"|fix|updat|edit|note|jot|type|keep|hold|export|dump|print|prepar|generat|compos|produc|draft|enter|contain"
    r"|list for|locate|want|shall\b)"
    r"|\b(?:should|must|has to) (?:read|say|tell|be|have|find)\b|\bturn\b.*\binto\b|> ?\S+$",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\b(?:what|which|when|where|who|whose|how|look|read|show|tell|give)\b", re.IGNORECASE)
_QUOTED = re.compile(r"(?<!\w)(?:'([^'\n]{3,})'|\"([^\"\n]{3,})\"|\u201c([^\u201d\n]{3,})\u201d)(?!\w)")
_VALUE = r"\d+(?:\.\d+)?|[a-z]+(?:-[a-z]+)?"
_BELOW_ZERO = re.compile(
    rf"(?<!\w)(?<!\d )(?:minus|negative|[-\u2212])\s?(?P<minus>{_VALUE})(?![\w.])"
    rf"|\b(?P<below>{_VALUE})(?: degrees?)?(?: celsius| fahrenheit)? below (?:zero|freezing)\b",
    re.IGNORECASE,
)
_TEXT_OF = {"write_file": "content", "add_note": "text"}
_SETTLED = frozenset(("add_days", "convert_units", "days_between"))
_FORWARD = re.compile(r"\b(?:after|later|from (?:now|today)|following|hence|forward)\b", re.IGNORECASE)


@dataclass(frozen=True)
class CallCheck:
    """The rules of this module, and the least margins that a bundle's calls of each tool should have.

    `least_margins` are in nats, by the tool's name or ANY_TOOL; `agent.checks.calls.margins` finds them.
    """

    least_margins: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, transcript: Transcript, call: Call, margin: float) -> str:
        """Return what is doubtful about a call; empty if nothing is."""
        least = self.least_margins.get(call.name, self.least_margins.get(ANY_TOOL, -math.inf))
        return doubt_about(transcript, call) or (UNSURE if margin < least else "")


def doubt_about(transcript: Transcript, call: Call) -> str:
    """Return what is doubtful about a call of the first step after a question; empty if no rule speaks.

    `transcript` ends before that step, or with its calls and the results of those that were made.
    """
    step, turns = _step(transcript, call)
    if doubt := _tool_not_on_offer(transcript, turns):
        return doubt
    if (asked := _first_step_after(turns)) is None:
        return ""
    earlier, question = asked
    found = [rule(call.arguments, question) for rule in _RULES.get(call.name, ())]
    found += [_from_elsewhere(call, earlier, question), _quoted(call, question)]
    if call.name == "calculate":
        found.append(_left_out(step, question, _planned(turns)))
    return next((doubt for doubt in found if doubt), "")


def is_settled(transcript: Transcript, call: Call) -> bool:
    """Return whether the rules know enough of a call that another one which they do not doubt may replace it.

    Of an expression they know too little, except where its question goes on from the last result, and of a
    text, except where the question quotes it: many wrong ones pass. `transcript` is as in `doubt_about`.
    """
    asked = _first_step_after(_step(transcript, call)[1])
    if call.name in _SETTLED or asked is None:
        return call.name in _SETTLED
    return bool(_from_elsewhere(call, *asked) or _quoted(call, asked[1]))


def _first_step_after(turns: Sequence[Turn]) -> tuple[Sequence[Turn], str] | None:
    """Return the turns before the last question, and the question; None where calls followed it."""
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        if isinstance(turn, CallerTurn):
            break
        if isinstance(turn, UserTurn):
            return turns[:index], turn.content
    return None


def _from_elsewhere(call: Call, earlier: Sequence[Turn], question: str) -> str:
    """The number that a question goes on from is the last result."""
    match call.name, call.arguments:
        case "calculate", {"expression": str(expression)}:
            return expression_of_another_number(expression, earlier, question)
        case "convert_units", {"value": int() | float() as value}:
            return value_of_an_earlier_question(value, earlier, question)
    return ""


def _step(transcript: Transcript, call: Call) -> tuple[Sequence[Call], Sequence[Turn]]:
    """Return the calls of the step that `call` is one of, and the turns before them."""
    turns = transcript.turns
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        if isinstance(turn, CallerTurn):
            is_open = len(turn.calls) > len(turns) - index - 1 and call in turn.calls
            return (turn.calls, turns[:index]) if is_open else ((call,), turns)
        if not isinstance(turn, ToolTurn):
            break
    return (call,), turns


def _tool_not_on_offer(transcript: Transcript, turns: Sequence[Turn]) -> str:
    """The thought before a step names a tool only where that is on offer.

    Small models write one underscore where the name of a server's tool has two.
    """
    names = {re.sub("_+", "_", tool.name) for tool in transcript.tools}
    if not names or not turns or not isinstance(turns[-1], PlannerTurn):
        return ""
    named = _TOOL_NAMED.findall(turns[-1].content)
    unknown = [name for name in named if re.sub("_+", "_", name) not in names]
    return f"the planner named {unknown[0]}, which is no tool on offer" if unknown else ""


def _planned(turns: Sequence[Turn]) -> str:
    """Return what the thought before a step says will be done after it; empty if it says nothing of that."""
    thought = turns[-1].content if turns and isinstance(turns[-1], PlannerTurn) else ""
    return thought.partition(", then ")[2]


def _left_out(calls: Sequence[Call], question: str, planned: str) -> str | None:
    """Expressions that hold one of the numbers of a question hold all of them, with the calls beside them.

    A number may also wait for a later call, where the thought before them says so.
    """
    written = " ".join(str(value) for call in calls for value in call.arguments.values())
    number = left_out(f"{written} {planned}", question)
    return f"the expression leaves out {number}" if number else None


def _direction(arguments: Mapping[str, Any], question: str) -> str | None:
    """Days before a date are negative, those after it are not."""
    days = arguments.get("days", 0)
    back, forward = _BACKWARD.search(question), _FORWARD.search(question)
    if back and not forward and days > 0:
        return f"the question says {back.group()} and the days are counted forward"
    if forward and not back and days < 0:
        return f"the question says {forward.group()} and the days are counted back"
    return None


def _weeks(arguments: Mapping[str, Any], question: str) -> str | None:
    """A count of weeks alone is a multiple of seven days."""
    only = re.search(r"\bweeks?\b", question) and not re.search(r"\b(?:days?|months?|years?)\b", question)
    numbers = number_atoms([question]) | spoken_numbers(question)
    days = arguments.get("days", 0)
    if only and days % 7 and str(abs(days)) in numbers:
        return "the question counts weeks and the call days"
    return None


def _units(arguments: Mapping[str, Any], question: str) -> str | None:
    """The value stands beside the unit that it is in, not beside the other one."""
    value = re.escape(f"{arguments.get('value', '')}".removesuffix(".0"))
    source, target = (re.escape(str(arguments.get(name, ""))) for name in ("from_unit", "to_unit"))
    beside = rf"(?<![\d.,]){value}\s*"
    if re.search(rf"{beside}{target}\b", question) and not re.search(rf"{beside}{source}\b", question):
        return f"the question gives {arguments.get('value')} in {arguments.get('to_unit')}"
    return None


def _sign(arguments: Mapping[str, Any], question: str) -> str | None:
    """A value that the question says is below zero is negative."""
    value = arguments.get("value", 0)
    for found in _BELOW_ZERO.finditer(question):
        said = found["minus"] or found["below"]
        forms = {said} if said[0].isdigit() else set[str]().union(*spoken_operands(said))
        if value > 0 and f"{value}".removesuffix(".0") in forms:
            return f"the question says {found.group().strip()} and the value is above zero"
    return None


def _count_of_days(arguments: Mapping[str, Any], question: str) -> str | None:
    """A question that counts days once, and nothing else, gives their number."""
    counted = _COUNTED_DAYS.findall(question)
    if (
        "days" not in arguments
        or len(counted) != 1
        or re.search(r"\b(?:weeks?|months?|years?|fortnights?|tomorrow|tmrw|yesterday|also|plus)\b", question)
    ):
        return None
    words = counted[0].lower()
    numbers = {int(words)} if words.isdigit() else {int(number) for number in spoken_numbers(words)}
    if numbers and abs(arguments["days"]) not in numbers:
        return f"the question says “{counted[0]} days” and the call {arguments['days']}"
    return None


def _dates(arguments: Mapping[str, Any], question: str) -> str | None:
    """One of the dates of a call is the question's, where it names any and the call no relative one."""
    named = set(days_named(question))
    given = [set(days_named(str(arguments.get(name, "")))) for name in ("date", "start", "end")]
    found = [days for days in given if days]
    relative = any(
        str(arguments.get(name, "")) and not days for name, days in zip(_DATES, given, strict=True)
    )
    relative |= _IN_DIGITS.search(question) is not None
    if named and found and not relative and not any(days & named for days in found):
        return f"the question does not name the day {', '.join(map(_day_text, sorted(set.union(*found))))}"
    return None


def _asks_for_a_date(arguments: Mapping[str, Any], question: str) -> str | None:
    """A question that counts days from a date asks for another date."""
    if (found := _DAYS_FROM.search(question)) and not _DAYS_TO.search(question):
        return f"the question says {found.group()} and asks for a date"
    return None


def _same_unit(arguments: Mapping[str, Any], question: str) -> str | None:
    """A conversion leads to another unit, unless the question names one unit twice."""
    source, target = (str(arguments.get(name, "")).strip().lower() for name in ("from_unit", "to_unit"))
    is_asked_for = question.lower().count(source) > 1
    return f"the call converts {source} to {target}" if source == target != "" and not is_asked_for else None


def _writing(arguments: Mapping[str, Any], question: str) -> str | None:
    """A question that asks for something to be told, and has no word of writing, writes no file."""
    if _ASKS.search(question) and not _WRITES.search(question):
        return "the question does not ask to write anything"
    return None


def _apart(arguments: Mapping[str, Any], question: str) -> str | None:
    """The path and the content of a file are not the same words of a question."""
    inner, outer = sorted((str(arguments.get("path", "")), str(arguments.get("content", ""))), key=len)
    words = re.compile(rf"(?<!\w){re.escape(inner)}(?!\w)") if inner.strip() else None
    if words and outer in question and 0 < len(words.findall(question)) <= len(words.findall(outer)):
        return "the path and the content are the same words of the question"
    return None


def _quoted(call: Call, question: str) -> str:
    """A text that a question quotes is written as it stands there, where a call writes most of its words."""
    written = str(call.arguments.get(_TEXT_OF.get(call.name, ""), ""))
    words = set(written.split())
    for found in _QUOTED.finditer(question) if written else ():
        text = next(group for group in found.groups() if group)
        parts = text.split()
        alike = sum(part in words for part in parts)
        if text not in written and 2 * alike >= len(parts) and len(parts) > 1:
            return f"the question quotes “{text}” and the call writes something else"
    return ""


def _day_text(day: tuple[int, str]) -> str:
    return f"{day[0]} {day[1].title()}"


_RULES: Mapping[str, tuple[Rule, ...]] = {
    "calculate": (operator, once, shared_factor, percent, factors),
    "add_days": (_weeks, _direction, _count_of_days, _dates),
    "days_between": (_asks_for_a_date, _dates),
    "convert_units": (_units, _same_unit, _sign),
    "write_file": (_writing, _apart),
}
