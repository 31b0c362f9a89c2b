"""The intent that asks for a quantity which a file gives with its unit."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import any_path, opened, spoken_path
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent
from train.data.synthetic.worlds.world import World


@intent("read_file", "find_files", topic="reading files", weight=4)
def quantity_in(sample: Sampler, world: World) -> Script:
    path = any_path(sample, world, "measures")
    document = world.documents[path]
    key, given = sample.rng.choice(document.facts)
    line = document.line_of(key, given)
    said = spoken_path(sample, path)
    yield Question(sample.question("quantity_in", key=key, path=said))
    yield from opened(world, said, path)
    number, _, unit = given.partition(" ")
    return Outcome(
        f"For {key}, {path} says {given}.",
        (given,),
        thought=f"The line of {key} says: {line}",
        memory=Memory(Again("quantity", {"key": key, "path": path}), number=number, unit=unit, path=path),
    )
