"""The twenty tools on offer in the trace of the benchmarks: 1,500 tokens in Qwen2's vocabulary."""

from __future__ import annotations

from typing import Any

from agent.transcript import ToolSpec


def _tool(name: str, description: str, optional: str = "", /, **parameters: Any) -> ToolSpec:
    """Return a tool; parameters named in `optional` are not required, and a list of values makes an enum."""
    properties = {
        key: {"type": "string", "enum": value} if isinstance(value, list) else {"type": value}
        for key, value in parameters.items()
    }
    required = [key for key in parameters if key not in optional.split()]
    return ToolSpec(name, description, {"type": "object", "properties": properties, "required": required})


TOOLS = (
    _tool(
        "add_days",
        "Add a number of days to a date, written as year-month-day, and tell the date and the weekday"
        " that come out; a negative number goes back in time.",
        date="string",
        days="integer",
    ),
    _tool(
        "add_note",
        "Append a line to the user's own notes, with the day it was written and a label to find it by."
        " Notes are kept for all folders together.",
        "label",
        text="string",
        label="string",
    ),
    _tool(
        "calculate",
        "Work out an arithmetic expression of numbers, brackets, powers, roots and percentages exactly,"
        " with as many digits as the result has, up to thirty of them.",
        expression="string",
    ),
    _tool(
        "convert_currency",
        "Convert an amount between two currencies, named by three letters, at the central bank's rate of"
        " a day, or at the latest rate where no date is given.",
        "date",
        amount="number",
        from_currency="string",
        to_currency="string",
        date="string",
    ),
    _tool(
        "convert_units",
        "Convert a value from one unit to another of the same kind: length, mass, volume, time, speed,"
        " energy, data or temperature.",
        value="number",
        from_unit="string",
        to_unit="string",
    ),
    _tool(
        "current_time",
        "Tell the date and the time now, here or in a time zone that is named as in Europe/Lisbon, and"
        " how far that zone is ahead of universal time.",
        "timezone",
        timezone="string",
    ),
    _tool(
        "define_word",
        "Look a word up in the dictionary of a language: its meanings, where it comes from, and an"
        " example of a sentence for each of them.",
        "language",
        word="string",
        language=["en", "de", "fr", "ja"],
    ),
    _tool(
        "file_info",
        "Tell the size, the kind and the last change of a file or folder in the workspace, and for a"
        " text file how many lines and words it has.",
        path="string",
    ),
    _tool(
        "find_files",
        "Find files whose name matches a pattern with * and ? in a folder and all folders below it, the"
        " ones that were changed last at the top.",
        "path",
        name="string",
        path="string",
    ),
    _tool(
        "find_flights",
        "List flights between two airports on a day with their times, prices in euros and free seats,"
        " direct ones first and then those with a stop.",
        "adults cabin",
        origin="string",
        destination="string",
        date="string",
        adults="integer",
        cabin=["economy", "business", "first"],
    ),
    _tool(
        "find_hotels",
        "List hotels with free rooms in a city for a number of nights, the best rated or the cheapest"
        " first, with the price for all of the nights together.",
        "order",
        city="string",
        arrival="string",
        nights="integer",
        order=["rating", "price"],
    ),
    _tool(
        "find_trains",
        "List trains between two stations on a day, with departure, arrival, changes of train and"
        " platforms, from a time of the day on if one is given.",
        "after",
        origin="string",
        destination="string",
        date="string",
        after="string",
    ),
    _tool(
        "get_forecast",
        "Tell the weather expected in a city on a day: temperatures, rain, wind, sunrise and sunset, for"
        " at most two weeks from now on, or what is usual there at that time of the year.",
        "hourly",
        city="string",
        date="string",
        hourly="boolean",
    ),
    _tool(
        "list_files",
        "List the files and folders in a folder of the workspace, with their sizes, by name or by date,"
        " at most one hundred of them at once.",
        "path order",
        path="string",
        order=["name", "date"],
    ),
    _tool(
        "read_file",
        "Read a text file of the workspace, whole or from one line to another, at most 200 lines at"
        " once; lines are counted from one.",
        "start_line end_line",
        path="string",
        start_line="integer",
        end_line="integer",
    ),
    _tool(
        "search_notes",
        "Find the user's own notes that contain all the words given, the newest first, each with its day"
        " and its label if it has one.",
        "limit",
        query="string",
        limit="integer",
    ),
    _tool(
        "search_text",
        "Find the lines of the workspace's text files that contain a text, with file name and line"
        " number, at most fifty of them.",
        "path ignore_case",
        query="string",
        path="string",
        ignore_case="boolean",
    ),
    _tool(
        "system_info",
        "Tell which system this is: its name and version, processors, memory and free space on the disk,"
        " and how long it has been running without a break since it was started.",
    ),
    _tool(
        "translate",
        "Translate a text into another language and keep its paragraphs, names and numbers as they are;"
        " formal chooses how the reader is addressed where the language knows two ways of doing it.",
        "formal",
        text="string",
        to_language=["en", "de", "fr", "ja", "pt"],
        formal="boolean",
    ),
    _tool(
        "write_file",
        "Write a text file of the workspace anew, or append to the one that is there; folders that are"
        " missing on the way to it are made, and nothing is written outside of the workspace.",
        "append",
        path="string",
        content="string",
        append="boolean",
    ),
)
