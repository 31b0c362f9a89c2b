"""Intents over `list_files`, `find_files` and `search_text`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from train.data.synthetic.intents.files.common import (
    any_path,
    find_spoken,
    found_files,
    query_in,
    quoted,
    search_answer,
    unique_stem,
    words_in_name,
)
from train.data.synthetic.memory import Again, Memory, only
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, step
from train.data.synthetic.worlds.world import World


@intent("list_files", topic="listing files", weight=3.5)
def list_here(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("list_here"))
    observations = yield step("I will list the files with {tool}.", "list_files")
    return listed("", observations[0].content)


def listed(folder: str, text: str) -> Outcome:
    """Return the answer that quotes what is in a folder."""
    prefix = f"{folder}/" if folder else ""
    entries = text.split("\n")
    paths = tuple(prefix + entry for entry in entries if not entry.endswith("/"))
    memory = Memory(Again("list", {"path": folder}), path=only(paths), paths=paths)
    return Outcome(
        quoted(f"In {folder}:" if folder else "The files are:", text),
        tuple(entries),
        thought="I have the names.",
        memory=memory,
    )


@intent("list_files", "find_files", topic="listing files", weight=2.2)
def list_path(sample: Sampler, world: World) -> Script:
    """List a folder. One inside another may be named without it: then its files are found by the path."""
    folders = world.folders
    real = sample.rng.choice(folders) if folders and sample.chance(0.88) else ""
    folder = real or sample.word()
    if "/" in folder and sample.chance(0.5):
        folder = folder.rpartition("/")[2]
    yield Question(sample.question("list_path", path=folder))
    observations = yield step(f"I will list {folder} with {{tool}}.", "list_files", path=folder)
    if not observations[0].error:
        return listed(folder, observations[0].content)
    pattern = f"*{folder}/*"
    found = yield step(
        f"There is no {folder} here; I will look deeper for {pattern} with {{tool}}.",
        "find_files",
        name=pattern,
    )
    if found[0].error or found[0].content.startswith("no file"):
        return Outcome(
            f"There is no folder {folder}.", gave_up=True, thought="Nothing was found.", memory=Memory()
        )
    paths = tuple(found[0].content.split("\n"))
    return Outcome(
        quoted("Found:", found[0].content),
        paths,
        thought="I have the paths.",
        memory=Memory(Again("list", {"path": folder}), path=only(paths), paths=paths),
    )


@intent("find_files", topic="finding files", weight=3.5)
def find(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    name = unique_stem(path) if sample.chance(0.7) else PurePosixPath(path).name
    if sample.chance(0.12):
        name = sample.value(sample.pseudo_word)
    yield Question(sample.question("find", name=name))
    observations = yield step(f"I will look for {name} with {{tool}}.", "find_files", name=name)
    return found_files(observations[0].content, name)


@intent("find_files", topic="finding files", weight=3)
def find_spoken_name(sample: Sampler, world: World) -> Script:
    """A file whose name has several words, by the name as people say it or by one word of it."""
    path = any_path(sample, world)
    words = words_in_name(path).split()
    if len(words) < 2 or not all(len(word) > 2 for word in words):
        raise ValueError(path)
    name = sample.rng.choice(words) if sample.chance(0.5) else " ".join(words)
    yield Question(sample.question("find", name=name))
    return (yield from find_spoken(name, path))


@intent("find_files", topic="finding files", weight=4.5)
def find_by_type(sample: Sampler, world: World) -> Script:
    """Files of one extension, as a pattern."""
    ending = PurePosixPath(any_path(sample, world)).suffix.lstrip(".")
    if sample.chance(0.15):
        ending = sample.rng.choice(("pdf", "png", "docx", "xlsx", "js"))
    yield Question(sample.question("find_by_type", ext=ending))
    pattern = f"*.{ending}"
    observations = yield step(f"I will look for {pattern} with {{tool}}.", "find_files", name=pattern)
    text = observations[0].content
    if text.startswith("no file"):
        return Outcome(
            f"There are no {ending} files.", (ending,), thought="Nothing was found.", memory=Memory()
        )
    return found_files(text, pattern)


@intent("find_files", topic="listing files", weight=1)
def find_everything(sample: Sampler, world: World) -> Script:
    """All files in all folders: those whose name is anything."""
    yield Question(sample.question("find_everything"))
    observations = yield step("Any name is *: I will look for * with {tool}.", "find_files", name="*")
    return found_files(observations[0].content, "*")


@intent("find_files", topic="finding files", weight=3)
def find_type_in(sample: Sampler, world: World) -> Script:
    """Files of one extension in a folder."""
    folder = sample.rng.choice(world.folders)
    inside = [path for path in world.files if path.startswith(f"{folder}/") and "." in path]
    ending = PurePosixPath(sample.rng.choice(inside)).suffix.lstrip(".")
    yield Question(sample.question("find_type_in", ext=ending, path=folder))
    pattern = f"*.{ending}"
    seen = yield step(
        f"I will look in {folder} for {pattern} with {{tool}}.", "find_files", name=pattern, path=folder
    )
    return found_files(seen[0].content, pattern)


@intent("find_files", topic="finding files", weight=4)
def find_numbered(sample: Sampler, world: World) -> Script:
    """A file by the number in its name."""
    numbers = {path: re.findall(r"\d{2,}", PurePosixPath(path).name) for path in world.files}
    path = sample.rng.choice([path for path, found in numbers.items() if len(found) == 1])
    number = numbers[path][0]
    noun = unique_stem(path).replace(number, "").strip(" _-")
    if not noun.isalpha():
        raise ValueError(path)
    yield Question(sample.question("find_numbered", noun=noun.lower(), n=number))
    seen = yield step(f"I will look for {number} with {{tool}}.", "find_files", name=number)
    if seen[0].content != path:
        raise ValueError(path)
    return found_files(path, number)


@intent("search_text", "find_files", topic="searching files", weight=6)
def about_somewhere(sample: Sampler, world: World) -> Script:
    """What is about something: the texts are searched, and the names where no text has it."""
    path = any_path(sample, world)
    if sample.chance(0.45):
        query = query_in(sample, world, path).lower()
    else:
        query = max(words_in_name(path).lower().split(), key=len)
    if not query.isalpha() or len(query) < 4:
        raise ValueError(query)
    said = query
    if sample.chance(0.35):
        said = f"{sample.rng.choice(('the', 'my', 'a') if query[-1] != 's' else ('the', 'my'))} {query}"
    yield Question(sample.question("about_somewhere", q=said))
    seen = yield step(f"I will search the files for {query} with {{tool}}.", "search_text", query=query)
    if not seen[0].content.startswith("no file"):
        if seen[0].content.count("\n") > 5:
            raise ValueError(query)
        return search_answer(seen[0], query)
    found = yield step(
        f"No text has {query}: I will look for it in the names with {{tool}}.", "find_files", name=query
    )
    return found_files(found[0].content, query)


@intent("search_text", topic="searching files", weight=5.5)
def search(sample: Sampler, world: World) -> Script:
    query = (
        query_in(sample, world, any_path(sample, world))
        if sample.chance(0.88)
        else sample.value(sample.pseudo_word)
    )
    yield Question(sample.question("search", q=query))
    observations = yield step(
        f"I will search the files for {query} with {{tool}}.", "search_text", query=query
    )
    return search_answer(observations[0], query)


@intent("search_text", topic="searching files", weight=3.5)
def search_in(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    query = query_in(sample, world, path)
    yield Question(sample.question("search_in", q=query, path=path))
    observations = yield step(
        f"I will search {path} for {query} with {{tool}}.", "search_text", query=query, path=path
    )
    return search_answer(observations[0], query, path)


@intent("search_text", topic="searching files", weight=3)
def search_folder(sample: Sampler, world: World) -> Script:
    folder = sample.rng.choice(world.folders)
    path = sample.rng.choice([path for path in world.files if path.startswith(f"{folder}/")])
    query = query_in(sample, world, path)
    yield Question(sample.question("search_in", q=query, path=folder))
    observations = yield step(
        f"I will search {folder} for {query} with {{tool}}.", "search_text", query=query, path=folder
    )
    return search_answer(observations[0], query, folder)
