"""Intents that ask for a section of a file: the line of a day, the list under a heading."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import any_path, opened, quoted, spoken_path
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, step
from train.data.synthetic.worlds.world import World


@intent("read_file", "find_files", topic="reading files", weight=6)
def day_line(sample: Sampler, world: World) -> Script:
    """What a file has for one day."""
    path = any_path(sample, world, "week")
    day, plan = sample.rng.choice(world.documents[path].facts)
    said = spoken_path(sample, path)
    yield Question(sample.question("day_line", day=day, path=said))
    yield from opened(world, said, path)
    return _planned(day, plan, path)


def _planned(day: str, plan: str, path: str) -> Outcome:
    return Outcome(
        f"{day}: {plan}.",
        (plan,),
        thought=f"The line of {day} says: {plan}",
        memory=Memory(Again("stated"), path=path),
    )


@intent("search_text", topic="searching files", weight=3)
def day_somewhere(sample: Sampler, world: World) -> Script:
    """What a file that is not named has for one day."""
    path = any_path(sample, world, "week")
    day, plan = sample.rng.choice(world.documents[path].facts)
    yield Question(sample.question("day_somewhere", day=day))
    turns = yield step(f"I will search the files for {day} with {{tool}}.", "search_text", query=day)
    hits = turns[0].content.split("\n")
    if len(hits) > 1 or plan not in hits[0]:
        raise ValueError(day)
    return _planned(day, plan, path)


@intent("read_file", "find_files", topic="reading files", weight=6)
def section_of(sample: Sampler, world: World) -> Script:
    """What stands under one heading of a file, and nothing else of it."""
    path = any_path(sample, world, "sections")
    heading, under = sample.rng.choice(world.documents[path].facts)
    said = spoken_path(sample, path)
    yield Question(sample.question("section_of", head=heading, path=said))
    yield from opened(world, said, path)
    lines = [line.strip() for line in under.split("\n")]
    return Outcome(
        quoted(f"{heading}:", "\n".join(lines)),
        tuple(lines),
        thought=f"Under {heading} stand: {' | '.join(lines)}",
        memory=Memory(Again("stated"), path=path),
    )
