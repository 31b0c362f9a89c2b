"""Intents that name a folder and a part of a file name: the folder is listed, then the file is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from train.data.synthetic.intents.files.common import any_path, file_contents, lines_of, words_in_name
from train.data.synthetic.intents.files.reading import MAX_QUOTED
from train.data.synthetic.intents.question_answering.statements import answer_stated
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Part, Question, Script, intent, step
from train.data.synthetic.worlds.world import World


def _in_folder(sample: Sampler, world: World, *kinds: str) -> tuple[str, str]:
    """Return the path of a file in a folder, and that folder. Raise ValueError if it is in none."""
    path = any_path(sample, world, *kinds)
    folder = path.rpartition("/")[0]
    if not folder:
        raise ValueError(path)
    return path, folder


def _listed_and_read(path: str, folder: str) -> Part[str]:
    """List a folder, read a file of it, and return its text."""
    listed = yield step(f"First I will list {folder} with {{tool}}.", "list_files", path=folder)
    if PurePosixPath(path).name not in listed[0].content.split("\n"):
        raise ValueError(path)
    read = yield step(f"It is {path}: I will read {path} with {{tool}}.", "read_file", path=path)
    return read[0].content


@intent("list_files", "read_file", topic="reading files", weight=3.5)
def read_in_folder(sample: Sampler, world: World) -> Script:
    path, folder = _in_folder(sample, world)
    if len(lines_of(world, path)) > MAX_QUOTED:
        raise ValueError(path)
    yield Question(sample.question("read_in_folder", name=words_in_name(path), path=folder))
    text = yield from _listed_and_read(path, folder)
    outcome = file_contents(path, text)
    # The list gives the name without its folder, and so does the answer.
    return replace(outcome, answer=outcome.answer.replace(path, PurePosixPath(path).name, 1))


@intent("list_files", "read_file", topic="reading files", weight=6)
def stated_in_folder(sample: Sampler, world: World) -> Script:
    """What one file of a folder states; the only file of a folder need not be named."""
    path, folder = _in_folder(sample, world, "statements")
    one = sample.rng.choice(world.documents[path].stated)
    asked, value = one.ask(sample)
    others = [other for other in world.files if other.startswith(f"{folder}/") and other != path]
    if others:
        question = sample.question("stated_in_folder", q=asked, name=words_in_name(path), path=folder)
    else:
        question = sample.question("stated_in_only", q=asked, path=folder)
    yield Question(question)
    text = yield from _listed_and_read(path, folder)
    if one.line not in text:
        raise ValueError(path)
    return answer_stated(one.line, value, PurePosixPath(path).name, path)
