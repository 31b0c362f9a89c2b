"""Intents over `search_text` that ask for marks, for line numbers, or for what the found line gives."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import any_path, lines_of, query_in, search_answer
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, step
from train.data.synthetic.worlds.world import World

MARKS = ("TODO", "FIXME", "DONE", "ERROR", "WARN", "ALARM", "FAULT")
"""Words in capitals that people mark lines with."""
MAX_HITS = 8
"""Maximum number of lines that an answer quotes."""


@intent("search_text", topic="searching files", weight=4)
def search_mark(sample: Sampler, world: World) -> Script:
    """All lines with a mark, in any file."""
    lines = [line for path in world.files for line in lines_of(world, path)]
    mark = sample.rng.choice([mark for mark in MARKS if any(mark in line for line in lines)])
    if sum(mark.lower() in line.lower() for line in lines) > MAX_HITS:
        raise ValueError(mark)
    yield Question(sample.question("search_mark", q=mark))
    turns = yield step(f"I will search the files for {mark} with {{tool}}.", "search_text", query=mark)
    return search_answer(turns[0], mark)


@intent("search_text", topic="searching files", weight=3)
def line_somewhere(sample: Sampler, world: World) -> Script:
    """The number of the line that has a word, in a file that is not named."""
    query = query_in(sample, world, any_path(sample, world))
    hits = [line for path in world.files for line in lines_of(world, path) if query.lower() in line.lower()]
    if len(hits) != 1:
        raise ValueError(query)
    yield Question(sample.question("line_somewhere", q=query))
    turns = yield step(f"I will search the files for {query} with {{tool}}.", "search_text", query=query)
    return search_answer(turns[0], query)


@intent("search_text", topic="searching files", weight=4)
def line_in(sample: Sampler, world: World) -> Script:
    """The number of the line of a file, or of a file of a folder, that has a word."""
    path = any_path(sample, world)
    query = query_in(sample, world, path)
    place = path.rpartition("/")[0] if "/" in path and sample.chance(0.5) else path
    yield Question(sample.question("line_in", q=query, path=place))
    turns = yield step(
        f"I will search {place} for {query} with {{tool}}.", "search_text", query=query, path=place
    )
    return search_answer(turns[0], query, place)


@intent("search_text", topic="searching files", weight=6)
def constant_value(sample: Sampler, world: World) -> Script:
    """The value of a constant in source code."""
    path = any_path(sample, world, "source")
    key, value = sample.rng.choice(world.documents[path].facts)
    line = next(line for line in lines_of(world, path) if line.startswith(f"{key} "))
    yield Question(sample.question("constant_value", key=key))
    turns = yield step(f"I will search the files for {key} with {{tool}}.", "search_text", query=key)
    hits = turns[0].content.split("\n")
    if len(hits) > 3 or sum(hit.endswith(line) for hit in hits) != 1:
        raise ValueError(key)
    return Outcome(
        f"{key} is {value}, it stands in {path}.",
        (value,),
        thought=f"The line of {key} says: {line}",
        memory=Memory(Again("value_somewhere", {"key": key}), path=path),
    )


@intent("search_text", topic="searching files", weight=4)
def logged_when(sample: Sampler, world: World) -> Script:
    """The time that a log gives for a message."""
    path = any_path(sample, world, "log")
    line = sample.rng.choice(lines_of(world, path))
    day, time, _, message = line.split(" ", 3)
    yield Question(sample.question("logged_when", q=message))
    turns = yield step(f"I will search the files for {message} with {{tool}}.", "search_text", query=message)
    if turns[0].content.count("\n") or not turns[0].content.endswith(line):
        raise ValueError(message)
    return Outcome(
        f"It was on {day} at {time}, as {path} says.",
        (day, time),
        thought=f"The line says: {line}",
        memory=Memory(Again("search", {"q": message}), path=path, day=day),
    )
