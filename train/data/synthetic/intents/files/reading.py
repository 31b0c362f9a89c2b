"""Intents over `read_file` and `file_info`, alone and after a search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from train.data.phrasings import names
from train.data.synthetic.intents.files.common import (
    any_path,
    file_contents,
    find_spoken,
    info,
    info_answer,
    lined_path,
    lines_of,
    loose_name,
    loosely,
    missing_file,
    open_file,
    query_in,
    spoken_name,
    spoken_path,
    unique_stem,
)
from train.data.synthetic.intents.files.finding import listed
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, intent, step
from train.data.synthetic.worlds.world import World

MAX_QUOTED = 12
"""Maximum number of lines of a file that an answer quotes in full."""


def short_path(sample: Sampler, world: World) -> str:
    """Return the path of a random file of at most `MAX_QUOTED` lines."""
    return sample.rng.choice([p for p in world.files if len(lines_of(world, p)) <= MAX_QUOTED])


def read_or_find(path: str) -> Script:
    """Read a file, found by its name if it is elsewhere, and quote it; after a question."""
    found, seen = yield from open_file(path)
    if seen.error:
        return missing_file(loose_name(path) or path)
    return file_contents(found, seen.content)


def _misnamed(sample: Sampler, path: str) -> str:
    """Return a path without its folder and extension, or with another extension."""
    stem = unique_stem(path)
    if sample.chance(0.5):
        return stem
    return f"{stem}{'.txt' if not path.endswith('.txt') else '.md'}"


@intent("read_file", "find_files", topic="reading files", weight=3.2)
def read(sample: Sampler, world: World) -> Script:
    path = spoken_path(sample, short_path(sample, world))
    yield Question(sample.question("read", path=path))
    return (yield from read_or_find(path))


@intent("read_file", "find_files", topic="reading files", weight=1.2)
def read_misnamed(sample: Sampler, world: World) -> Script:
    path = short_path(sample, world)
    wrong = sample.value(sample.file_name) if sample.chance(0.25) else _misnamed(sample, path)
    yield Question(sample.question("read", path=wrong))
    return (yield from read_or_find(wrong))


@intent("read_file", "list_files", topic="reading files", weight=1.5)
def read_folder(sample: Sampler, world: World) -> Script:
    """What is to be read is a folder, as a slash at its end tells, or the error of reading it: listed."""
    folder = sample.rng.choice(world.folders)
    said = folder if "/" in folder and sample.chance(0.6) else f"{folder}/"
    yield Question(sample.question("read", path=said))
    if said == folder:
        seen = yield step(f"I will read {said} with {{tool}}.", "read_file", path=said)
        if not seen[0].error:
            raise ValueError(said)
    found = yield step(
        f"{folder} is a folder, not a file: I will list {folder} with {{tool}}.", "list_files", path=folder
    )
    outcome = listed(folder, found[0].content)
    return replace(outcome, answer=f"{folder} is a folder. {outcome.answer}")


@intent("read_file", topic="reading files", weight=2)
def read_empty(sample: Sampler, world: World) -> Script:
    """Something is asked of a file that turns out to be empty."""
    path = any_path(sample, world, "empty")
    if sample.chance(0.5):
        yield Question(sample.question("read", path=path))
    else:
        yield Question(sample.question("value_of", key=sample.rng.choice(names.KEYS), path=path))
    seen = yield step(f"I will read {path} with {{tool}}.", "read_file", path=path)
    return replace(file_contents(path, seen[0].content), thought="It is empty.")


@intent("read_file", topic="reading files", weight=5.5)
def read_lines(sample: Sampler, world: World) -> Script:
    path = lined_path(sample, world)
    count = len(lines_of(world, path))
    start = sample.rng.randint(1, count)
    end = sample.rng.randint(start, min(count, start + 8))
    if sample.chance(0.2) and start < count:
        end = start + 1
        yield Question(sample.question("two_lines", path=path, s=start, e=end))
        return (yield from lines_from_to(path, start, end))
    if sample.chance(0.08):
        start, end = count + sample.rng.randint(1, 9), count + sample.rng.randint(10, 20)
    yield Question(sample.question("read_lines", path=path, s=start, e=end))
    return (yield from lines_from_to(path, start, end))


def lines_from_to(path: str, start: int, end: int) -> Script:
    """Read some lines of a file and quote them, after a question."""
    which = f"line {start}" if start == end else f"lines {start} to {end}"
    observations = yield step(
        f"I will read {which} of {path} with {{tool}}.",
        "read_file",
        path=path,
        start_line=start,
        end_line=end,
    )
    if observations[0].error:
        return give_up(f"That cannot be read: {observations[0].content}.")
    text = observations[0].content
    return Outcome(
        f"{path} says:\n{text}",
        tuple(text.split("\n")),
        thought=f"I have read {which}.",
        memory=Memory(Again("lines", {"path": path, "s": str(start), "e": str(end)}), path=path),
    )


@intent("read_file", topic="reading files", weight=3.5)
def first_lines(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    end = sample.rng.randint(1, min(10, len(lines_of(world, path))))
    yield Question(sample.question("first_lines", path=path, e=end))
    return (yield from lines_from_to(path, 1, end))


@intent("find_files", "read_file", topic="finding files", weight=2.5)
def read_found(sample: Sampler, world: World) -> Script:
    path = short_path(sample, world)
    name = spoken_name(sample, path)
    yield Question(sample.question("read_found", name=name))
    yield from find_spoken(name, path)
    observations = yield step(f"It is {path}: I will read {path} with {{tool}}.", "read_file", path=path)
    return file_contents(path, observations[0].content)


@intent("search_text", "read_file", topic="searching files", weight=0.8)
def search_then_read(sample: Sampler, world: World) -> Script:
    query = query_in(sample, world, short_path(sample, world))
    yield Question(sample.question("search_then_read", q=query))
    observations = yield step(
        f"I will search the files for {query} with {{tool}}.", "search_text", query=query
    )
    if observations[0].error or observations[0].content.startswith("no file"):
        return give_up(f"No file contains {query}.")
    found = observations[0].content.split(":", 1)[0]
    observations = yield step(
        f"It is in {found}: I will read {found} with {{tool}}.", "read_file", path=found
    )
    if observations[0].content.count("\n") > MAX_QUOTED:
        raise ValueError(found)
    return file_contents(found, observations[0].content)


def _maybe_missing(sample: Sampler, world: World) -> str:
    return sample.value(sample.file_name) if sample.chance(0.1) else lined_path(sample, world)


def _info(question: str, path: str, aspect: str) -> Script:
    yield Question(question)
    return (yield from info(path, aspect))


@intent("file_info", topic="file sizes", weight=3.5)
def info_size(sample: Sampler, world: World) -> Script:
    path = _maybe_missing(sample, world)
    return _info(sample.question("info_size", path=path), path, "size")


@intent("file_info", topic="file dates", weight=3.5)
def info_date(sample: Sampler, world: World) -> Script:
    path = _maybe_missing(sample, world)
    return _info(sample.question("info_date", path=path), path, "date")


@intent("file_info", topic="counting lines", weight=4.5)
def info_lines(sample: Sampler, world: World) -> Script:
    path = _maybe_missing(sample, world)
    return _info(sample.question("info_lines", path=path), path, "lines")


@intent("file_info", "find_files", topic="file dates", weight=3.5)
def info_elsewhere(sample: Sampler, world: World) -> Script:
    """A file named without its folder or with another ending: it is found, and looked at there."""
    path = any_path(sample, world)
    said = PurePosixPath(path).name if "/" in path else _misnamed(sample, path)
    section, aspect = sample.rng.choice(
        (("info_date", "date"), ("info_date", "date"), ("info_size", "size"), ("info_lines", "lines"))
    )
    yield Question(sample.question(section, path=said))
    seen = yield step(f"I will look at {said} with {{tool}}.", "file_info", path=said)
    if not seen[0].error:
        return info_answer(seen[0], said, aspect)
    stem = unique_stem(path)
    found = yield step(
        f"There is no {said} here; I will look for {stem} with {{tool}}.", "find_files", name=stem
    )
    if found[0].content != path:
        raise ValueError(said)
    seen = yield step(f"It is {path}: I will look at {path} with {{tool}}.", "file_info", path=path)
    return info_answer(seen[0], path, aspect)


@intent("find_files", "file_info", topic="file sizes", weight=3)
def info_described(sample: Sampler, world: World) -> Script:
    """A file that is called by its words is looked for first."""
    path = any_path(sample, world)
    said = loosely(sample, path)
    aspect = sample.rng.choice(("size", "date", "lines"))
    yield Question(sample.question(f"info_{aspect}", path=said))
    yield from find_spoken(loose_name(said), path)
    seen = yield step(f"It is {path}: I will look at {path} with {{tool}}.", "file_info", path=path)
    return info_answer(seen[0], path, aspect)


@intent("find_files", "file_info", topic="finding files", weight=0.6)
def list_then_info(sample: Sampler, world: World) -> Script:
    name = unique_stem(any_path(sample, world))
    yield Question(sample.question("list_then_info", name=name))
    observations = yield step(
        f"I will look for {name} with {{tool}}, then look at its size.", "find_files", name=name
    )
    found = observations[0].content.split("\n")[0]
    observations = yield step(
        f"It is {found}: I will look at {found} with {{tool}}.", "file_info", path=found
    )
    return info_answer(observations[0], found, "size")


@intent("file_info", topic="file sizes", weight=3.2)
def two_infos(sample: Sampler, world: World) -> Script:
    first, second = sample.rng.sample(list(world.files), 2)
    yield Question(sample.question("two_infos", path=first, path2=second))
    observations = yield Step(
        f"I will look at {first} and {second} at once with {{tool}}.",
        (ToolCall("file_info", {"path": first}), ToolCall("file_info", {"path": second})),
    )
    ends = [info_answer(turn, path, "size") for turn, path in zip(observations, (first, second), strict=True)]
    return Outcome(
        f"{ends[0].answer[:-1]} and {ends[1].answer}",
        ends[0].expects + ends[1].expects,
        memory=Memory(paths=(first, second)),
    )


@intent("read_file", topic="reading files", weight=3.6)
def two_reads(sample: Sampler, world: World) -> Script:
    first, second = sample.rng.sample([p for p in world.files if len(lines_of(world, p)) <= 6], 2)
    yield Question(sample.question("two_reads", path=first, path2=second))
    observations = yield Step(
        f"I will read {first} and {second} at once with {{tool}}.",
        (ToolCall("read_file", {"path": first}), ToolCall("read_file", {"path": second})),
    )
    a, b = observations[0].content, observations[1].content
    return Outcome(
        f"{first} says:\n{a}\n{second} says:\n{b}",
        (*a.split("\n"), *b.split("\n")),
        thought="I have read both.",
        memory=Memory(paths=(first, second)),
    )
