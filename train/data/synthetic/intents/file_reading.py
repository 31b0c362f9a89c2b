"""Intents over `read_file` and `file_info`, alone and after a search."""

from __future__ import annotations

from agent.transcript import ToolTurn
from train.data.synthetic.intents.files import (
    FIND_THOUGHT,
    FOUND_THOUGHT,
    READ_THOUGHT,
    any_path,
    file_contents,
    lines_of,
    query_in,
    unique_stem,
)
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, intent, step
from train.data.synthetic.world import World

NOT_FOUND_THOUGHT = "There is no such file; I will look for it with {tool}."


def _read_or_find(path: str) -> Script:
    """Read a file; if it does not exist, find it by its stem and read the file found."""
    observations = yield step(READ_THOUGHT, "read_file", path=path)
    if not observations[0].error:
        return file_contents(path, observations[0].content)
    observations = yield step(NOT_FOUND_THOUGHT, "find_files", name=unique_stem(path))
    if observations[0].content.startswith("no file"):
        return give_up(observations[0], f"There is no file {path}.")
    found = observations[0].content.split("\n")[0]
    observations = yield step(FOUND_THOUGHT, "read_file", path=found)
    return file_contents(found, observations[0].content)


def _misnamed(sample: Sampler, path: str) -> str:
    """Return a path without its folder and extension, or with another extension."""
    stem = unique_stem(path)
    if sample.chance(0.5):
        return stem
    return f"{stem}{'.txt' if not path.endswith('.txt') else '.md'}"


