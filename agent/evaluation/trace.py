"""The fixed conversation of the benchmarks: twenty tools, a question, four calls and an answer.

In tokens of Qwen2's vocabulary: the tools 1,500, the question 40, in each of four steps a thought of 40, a
call of 30 and an observation of 120, then a last thought of 30 and an answer of 80. The calls are valid for
their tools, and the numbers of the answer occur in the observations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.evaluation.trace_tools import TOOLS
from agent.prompting import segment
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Role,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
)


@dataclass(frozen=True)
class TraceTurn:
    """A generated turn of the trace: its role, the transcript before it, and its text."""

    role: Role
    before: Transcript
    text: str


def generated_turns(transcript: Transcript) -> Iterator[TraceTurn]:
    """Yield the turns of a transcript that a model role generates, in order."""
    for index, turn in enumerate(transcript.turns):
        before = Transcript(transcript.tools, transcript.turns[:index], transcript.instruction)
        text = segment(turn).content
        match turn:
            case PlannerTurn():
                yield TraceTurn("planner", before, text)
            case CallerTurn():
                yield TraceTurn("caller", before, text)
            case SummarizerTurn():
                yield TraceTurn("summarizer", before, text)


QUESTION = UserTurn(
    "I travel from Lisbon to Kyoto on 14 March. How warm will it be there in Fahrenheit, how many yen"
    " are my 450 euros, and when does the last train leave Osaka?"
)
SECOND_QUESTION = UserTurn("How many days are left until the 14th of March, and which weekday is it?")
"""About as long as a person's second question over the same tools."""

CONVERSION_CALL = Call("convert_units", {"value": 13.5, "from_unit": "celsius", "to_unit": "fahrenheit"})

TRACE = Transcript(
    TOOLS,
    (
        QUESTION,
        PlannerTurn(
            "The temperature is asked for in Fahrenheit, so I first look up the weather forecast for the"
            " city of Kyoto on the day of arrival, and take the highest temperature of the day.",
            "caller",
        ),
        CallerTurn((Call("get_forecast", {"city": "Kyoto", "date": "2027-03-14", "hourly": False}),)),
        ToolTurn(
            "get_forecast",
            "Kyoto, Sunday: light clouds in the morning, sunny from noon on, clear in the evening."
            " Lowest temperature 4.0 celsius, highest 13.5 celsius, felt as 12 celsius. Chance of rain"
            " 10 percent, no snow, humidity 55 percent, air pressure steady. Wind light from the"
            " northwest, stronger near the river in the afternoon. Sunrise 06:10, sunset 18:02, moon in"
            " its first quarter. Pollen of cedar high; sensitive visitors should wear a mask outdoors."
            " No warnings are in force.",
        ),
        PlannerTurn(
            "The forecast gives the highest temperature in Celsius, and the user wants to read it in"
            " Fahrenheit, so that value has to be converted before I go on to the question of the money.",
            "caller",
        ),
        CallerTurn((CONVERSION_CALL,)),
        ToolTurn(
            "convert_units",
            "13.5 celsius = 56.3 fahrenheit. Both are scales of temperature: the value was multiplied by"
            " nine fifths, then thirty-two were added. The result is exact and was not rounded. Other"
            " ways to write the same temperature are kelvin and rankine; ask for them by name as the"
            " unit to convert to. For differences between two temperatures, such as the warming over a"
            " day, use the units named delta celsius and delta fahrenheit instead, since a difference is"
            " only multiplied and nothing is added to it. Temperatures below absolute zero are refused.",
        ),
        PlannerTurn(
            "Now that the temperature is known in both scales, the next part of the question is what the"
            " 450 euros are worth in yen, at the latest rate that there is.",
            "caller",
        ),
        CallerTurn(
            (
                Call(
                    "convert_currency",
                    {"amount": 450, "from_currency": "EUR", "to_currency": "JPY", "date": "today"},
                ),
            ),
        ),
        ToolTurn(
            "convert_currency",
            "450 EUR = 73125 JPY at the reference rate of the European Central Bank, 162.5 yen for one"
            " euro, as published on the last working day before today. Reference rates are for"
            " information only: banks and exchange offices add a fee or use a rate of their own, and"
            " cards are often charged one to two percent more. Cash is cheaper to get from a machine in"
            " the country itself than from an exchange office at home. Over the last month the rate"
            " moved between a low and a high that lie close together, without any clear direction.",
        ),
        PlannerTurn(
            "What is still missing is the last train of that day from Osaka to Kyoto, so I ask for the"
            " connections late in the evening, after ten o'clock at night, with all stops.",
            "caller",
        ),
        CallerTurn(
            (Call("find_trains", {"origin": "Osaka", "destination": "Kyoto", "date": "2027-03-14"}),),
        ),
        ToolTurn(
            "find_trains",
            "Osaka to Kyoto, late evening, all of them without a change of train: special rapid service"
            " at 22:45, platform 8, arrives 23:14; rapid service at 23:15, platform 8, arrives 23:54;"
            " local service at 23:38, platform 7, arrives 00:21. The last one stops at every station and"
            " does not run on public holidays. Seats cannot be reserved; a ticket is bought at the"
            " machine or paid for with a travel card at the gate.",
        ),
        PlannerTurn(
            "All three parts are known now: the temperature, the money and the train. Nothing else has"
            " to be looked up, I can answer.",
            "summarizer",
        ),
        SummarizerTurn(
            "It will be sunny in Kyoto and at most 56.3 degrees Fahrenheit warm. Your 450 euros are"
            " 73125 yen at the reference rate; expect slightly less from a bank or a machine. The last"
            " train leaves Osaka at 23:38 from platform 7 and reaches Kyoto at 00:21, without a change."
        ),
    ),
)
