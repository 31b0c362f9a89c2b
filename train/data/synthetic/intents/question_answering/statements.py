"""Intents that ask for what a line of a file or a note states, in words other than those of the line."""

from __future__ import annotations

from pathlib import PurePosixPath

from agent.tools.lib.dates import fixed_clock, parse_date
from train.data.synthetic.actions import change_units, days_from_to
from train.data.synthetic.intents.files.common import any_path, opened, spoken_path, unique_stem
from train.data.synthetic.memory import Again, Memory, decimal
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import (
    Outcome,
    Part,
    Question,
    Script,
    Step,
    ToolCall,
    give_up,
    intent,
    planned,
    step,
)
from train.data.synthetic.worlds.amounts import QUANTITIES
from train.data.synthetic.worlds.stated import Stated
from train.data.synthetic.worlds.world import World


def statement_in(sample: Sampler, world: World) -> tuple[str, Stated]:
    """Return the path of a file of statements, and one of them."""
    path = any_path(sample, world, "statements")
    return path, sample.rng.choice(world.documents[path].stated)


def coming(world: World, one: Stated) -> tuple[str, ...]:
    """Return the dates of a statement that are not past."""
    with fixed_clock(world.now):
        return tuple(date for date in one.dates if parse_date(date) > world.now.date())


def answer_stated(line: str, value: str, where: str, path: str = "") -> Outcome:
    """Return the answer that quotes a line for one value of it."""
    number = decimal(value)
    memory = Memory(Again("stated", {"value": value}), number=number, path=path)
    return Outcome(
        f"{where} says: {line}" if path else f"{where}: {line}",
        (value,),
        thought=f"The line says: {line} - asked for is {value}.",
        memory=memory,
    )


def search_line(query: str, line: str) -> Part[None]:
    """Search the files for a word of a line. Raise ValueError unless one of up to three hits has the line."""
    seen = yield step(
        f"It must stand in a file: I will search the files for {query} with {{tool}}.",
        "search_text",
        query=query,
    )
    hits = seen[0].content.split("\n")
    if len(hits) > 3 or sum(line in hit for hit in hits) != 1:
        raise ValueError(query)


def save_line(line: str, value: str, memory: Memory) -> Script:
    """Save a line that was found as a note; `value` is what was asked for."""
    seen = yield step(f"The line says: {line} - I will save it with {{tool}}.", "add_note", text=line)
    return Outcome(
        f"{line}. I saved it as note {seen[0].content.split(' ')[-1]}.",
        (value,),
        thought=f"It is {value}, and the note is saved.",
        memory=memory,
    )


def write_line(line: str, value: str, path: str) -> Script:
    """Write a line that was found into another file; `value` is what was asked for."""
    wrote = yield step(
        f"The line says: {line} - I will write it to {path} with {{tool}}.",
        "write_file",
        path=path,
        content=line,
    )
    if wrote[0].error:
        return give_up(f"{path} was not written: {wrote[0].content}.")
    return Outcome(
        f"{line}. I wrote it to {path}.",
        (value, path),
        thought=f"It is {value}, and {path} is written.",
        memory=Memory(path=path),
    )


@intent("read_file", "find_files", topic="reading files", weight=8)
def stated_in_file(sample: Sampler, world: World) -> Script:
    path, one = statement_in(sample, world)
    said = spoken_path(sample, path)
    if sample.chance(0.12):
        said = unique_stem(path)
    asked, value = one.ask(sample)
    yield Question(sample.question("stated_in", q=asked, path=said))
    yield from opened(world, said, path)
    return answer_stated(one.line, value, path, path)


@intent("search_text", topic="searching files", weight=8)
def stated_somewhere(sample: Sampler, world: World) -> Script:
    """No file is named: a word that the line must have is searched for."""
    path, one = statement_in(sample, world)
    asked, value = one.ask(sample)
    query = one.shared_word(asked)
    yield Question(sample.question("stated_somewhere", q=asked))
    yield from search_line(query, one.line)
    return answer_stated(one.line, value, path, path)


@intent("search_notes", topic="finding notes", weight=10)
def stated_in_notes(sample: Sampler, world: World) -> Script:
    one = sample.rng.choice(world.noted)
    asked, value = one.ask(sample)
    query = one.shared_word(asked)
    yield Question(sample.question("stated_noted", q=asked))
    seen = yield step(
        f"It is noted: I will search the notes for {query} with {{tool}}.", "search_notes", query=query
    )
    if one.line not in seen[0].content:
        raise ValueError(query)
    return answer_stated(one.line, value, "Your note says", "")


