"""Intents over logs, which are searched for the line in question and not read whole."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import any_path, lines_of, search_answer
from train.data.synthetic.intents.question_answering.statements import answer_stated
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Part, Question, Script, intent, step
from train.data.synthetic.worlds.stated import Stated
from train.data.synthetic.worlds.world import World

LOGS = ("event log", "long log")
"""Kinds of documents whose lines begin with a time."""
LEVELS = {"ERROR": ("error", "ERROR", "failure"), "WARN": ("warning", "WARN")}
"""The level that a line is marked with, and what people call it."""


def _asked(sample: Sampler, world: World) -> tuple[str, Stated, str, str]:
    """Return the path of a log, a line of it, a question, and the value that answers it."""
    path = any_path(sample, world, *LOGS)
    one = sample.rng.choice(world.documents[path].stated)
    asked, value = one.ask(sample)
    return path, one, asked, value


def _searched(query: str, line: str, path: str = "") -> Part[None]:
    """Search a log, or all files, for a word of a line. Raise ValueError unless that line alone has it."""
    place, within = (path, {"path": path}) if path else ("the files", {})
    seen = yield step(
        f"I will search {place} for {query} with {{tool}}.", "search_text", query=query, **within
    )
    if "\n" in seen[0].content or not seen[0].content.endswith(line):
        raise ValueError(query)


@intent("search_text", topic="searching files", weight=7)
def stated_in_log(sample: Sampler, world: World) -> Script:
    """What one line of a log that is named states."""
    path, one, asked, value = _asked(sample, world)
    yield Question(sample.question("stated_in", q=asked, path=path))
    yield from _searched(one.shared_word(asked), one.line, path)
    return answer_stated(one.line, value, path, path)


@intent("search_text", topic="searching files", weight=7)
def stated_in_logs(sample: Sampler, world: World) -> Script:
    """What a line of some log states, where the log is not named."""
    path, one, asked, value = _asked(sample, world)
    yield Question(sample.question("stated_in_logs", q=asked))
    yield from _searched(one.shared_word(asked), one.line)
    return answer_stated(one.line, value, path, path)


@intent("search_text", topic="searching files", weight=8)
def only_of_level(sample: Sampler, world: World) -> Script:
    """The one line of a log with a level: where it is, or what it says."""
    path, one, _, _ = _asked(sample, world)
    level = next((word for word in LEVELS if f" {word} " in one.line), "INFO")
    if level == "INFO" or sum(level.lower() in line.lower() for line in lines_of(world, path)) != 1:
        raise ValueError(level)
    folder = path.rpartition("/")[0]
    place = folder if folder and sample.chance(0.5) else path
    called = sample.rng.choice(LEVELS[level])
    yield Question(sample.question("only_of_level", level=called, path=place))
    because = "" if called == level else f"{called} is {level}: "
    seen = yield step(
        f"{because}I will search {place} for {level} with {{tool}}.",
        "search_text",
        query=level,
        path=place,
    )
    if "\n" in seen[0].content:
        raise ValueError(level)
    return search_answer(seen[0], level, place)
