"""Follow-ups to files: one that a result named, another one, another question about the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from train.data.synthetic.actions import work_out
from train.data.synthetic.intents.files.common import (
    any_path,
    file_contents,
    found_files,
    info,
    query_in,
    search_answer,
    unique_stem,
)
from train.data.synthetic.intents.files.composing import written
from train.data.synthetic.intents.files.contents import KEYED, value_answer
from train.data.synthetic.intents.files.finding import listed
from train.data.synthetic.intents.files.reading import MAX_QUOTED, lines_from_to, read_or_find
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, follow_up, give_up, step
from train.data.synthetic.wording.spelling import ORDINALS, ordinal
from train.data.synthetic.worlds.world import World

_LISTED_FACTS = ("measures", "dates", "numbers")
"""Kinds of files with a value for each thing, besides those of keys."""


def _several(memory: Memory) -> bool:
    return 1 < len(memory.paths) <= 12


def _short(world: World, path: str) -> str:
    """Return the path. Raise ValueError if it is no file of this world, or a long one."""
    if path not in world.documents or len(world.documents[path].lines) > MAX_QUOTED:
        raise ValueError(path)
    return path


def _listed(world: World, path: str, memory: Memory) -> str:
    """Return the path of a short file. Raise ValueError if an answer may not name its folder.

    A list gives the names in a folder; with a digit in that of the folder alone, the path is no name seen.
    """
    folder, _, name = path.rpartition("/")
    if memory.is_again("list", "read") and re.search(r"\d", folder) and not re.search(r"\d", name):
        raise ValueError(path)
    return _short(world, path)


@follow_up("read_file", when=_several, weight=32)
def read_nth(sample: Sampler, world: World, memory: Memory) -> Script:
    """A file by its place in the list that was shown."""
    last = sample.chance(0.25)
    place = len(memory.paths) if last else sample.rng.randint(1, len(memory.paths))
    path = _listed(world, memory.paths[place - 1], memory)
    word = "last" if last else sample.rng.choice((ORDINALS[place - 1], ordinal(place)))
    yield Question(sample.question("read_nth", nth=word))
    seen = yield step(f"The {word} one is {path}: I will read it with {{tool}}.", "read_file", path=path)
    return file_contents(path, seen[0].content)


@follow_up("read_file", when=_several, weight=32)
def read_named(sample: Sampler, world: World, memory: Memory) -> Script:
    """A file of the list by a part of its name."""
    path = _listed(world, sample.rng.choice(memory.paths), memory)
    yield Question(sample.question("read_named", name=unique_stem(path)))
    seen = yield step(f"That is {path}: I will read it with {{tool}}.", "read_file", path=path)
    return file_contents(path, seen[0].content)


@follow_up("file_info", when=_several, weight=3)
def info_nth(sample: Sampler, world: World, memory: Memory) -> Script:
    last = sample.chance(0.25)
    place = len(memory.paths) if last else sample.rng.randint(1, len(memory.paths))
    path = memory.paths[place - 1]
    word = "last" if last else ORDINALS[place - 1]
    aspect = sample.rng.choice(("size", "date"))
    yield Question(sample.question(f"nth_{aspect}", nth=word))
    return (yield from _about(path, aspect, f"the {word} one is {path}"))


def _about(path: str, aspect: str, why: str) -> Script:
    script = info(path, aspect)
    first = next(script)
    assert not isinstance(first, (Question, Outcome))
    turns = yield step(
        f"{why[:1].upper()}{why[1:]}: I will look at it with {{tool}}.", "file_info", path=path
    )
    try:
        script.send(turns)
    except StopIteration as stop:
        return stop.value
    raise AssertionError(path)


@follow_up("file_info", when=lambda m: m.path, weight=1)
def info_of_it(sample: Sampler, world: World, memory: Memory) -> Script:
    aspect = sample.rng.choice(("size", "date", "lines"))
    yield Question(sample.question(f"its_{aspect}"))
    return (yield from _about(memory.path, aspect, f"it is {memory.path}"))


@follow_up("read_file", when=lambda m: m.path and not m.text and not m.is_again("read", "lines"), weight=9)
def read_it(sample: Sampler, world: World, memory: Memory) -> Script:
    path = _listed(world, memory.path, memory)
    yield Question(sample.question("read_it"))
    seen = yield step(f"It is {path}: I will read it with {{tool}}.", "read_file", path=path)
    return file_contents(path, seen[0].content)


@follow_up("read_file", when=lambda m: m.path and m.is_again("write"), weight=3)
def read_back(sample: Sampler, world: World, memory: Memory) -> Script:
    yield Question(sample.question("read_it"))
    seen = yield step(f"It is {memory.path}: I will read it with {{tool}}.", "read_file", path=memory.path)
    return file_contents(memory.path, seen[0].content)


@follow_up("read_file", "find_files", when=lambda m: m.is_again("read", "lines"), weight=3)
def read_other(sample: Sampler, world: World, memory: Memory) -> Script:
    path = _short(world, any_path(sample, world))
    if path == memory.path:
        raise ValueError(path)
    corrected = sample.chance(0.3)
    yield Question(
        sample.question("corrected" if corrected else "other_file", **{"v" if corrected else "path": path})
    )
    return (yield from read_or_find(path))


@follow_up("file_info", when=lambda m: m.is_again("info"), weight=3)
def info_other(sample: Sampler, world: World, memory: Memory) -> Script:
    path = any_path(sample, world)
    if path == memory.path:
        raise ValueError(path)
    corrected = sample.chance(0.3)
    yield Question(
        sample.question("corrected" if corrected else "other_file", **{"v" if corrected else "path": path})
    )
    return (yield from _about(path, memory.slot("aspect"), f"the same of {path}"))


def _keyed(world: World, memory: Memory, kinds: tuple[str, ...] = (*KEYED, *_LISTED_FACTS)) -> str:
    if memory.path not in world.documents or world.documents[memory.path].kind not in kinds:
        raise ValueError(memory.path)
    return memory.path


def _given(world: World, key: str, value: str, line: str, path: str) -> Outcome:
    """Return the answer that gives one value of a file, which may have a unit."""
    outcome = value_answer(key, value, line, path)
    if world.documents[path].kind != "measures":
        return outcome
    number, _, unit = value.partition(" ")
    memory = Memory(Again("quantity", {"key": key, "path": path}), number=number, unit=unit, path=path)
    return replace(outcome, memory=memory)


@follow_up("read_file", when=lambda m: m.path, weight=5)
def value_in_it(sample: Sampler, world: World, memory: Memory) -> Script:
    """A value of the file that was spoken of; one that was read is not read again."""
    if memory.is_again("value_of", "quantity", "write"):
        raise ValueError(memory.path)
    path = _keyed(world, memory)
    document = world.documents[path]
    key, value = sample.rng.choice(document.facts)
    line = document.line_of(key, value)
    yield Question(sample.question("value_in_it", key=key))
    if not memory.text:
        yield step(f"It is {path}: I will read it with {{tool}}.", "read_file", path=path)
    return _given(world, key, value, line, path)


@follow_up("read_file", when=lambda m: m.is_again("value_of", "quantity"), weight=14)
def other_key(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another value of the file that a value was asked of."""
    path = _keyed(world, memory)
    document = world.documents[path]
    key, value = sample.rng.choice(document.facts)
    if memory.slot("key") == key:
        raise ValueError(key)
    line = document.line_of(key, value)
    yield Question(sample.question("other_key", key=key))
    return _given(world, key, value, line, path)


