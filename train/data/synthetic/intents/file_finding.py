"""Intents over `list_files`, `find_files` and `search_text`."""

from __future__ import annotations

from pathlib import PurePosixPath

from agent.transcript import ToolTurn
from train.data.synthetic.intents.files import FIND_THOUGHT, any_path, listing, query_in, unique_stem
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, give_up, intent, step
from train.data.synthetic.world import World


@intent("list_files", topic="listing files", weight=2.5)
def list_here(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("list_here"))
    observations = yield step("I will list the files with {tool}.", "list_files")
    return Outcome(
        f"The files are {listing(observations[0].content)}.", tuple(observations[0].content.split("\n"))
    )


@intent("list_files", topic="listing files", weight=1.5)
def list_path(sample: Sampler, world: World) -> Script:
    folders = sorted({path.split("/")[0] for path in world.files if "/" in path})
    folder = sample.rng.choice(folders) if folders and sample.chance(0.85) else sample.word()
    yield Question(sample.question("list_path", path=folder))
    observations = yield step("I will list the files with {tool}.", "list_files", path=folder)
    if observations[0].error:
        return give_up(observations[0], f"There is no folder {folder}.")
    return Outcome(
        f"In {folder}: {listing(observations[0].content)}.", tuple(observations[0].content.split("\n"))
    )


@intent("find_files", topic="finding files", weight=2)
def find(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    name = unique_stem(path) if sample.chance(0.7) else PurePosixPath(path).name
    if sample.chance(0.12):
        name = sample.value(sample.pseudo_word)
    yield Question(sample.question("find", name=name))
    observations = yield step(FIND_THOUGHT, "find_files", name=name)
    text = observations[0].content
    if text.startswith("no file"):
        return Outcome(f"There is no file with {name} in its name.", (name,))
    return Outcome(f"Found: {listing(text)}.", tuple(text.split("\n")))


def _search_answer(observation: ToolTurn, query: str) -> Outcome:
    if observation.error:
        return give_up(observation, f"It cannot be searched: {observation.content}.")
    if observation.content.startswith("no file contains"):
        return Outcome(f"No file contains {query}.", (query,))
    hits = observation.content.split("\n")
    paths = tuple(dict.fromkeys(hit.split(":", 1)[0] for hit in hits))
    if len(hits) == 1:
        path, number, text = hits[0].split(":", 2)
        return Outcome(f"{path} line {number} says: {text.strip()}", paths)
    return Outcome(f"It is in {', '.join(paths)}.", paths)


@intent("search_text", topic="searching files", weight=2)
def search(sample: Sampler, world: World) -> Script:
    query = (
        query_in(sample, world, any_path(sample, world))
        if sample.chance(0.88)
        else sample.value(sample.pseudo_word)
    )
    yield Question(sample.question("search", q=query))
    observations = yield step("I will search the files with {tool}.", "search_text", query=query)
    return _search_answer(observations[0], query)


@intent("search_text", topic="searching files", weight=0.8)
def search_in(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world)
    query = query_in(sample, world, path)
    yield Question(sample.question("search_in", q=query, path=path))
    observations = yield step("I will search the files with {tool}.", "search_text", query=query, path=path)
    return _search_answer(observations[0], query)
