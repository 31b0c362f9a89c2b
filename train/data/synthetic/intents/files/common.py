"""Helpers of the intents over files: choice of paths and search texts, and common steps and answers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from agent.transcript import ToolTurn
from train.data.synthetic.memory import Again, Memory, only
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Part, Script, give_up, step
from train.data.synthetic.worlds.world import World

LONG = ("long log", "long readings")
"""The kinds of documents of some hundred lines."""
LOOSE_SHARE = 0.27
"""Share of paths that are spoken as "the trip plan" instead."""


def any_path(sample: Sampler, world: World, *kinds: str) -> str:
    """Return the path of a random file, of one of `kinds` if given. Raise IndexError if there is none.

    Without `kinds` it is none of the long ones, which are not read whole.
    """
    return sample.rng.choice(
        [
            path
            for path, document in world.documents.items()
            if (document.kind in kinds if kinds else document.kind not in LONG)
        ]
    )


def lined_path(sample: Sampler, world: World) -> str:
    """Return the path of a file of which some lines are asked for, more often than not a long one."""
    if any(document.kind in LONG for document in world.documents.values()) and sample.chance(0.6):
        return any_path(sample, world, *LONG)
    return any_path(sample, world)


def lines_of(world: World, path: str) -> list[str]:
    """Return the lines of a file."""
    return world.documents[path].lines


def unique_stem(path: str) -> str:
    """Return the file name up to the first dot, which occurs in no other file name of the same world."""
    return PurePosixPath(path).name.split(".")[0]


def words_in_name(path: str) -> str:
    """Return the file name up to the first dot, with spaces in place of hyphens and underscores."""
    return unique_stem(path).replace("_", " ").replace("-", " ")


def spoken_path(sample: Sampler, path: str) -> str:
    """Return a path as a person names it: whole, without its folder, or as "the trip plan"."""
    if sample.chance(LOOSE_SHARE):
        return loosely(sample, path)
    return PurePosixPath(path).name if "/" in path and sample.chance(0.5) else path


def loosely(sample: Sampler, path: str) -> str:
    """Return a file name as people speak of a file: its words after an article, without the extension."""
    article = sample.rng.choice(("the ", "the ", "the ", "my ", "our "))
    noun = sample.rng.choice(("", "", " file", " file", " document", " text"))
    return f"{article}{spoken_name(sample, path)}{noun}"


def loose_name(said: str) -> str:
    """Return the part of a file name to look for where a person names no path; empty for a path."""
    if "." in said or "/" in said:
        return ""
    return re.sub(r"^(?:the|my|our) | (?:file|document|text)$", "", said)


def query_in(sample: Sampler, world: World, path: str) -> str:
    """Return a word of more than three letters from a random line of a file."""
    words = [w.strip(".,:;!?'\"()") for w in sample.rng.choice(lines_of(world, path)).split()]
    words = [w for w in words if len(w) > 3] or [sample.word()]
    return words[sample.rng.randrange(len(words))]


def quoted(intro: str, text: str) -> str:
    """Return the lines of an observation after an introduction: one on its line, more below it."""
    return f"{intro}\n{text}" if "\n" in text else f"{intro} {text}"


def file_contents(path: str, text: str) -> Outcome:
    """Return the answer that quotes a file, read whole."""
    memory = Memory(Again("read", {"path": path}), path=path, text=text)
    if text == "the file is empty":
        return Outcome(f"{path} is empty.", ("empty",), memory=memory)
    return Outcome(
        f"{path} says:\n{text}", tuple(text.split("\n")), thought=f"I have read {path}.", memory=memory
    )


def open_file(path: str) -> Part[tuple[str, ToolTurn]]:
    """Read a file; one that is not there is looked for by its name, and the first one found is read.

    One that is named without an extension is looked for at once. Return its path and the last observation:
    the text of the file, or an error if no such file was found.
    """
    if name := loose_name(path):
        seen = yield from _looked_for(name)
        if seen.content.startswith("no file"):
            return path, replace(seen, error=True)
        found = seen.content.split("\n")[0]
        observations = yield step(
            f"It is {found}: I will read {found} with {{tool}}.", "read_file", path=found
        )
        return found, observations[0]
    observations = yield step(f"I will read {path} with {{tool}}.", "read_file", path=path)
    if not observations[0].error:
        return path, observations[0]
    missing = observations[0]
    stem = unique_stem(path)
    observations = yield step(
        f"There is no {path} here; I will look for {stem} with {{tool}}.", "find_files", name=stem
    )
    if observations[0].error or observations[0].content.startswith("no file"):
        return path, missing
    found = observations[0].content.split("\n")[0]
    observations = yield step(f"It is {found}: I will read {found} with {{tool}}.", "read_file", path=found)
    return found, observations[0]


def opened(world: World, said: str, path: str) -> Part[None]:
    """Read the file that a person names `said`. Raise ValueError if that is not the text of `path`.

    An earlier exchange may have written the file anew.
    """
    found, seen = yield from open_file(said)
    if seen.error or found != path or seen.content.split("\n")[:3] != lines_of(world, path)[:3]:
        raise ValueError(said)


def spoken_name(sample: Sampler, path: str) -> str:
    """Return a file name as people say it: up to the first dot, its parts sometimes with spaces between."""
    return words_in_name(path) if sample.chance(0.65) else unique_stem(path)


def find_spoken(name: str, path: str) -> Script:
    """Look for a file by a spoken name, then by the longest word of it, where the name has other marks.

    Return an outcome that lists what was found. Raise ValueError if that is not `path` alone.
    """
    seen = yield from _looked_for(name)
    if seen.content != path:
        raise ValueError(name)
    return found_files(path, name)


def _looked_for(name: str) -> Part[ToolTurn]:
    """Look for a file by a spoken name, and if there is none by the longest word of it."""
    seen = yield step(f"I will look for {name} with {{tool}}.", "find_files", name=name)
    if seen[0].content.startswith("no file") and " " in name:
        word = max(name.split(), key=len)
        seen = yield step(
            f"No file name has {name}: I will look for {word} with {{tool}}.", "find_files", name=word
        )
    return seen[0]


def missing_file(path: str) -> Outcome:
    """Return the outcome where a file is not there."""
    return give_up(f"There is no file {path}.")


def found_files(text: str, name: str) -> Outcome:
    """Return the answer to a search for file names."""
    if text.startswith("no file"):
        return Outcome(
            f"There is no file with {name} in its name.",
            (name,),
            thought="Nothing was found.",
            memory=Memory(),
        )
    paths = tuple(text.split("\n"))
    memory = Memory(Again("find", {"name": name}), path=only(paths), paths=paths)
    return Outcome(quoted("Found:", text), paths, thought="I have the paths.", memory=memory)


def search_answer(observation: ToolTurn, query: str, place: str = "") -> Outcome:
    """Return the answer to a search for a text: its lines, quoted."""
    if observation.error:
        return give_up(f"It cannot be searched: {observation.content}.")
    again = Again("search", {"q": query})
    if observation.content.startswith("no file contains"):
        where = f"{place} does not contain" if place else "No file contains"
        return Outcome(f"{where} {query}.", (query,), thought="Nothing was found.", memory=Memory(again))
    hits = observation.content.split("\n")
    paths = tuple(dict.fromkeys(hit.split(":", 1)[0] for hit in hits))
    memory = Memory(again, path=only(paths), paths=paths)
    if len(hits) == 1:
        path, number, text = hits[0].split(":", 2)
        return Outcome(
            f"{path} line {number} says: {text.strip()}", paths, thought="There is one line.", memory=memory
        )
    return Outcome(
        quoted("These lines have it:", observation.content), paths, thought="I have the lines.", memory=memory
    )


def info(path: str, aspect: str) -> Script:
    """Look at a file and say its size, lines or date, after a question."""
    observations = yield step(f"I will look at {path} with {{tool}}.", "file_info", path=path)
    return info_answer(observations[0], path, aspect)


def info_answer(observation: ToolTurn, path: str, aspect: str) -> Outcome:
    """Return what an observation of `file_info` says: its `size`, its `lines` or its `date`."""
    if observation.error:
        return missing_file(path)
    size, lines, changed = observation.content.removeprefix(f"{path}: ").split(", ")
    memory = Memory(Again("info", {"path": path, "aspect": aspect}), path=path)
    if aspect == "size":
        return Outcome(f"{path} has {size}.", (size.split(" ")[0],), thought=f"It has {size}.", memory=memory)
    if aspect == "lines":
        return Outcome(
            f"{path} has {lines}.", (lines.split(" ")[0],), thought=f"It has {lines}.", memory=memory
        )
    when = changed.removeprefix("changed ")
    return Outcome(f"{path} was last changed on {when}.", (when,), thought=f"It is {when}.", memory=memory)