@intent("read_file", "find_files", topic="reading files", weight=2)
def read(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    yield Question(sample.question("read", path=path))
    return (yield from _read_or_find(path))


@intent("read_file", "find_files", topic="reading files", weight=2)
def read_misnamed(sample: Sampler, world: World) -> Script:
    wrong = (
        sample.value(sample.file_name) if sample.chance(0.2) else _misnamed(sample, any_path(sample, world))
    )
    yield Question(sample.question("read", path=wrong))
    return (yield from _read_or_find(wrong))


@intent("read_file", topic="reading files", weight=0.8)
def read_lines(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    count = len(lines_of(world, path))
    start = sample.rng.randint(1, count)
    end = sample.rng.randint(start, count)
    yield Question(sample.question("read_lines", path=path, s=start, e=end))
    observations = yield step(READ_THOUGHT, "read_file", path=path, start_line=start, end_line=end)
    return file_contents(path, observations[0].content)


@intent("read_file", topic="reading files", weight=0.6)
def first_lines(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    end = sample.rng.randint(1, len(lines_of(world, path)))
    yield Question(sample.question("first_lines", path=path, e=end))
    observations = yield step(READ_THOUGHT, "read_file", path=path, start_line=1, end_line=end)
    return file_contents(path, observations[0].content)


@intent("read_file", topic="reading files", weight=1.2)
def value_of(sample: Sampler, world: World) -> Script:
    pairs = [
        (path, *line.split(mark, 1))
        for path in world.files
        for line in lines_of(world, path)
        for mark in (": ", " = ")
        if line.count(mark) == 1 and len(line) < 40
    ]
    if not pairs:
        return (yield from read(sample, world))
    path, key, value = sample.rng.choice(pairs)
    yield Question(sample.question("value_of", key=key, path=path))
    yield step(READ_THOUGHT, "read_file", path=path)
    return Outcome(f"The {key} in {path} is {value}.", (value,))


@intent("find_files", "read_file", topic="finding files", weight=1.2)
def read_found(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    name = unique_stem(path)
    yield Question(sample.question("read_found", name=name))
    observations = yield step(FIND_THOUGHT, "find_files", name=name)
    found = observations[0].content.split("\n")[0]
    observations = yield step(FOUND_THOUGHT, "read_file", path=found)
    return file_contents(found, observations[0].content)


@intent("search_text", "read_file", topic="searching files", weight=0.8)
def search_then_read(sample: Sampler, world: World) -> Script:
    query = query_in(sample, world, any_path(sample, world))
    yield Question(sample.question("search_then_read", q=query))
    observations = yield step("I will search the files with {tool}.", "search_text", query=query)
    if observations[0].error or observations[0].content.startswith("no file"):
        return give_up(observations[0], f"No file contains {query}.")
    found = observations[0].content.split(":", 1)[0]
    observations = yield step(FOUND_THOUGHT, "read_file", path=found)
    return file_contents(found, observations[0].content)


def _info(question: str, path: str, aspect: str) -> Script:
    yield Question(question)
    observations = yield step("I will look at the file with {tool}.", "file_info", path=path)
    return _info_answer(observations[0], path, aspect)


def _info_answer(observation: ToolTurn, path: str, aspect: str) -> Outcome:
    if observation.error:
        return give_up(observation, f"There is no file {path}.")
    size, lines, changed = observation.content.removeprefix(f"{path}: ").split(", ")
    if aspect == "size":
        return Outcome(f"{path} has {size}.", (size.split(" ")[0],))
    if aspect == "lines":
        return Outcome(f"{path} has {lines}.", (lines.split(" ")[0],))
    when = changed.removeprefix("changed ")
    return Outcome(f"{path} was last changed on {when}.", (when,))


def _maybe_missing(sample: Sampler, world: World) -> str:
    return sample.value(sample.file_name) if sample.chance(0.1) else any_path(sample, world)


@intent("file_info", topic="file sizes", weight=0.8)
def info_size(sample: Sampler, world: World) -> Script:
    path = _maybe_missing(sample, world)
    return _info(sample.question("info_size", path=path), path, "size")


@intent("file_info", topic="file dates", weight=0.8)
def info_date(sample: Sampler, world: World) -> Script:
    path = _maybe_missing(sample, world)
    return _info(sample.question("info_date", path=path), path, "date")


@intent("file_info", topic="counting lines", weight=0.6)
def info_lines(sample: Sampler, world: World) -> Script:
    path = _maybe_missing(sample, world)
    return _info(sample.question("info_lines", path=path), path, "lines")


@intent("find_files", "file_info", topic="finding files", weight=0.6)
def list_then_info(sample: Sampler, world: World) -> Script:
    name = unique_stem(any_path(sample, world))
    yield Question(sample.question("list_then_info", name=name))
    observations = yield step(FIND_THOUGHT, "find_files", name=name)
    found = observations[0].content.split("\n")[0]
    observations = yield step("I found the file; I will look at it with {tool}.", "file_info", path=found)
    return _info_answer(observations[0], found, "size")


@intent("file_info", topic="file sizes", weight=0.5)
def two_infos(sample: Sampler, world: World) -> Script:
    first, second = sample.rng.sample(list(world.files), 2)
    yield Question(sample.question("two_infos", path=first, path2=second))
    observations = yield Step(
        "Both files at once with {tool}.",
        (ToolCall("file_info", {"path": first}), ToolCall("file_info", {"path": second})),
    )
    ends = [
        _info_answer(turn, path, "size") for turn, path in zip(observations, (first, second), strict=True)
    ]
    return Outcome(f"{ends[0].answer[:-1]} and {ends[1].answer}", ends[0].expects + ends[1].expects)


@intent("read_file", topic="reading files", weight=0.8)
def two_reads(sample: Sampler, world: World) -> Script:
    first, second = sample.rng.sample(list(world.files), 2)
    yield Question(sample.question("two_reads", path=first, path2=second))
    observations = yield Step(
        "Both files at once with {tool}.",
        (ToolCall("read_file", {"path": first}), ToolCall("read_file", {"path": second})),
    )
    a, b = observations[0].content, observations[1].content
    return Outcome(f"{first} says:\n{a}\n{second} says:\n{b}", (*a.split("\n"), *b.split("\n")))
