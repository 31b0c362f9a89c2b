"""Alternative names and descriptions of the built-in tools, so that a model has to read the tool list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alias:
    """Alternative names and descriptions of a tool, and alternative names of its parameters."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    parameters: dict[str, tuple[str, ...]]


ALIASES: dict[str, Alias] = {
    "calculate": Alias(
        ("calc", "evaluate", "math", "compute", "arithmetic", "solve_expression", "calculator", "eval_math"),
        (
            "Evaluate arithmetic.",
            "Compute the value of a math expression.",
            "A calculator for sums, products and percentages.",
            "Solve an arithmetic expression and return the number.",
        ),
        {"expression": ("formula", "expr", "input", "sum", "math")},
    ),
    "convert_units": Alias(
        ("unit_convert", "convert", "units", "change_units", "measure_convert", "unit_converter"),
        (
            "Convert between units of measure.",
            "Change a quantity into another unit.",
            "Unit conversion for length, weight, volume and more.",
            "Express a measurement in a different unit.",
        ),
        {
            "value": ("amount", "quantity", "number", "x"),
            "from_unit": ("source", "unit", "from", "unit_in"),
            "to_unit": ("target", "new_unit", "to", "unit_out"),
        },
    ),
    "current_time": Alias(
        ("clock", "now", "get_time", "time_now", "what_time", "date_and_time"),
        (
            "Get the time and date now.",
            "Look at the clock, here or in a time zone.",
            "Return today's date and the present time.",
            "Say what time it is.",
        ),
        {"timezone": ("zone", "tz", "place", "city")},
    ),
    "add_days": Alias(
        ("shift_date", "date_plus", "move_date", "date_add", "offset_date", "days_later"),
        (
            "Shift a date by a number of days.",
            "Find the date some days after or before another.",
            "Move a date forwards or backwards.",
            "Date arithmetic: a date plus days.",
        ),
        {"date": ("day", "from_date", "base", "when"), "days": ("count", "offset", "n", "delta")},
    ),
    "days_between": Alias(
        ("date_diff", "count_days", "date_difference", "days_from_to", "day_span", "days_apart"),
        (
            "How many days lie between two dates.",
            "Difference of two dates in days.",
            "Count days from a first date to a second.",
            "Measure the time between two dates.",
        ),
        {"start": ("first", "from_date", "date1", "a"), "end": ("second", "to_date", "date2", "b")},
    ),
    "list_files": Alias(
        ("ls", "list_folder", "dir", "show_folder", "list_directory", "browse"),
        (
            "Show what is in a folder.",
            "List a directory.",
            "Names of the files and folders at a path.",
            "Look into a folder.",
        ),
        {"path": ("folder", "directory", "dir", "where")},
    ),
    "find_files": Alias(
        ("locate", "find", "file_search", "find_by_name", "lookup_file", "where_is"),
        (
            "Locate files by name.",
            "Find where a file is from part of its name.",
            "Look for file names that contain a text.",
            "Search for a file by its name.",
        ),
        {"name": ("pattern", "part", "filename", "title"), "path": ("folder", "root", "where", "dir")},
    ),
    "search_text": Alias(
        ("grep", "search_in_files", "find_text", "full_text_search", "search_contents", "text_search"),
        (
            "Find words inside files.",
            "Search file contents for a phrase.",
            "Which files and lines contain a text.",
            "Look for text within the files.",
        ),
        {"query": ("text", "words", "phrase", "needle"), "path": ("folder", "within", "where", "scope")},
    ),
    "read_file": Alias(
        ("cat", "open_file", "show_file", "get_file", "view_file", "load_text"),
        (
            "Show what a text file says.",
            "Return the contents of a file.",
            "Open a file and read its lines.",
            "Get the text of a file.",
        ),
        {
            "path": ("file", "filename", "file_path", "name"),
            "start_line": ("first_line", "from_line", "begin", "start"),
            "end_line": ("last_line", "to_line", "stop", "end"),
        },
    ),
    "file_info": Alias(
        ("stat", "file_details", "describe_file", "file_stats", "inspect_file", "properties"),
        (
            "Size, line count and date of a file.",
            "Details about a file.",
            "How large a file is and when it changed.",
            "Describe a file without reading it.",
        ),
        {"path": ("file", "filename", "file_path", "name")},
    ),
    "write_file": Alias(
        ("save_file", "create_file", "put_file", "store_text", "save_text", "make_file"),
        (
            "Save text in a file.",
            "Create a file with the given text.",
            "Put text into a file.",
            "Store content under a path.",
        ),
        {"path": ("file", "filename", "target", "name"), "content": ("text", "body", "data", "contents")},
    ),
    "add_note": Alias(
        ("note", "remember", "save_note", "take_note", "new_note", "memo"),
        (
            "Remember something for later.",
            "Keep a note.",
            "Write down a memo.",
            "Store a short note for the user.",
        ),
        {"text": ("note", "content", "message", "memo")},
    ),
    "search_notes": Alias(
        ("find_notes", "notes", "recall", "list_notes", "look_up_notes", "my_notes"),
        (
            "Find notes that were saved.",
            "Look through the user's notes.",
            "Recall notes, all or by words.",
            "List notes, optionally with a word in them.",
        ),
        {"query": ("words", "about", "text", "keyword")},
    ),
    "system_info": Alias(
        ("machine_info", "about_computer", "sysinfo", "hardware", "computer_details", "host_info"),
        (
            "Details of this machine.",
            "Operating system, processor, memory and disk.",
            "Describe the computer this runs on.",
            "Hardware and system facts.",
        ),
        {},
    ),
}
