"""Intents over files spoken of by what they are: a plan, the settings of a device, one of several quotes."""

from __future__ import annotations

from pathlib import PurePosixPath

from train.data.synthetic.intents.files.common import any_path, find_spoken, loosely, opened, spoken_path
from train.data.synthetic.intents.files.contents import value_answer
from train.data.synthetic.intents.question_answering.statements import (
    answer_stated,
    read_folder,
    save_line,
    statement_in,
)
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Part, Question, Script, intent, planned, step
from train.data.synthetic.worlds.siblings import Siblings
from train.data.synthetic.worlds.stated import Stated
from train.data.synthetic.worlds.themed import is_device_name
from train.data.synthetic.worlds.world import World


@intent("find_files", "read_file", topic="reading files", weight=8)
def stated_in_described(sample: Sampler, world: World) -> Script:
    """What a file states that is called by its words: the trip plan."""
    path, one = statement_in(sample, world)
    if world.siblings and path in dict(world.siblings.files):
        raise ValueError(path)
    said = loosely(sample, path)
    asked, value = one.ask(sample)
    yield Question(sample.question("stated_in_described", q=asked, path=said))
    yield from opened(world, said, path)
    return answer_stated(one.line, value, path, path)


@intent("read_file", "find_files", topic="reading files", weight=12)
def config_asked(sample: Sampler, world: World) -> Script:
    """A setting, in other words than its key."""
    path = any_path(sample, world, "config")
    one = sample.rng.choice(world.documents[path].stated)
    asked, value = one.ask(sample)
    said = path if is_device_name(path) else spoken_path(sample, path)
    yield Question(sample.question("stated_in", q=asked, path=said))
    yield from opened(world, said, path)
    return value_answer(one.word, value, one.line, path)


@intent("read_file", "find_files", topic="reading files", weight=5)
def numbered_item(sample: Sampler, world: World) -> Script:
    """A line by the number that it begins with, which need not be its place in the file."""
    path = any_path(sample, world, "numbered")
    name, line = sample.rng.choice(world.documents[path].facts)
    noun, _, number = name.partition(" ")
    said = spoken_path(sample, path)
    yield Question(sample.question("numbered_item", noun=noun, n=number, path=said))
    yield from opened(world, said, path)
    return Outcome(
        f"{path} says: {line}",
        (line,),
        thought=f"The line of {name} says: {line}",
        memory=Memory(Again("stated"), path=path),
    )


def _siblings(world: World) -> Siblings:
    if world.siblings is None:
        raise ValueError("no such folder")
    return world.siblings


def _one_of(sample: Sampler, world: World) -> tuple[str, Stated, str, str, str]:
    """Return the path and the line of one of such files, what it is called, a question, and its answer."""
    siblings = _siblings(world)
    path, one = sample.rng.choice(siblings.files)
    asked, value = one.ask(sample)
    return path, one, f"{sample.rng.choice(siblings.called)} {one.slots['word']}", asked, value


def _found_and_read(name: str, path: str, line: str) -> Part[None]:
    yield from find_spoken(name, path)
    read = yield step(f"It is {path}: I will read {path} with {{tool}}.", "read_file", path=path)
    if read[0].content != line:
        raise ValueError(path)


@intent("find_files", "read_file", topic="reading files", weight=4)
def sibling_asked(sample: Sampler, world: World) -> Script:
    """What one of several like files says; it is called after its thing: the quote of Bluebird."""
    path, one, called, asked, value = _one_of(sample, world)
    yield Question(sample.question("sibling_asked", q=asked, called=called))
    yield from _found_and_read(one.slots["word"], path, one.line)
    return answer_stated(one.line, value, path, path)


@intent("find_files", "read_file", "add_note", topic="reading files", weight=4)
def sibling_noted(sample: Sampler, world: World) -> Script:
    """What one of several like files says, saved as a note."""
    path, one, called, asked, value = _one_of(sample, world)
    yield Question(sample.question("sibling_noted", q=asked, called=called))
    yield from planned(_found_and_read(one.slots["word"], path, one.line), "save it as a note")
    return (yield from save_line(one.line, value, Memory(Again("note", {"text": one.line}), path=path)))


@intent("list_files", "read_file", topic="reading files", weight=6)
def compared_in_folder(sample: Sampler, world: World) -> Script:
    """A question about all files of a folder: each is read."""
    siblings = _siblings(world)
    asked = sample.pick(siblings.about_all)
    folder, section = siblings.folder, "compared_in_folder" if sample.chance(0.6) else "compared_folder"
    yield Question(sample.question(section, q=asked, path=folder, noun=folder.rpartition("/")[2]))
    texts = yield from read_folder(folder)
    if sorted(texts) != sorted(path for path, _ in siblings.files):
        raise ValueError(folder)
    parts = [f"{PurePosixPath(path).name} says: {line}" for path, line in texts.items()]
    return Outcome(
        "\n".join(parts),
        tuple(texts.values()),
        thought="I have read all of them.",
        memory=Memory(paths=tuple(texts)),
    )