@follow_up("calculate", when=lambda m: m.path and m.text and not m.is_again("write"), weight=4)
def total_of_it(sample: Sampler, world: World, memory: Memory) -> Script:
    """The sum of the amounts that were just read."""
    document = world.documents[_keyed(world, memory, ("prices", "table"))]
    if len(document.facts) > 8:
        raise ValueError(memory.path)
    total = " + ".join(value for _, value in document.facts)
    yield Question(sample.question("total_of_it"))
    because = f"the amounts are {', '.join(value for _, value in document.facts)}"
    return (yield from work_out(total, "The total is {r}.", because))


@follow_up("read_file", when=lambda m: m.path and not m.is_again("write"), weight=1.5)
def line_of_it(sample: Sampler, world: World, memory: Memory) -> Script:
    if memory.path not in world.documents or memory.text:
        raise ValueError(memory.path)
    number = sample.rng.randint(1, len(world.documents[memory.path].lines))
    yield Question(sample.question("line_of_it", n=number))
    return (yield from lines_from_to(memory.path, number, number))


@follow_up("search_text", when=lambda m: m.path and m.path.strip(), weight=1)
def search_in_it(sample: Sampler, world: World, memory: Memory) -> Script:
    if memory.path not in world.documents or memory.is_again("write"):
        raise ValueError(memory.path)
    query = query_in(sample, world, memory.path) if sample.chance(0.7) else sample.word()
    yield Question(sample.question("search_in_it", q=query))
    seen = yield step(
        f"It is {memory.path}: I will search it for {query} with {{tool}}.",
        "search_text",
        query=query,
        path=memory.path,
    )
    return search_answer(seen[0], query, memory.path)


