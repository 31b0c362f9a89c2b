"""Helpers of the intents over files: choice of paths and search texts, and common thoughts and answers."""

from __future__ import annotations

from pathlib import PurePosixPath

from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome
from train.data.synthetic.world import World

READ_THOUGHT = "I will read the file with {tool}."
FIND_THOUGHT = "I will look for the file with {tool}."
FOUND_THOUGHT = "I found the file; I will read it with {tool}."


def any_path(sample: Sampler, world: World) -> str:
    """Return the path of a random file."""
    return sample.rng.choice(list(world.files))


def lines_of(world: World, path: str) -> list[str]:
    """Return the lines of a file."""
    return world.files[path].rstrip("\n").split("\n")


def unique_stem(path: str) -> str:
    """Return the file name up to the first dot, which occurs in no other file name of the same world."""
    return PurePosixPath(path).name.split(".")[0]


def query_in(sample: Sampler, world: World, path: str) -> str:
    """Return a word of more than three letters from a random line of a file."""
    words = [w.strip(".,:;!?'\"()") for w in sample.rng.choice(lines_of(world, path)).split()]
    words = [w for w in words if len(w) > 3] or [sample.word()]
    return words[sample.rng.randrange(len(words))]


def listing(text: str) -> str:
    """Return the lines of an observation separated by commas."""
    return ", ".join(text.split("\n"))


def file_contents(path: str, text: str) -> Outcome:
    """Return the answer that quotes a file."""
    return Outcome(f"{path} says:\n{text}", tuple(text.split("\n")))