@intent("read_file", "find_files", "add_note", topic="reading files", weight=2.5)
def stated_then_note(sample: Sampler, world: World) -> Script:
    path, one = statement_in(sample, world)
    asked, value = one.ask(sample)
    said = spoken_path(sample, path)
    yield Question(sample.question("stated_then_note", q=asked, path=said))
    yield from planned(opened(world, said, path), "save it as a note")
    return (yield from save_line(one.line, value, Memory(Again("note", {"text": one.line}), path=path)))


@intent("read_file", "find_files", "days_between", topic="dates", weight=2.6)
def days_to_stated(sample: Sampler, world: World) -> Script:
    """The days from today to a date that a file gives."""
    path, one = sample.rng.choice(
        [
            (path, one)
            for path, document in world.documents.items()
            for one in document.stated
            if coming(world, one)
        ]
    )
    date, said = coming(world, one)[0], spoken_path(sample, path)
    yield Question(sample.question("days_to_stated", key=one.word, path=said))
    yield from planned(opened(world, said, path), "count the days from today")
    because = f"the line of {one.word} gives {date}"
    return (yield from days_from_to("today", date, because, relative=True))


@intent("read_file", "find_files", "convert_units", topic="converting units", weight=5)
def measure_converted(sample: Sampler, world: World) -> Script:
    """A quantity that a file gives, in another unit."""
    path = any_path(sample, world, "measures")
    key, given = sample.rng.choice(world.documents[path].facts)
    value, _, unit = given.partition(" ")
    other = sample.rng.choice([name for name in QUANTITIES[key] if name != unit])
    said = spoken_path(sample, path)
    yield Question(sample.question("measure_converted", key=key, path=said, u2=other))
    yield from planned(opened(world, said, path), f"convert it to {other}")
    return (yield from change_units(value, unit, other, f"the {key} is {given}"))


@intent("search_text", topic="searching files", weight=8)
def reading_with_alarm(sample: Sampler, world: World) -> Script:
    """The one measurement of a log that is marked."""
    path = any_path(sample, world, "readings", "long readings")
    (word, value), (label, number) = world.documents[path].facts
    yield Question(sample.question("reading_with_alarm", word=word.lower(), path=path))
    seen = yield step(f"I will search {path} for {word} with {{tool}}.", "search_text", query=word, path=path)
    if seen[0].error or "\n" in seen[0].content:
        return give_up(f"It cannot be searched: {seen[0].content}.")
    return Outcome(
        f"At {label} {number} it was {value}.",
        (value, number),
        thought=f"The line says: {seen[0].content.split(': ', 1)[-1]}",
        memory=Memory(Again("stated"), path=path),
    )


@intent("list_files", "read_file", topic="reading files", weight=5)
def folder_read(sample: Sampler, world: World) -> Script:
    """What the short files of a folder say: it is listed, and each is read."""
    folders = [
        folder
        for folder in world.folders
        if 2 <= sum(path.startswith(f"{folder}/") for path in world.files) <= 3
    ]
    folder = sample.rng.choice(folders)
    yield Question(sample.question("folder_read", path=folder))
    texts = yield from read_folder(folder)
    if any(path not in world.documents or len(world.documents[path].lines) > 4 for path in texts):
        raise ValueError(folder)
    said = "\n".join(f"{PurePosixPath(path).name} says:\n{text}" for path, text in texts.items())
    return Outcome(
        said,
        tuple(line for text in texts.values() for line in text.split("\n")),
        thought="I have read all of them.",
        memory=Memory(paths=tuple(texts)),
    )


def read_folder(folder: str, plan: str = "") -> Part[dict[str, str]]:
    """List a folder and read its files at once; return their texts by path. `plan` says what comes after."""
    after = f" and {plan}" if plan else ""
    seen = yield step(
        f"First I will list {folder} with {{tool}}, then read each{after}.", "list_files", path=folder
    )
    paths = tuple(f"{folder}/{name}" for name in seen[0].content.split("\n"))
    if seen[0].error or len(paths) > 3 or any(path.endswith("/") for path in paths):
        raise ValueError(folder)
    read = yield reading(paths, plan)
    if any(turn.error for turn in read):
        raise ValueError(folder)
    return {path: turn.content for path, turn in zip(paths, read, strict=True)}


def reading(paths: tuple[str, ...], plan: str = "") -> Step:
    """Return the step that reads several files."""
    *others, last = paths
    named = f"{', '.join(others)} and {last} at once" if others else last
    then = f", then {plan}" if plan else ""
    calls = tuple(ToolCall("read_file", {"path": path}) for path in paths)
    return Step(f"I will read {named} with {{tool}}{then}.", calls)