@follow_up("search_text", when=lambda m: m.is_again("search"), weight=18)
def search_other(sample: Sampler, world: World, memory: Memory) -> Script:
    query = query_in(sample, world, any_path(sample, world))
    if query == memory.slot("q"):
        raise ValueError(query)
    yield Question(sample.question("other_query", q=query))
    return (yield from search_for(query, f"The same for {query}"))


def search_for(query: str, why: str) -> Script:
    """Search the files again for another text, after a question."""
    seen = yield step(f"{why}: I will search the files with {{tool}}.", "search_text", query=query)
    return search_answer(seen[0], query)


@follow_up("find_files", when=lambda m: m.is_again("find"), weight=14)
def find_other(sample: Sampler, world: World, memory: Memory) -> Script:
    name = unique_stem(any_path(sample, world))
    if name == memory.slot("name"):
        raise ValueError(name)
    yield Question(sample.question("other_query", q=name))
    seen = yield step(f"The same for {name}: I will look for it with {{tool}}.", "find_files", name=name)
    return found_files(seen[0].content, name)


@follow_up("list_files", when=lambda m: m.is_again("list") and m.slot("path"), weight=16)
def list_top(sample: Sampler, world: World, memory: Memory) -> Script:
    """The folder that holds all others, after one in it."""
    yield Question(sample.question("top_folder"))
    seen = yield step("Now the top folder: I will list it with {tool}.", "list_files")
    return listed("", seen[0].content)


@follow_up("list_files", when=lambda m: m.is_again("list"), weight=25)
def list_other(sample: Sampler, world: World, memory: Memory) -> Script:
    folder = sample.rng.choice([f for f in world.folders if f != memory.slot("path")])
    yield Question(sample.question("other_folder", path=folder))
    seen = yield step(f"The same for {folder}: I will list it with {{tool}}.", "list_files", path=folder)
    if seen[0].error:
        return give_up(f"There is no folder {folder}.")
    return listed(folder, seen[0].content)


@follow_up("read_file", "write_file", when=lambda m: m.path, weight=1)
def append_to_it(sample: Sampler, world: World, memory: Memory) -> Script:
    """A line added to the file that was written or read: its text is known, and written with the line."""
    text = memory.text
    if not text or text.count("\n") > 3 or text == "the file is empty":
        raise ValueError(memory.path)
    added = sample.phrase()
    yield Question(sample.question("append_to_it", content=added))
    content = f"{text.rstrip(chr(10))}\n{added}"
    wrote = yield step(
        f"{PurePosixPath(memory.path)} has its text above: I will write it with the new line with {{tool}}.",
        "write_file",
        path=memory.path,
        content=content,
    )
    return written(wrote[0], memory.path, content, f"I added it to {memory.path}.")
