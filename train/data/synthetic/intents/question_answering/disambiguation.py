"""Intents whose answer has to be told apart from like ones: one of several people, one of two like files."""

from __future__ import annotations

from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.intents.files.common import opened, spoken_path
from train.data.synthetic.intents.files.contents import value_answer
from train.data.synthetic.intents.question_answering.tables import cell_answer
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, step
from train.data.synthetic.worlds.world import World


@intent("search_notes", topic="finding notes", weight=1.2)
def shared_in_notes(sample: Sampler, world: World) -> Script:
    if world.shared is None:
        raise ValueError("no such notes")
    name, line, value = sample.rng.choice(world.shared.lines)
    asked = sample.pick(world.shared.asked, HELD_OUT_PHRASINGS).format(name=name)
    yield Question(sample.question("stated_noted", q=asked))
    return (yield from noted_of(name, line, value, "It is noted"))


def noted_of(name: str, line: str, value: str, why: str) -> Script:
    """Look up what the notes say of a person and answer, after a question."""
    seen = yield step(f"{why}: I will search the notes for {name} with {{tool}}.", "search_notes", query=name)
    if line not in seen[0].content:
        raise ValueError(name)
    return Outcome(
        f"Your note says: {line}",
        (value,),
        thought=f"The line says: {line} - asked for is {value}.",
        memory=Memory(Again("shared", {"name": name}), number=value if value.isdigit() else ""),
    )


@intent("read_file", "find_files", topic="reading files", weight=0.8)
def value_of_twin(sample: Sampler, world: World) -> Script:
    """A value of a file beside which another one gives the same things."""
    path = sample.rng.choice(world.twins)
    document = world.documents[path]
    if document.table:
        row, column = sample.rng.choice(document.table.rows), sample.rng.choice(document.table.header[1:])
        said = spoken_path(sample, path)
        yield Question(sample.question("cell_in", col=column, row=row[0], path=said))
        yield from opened(world, said, path)
        return cell_answer(document.table, row, column, path)
    key, value = sample.rng.choice(document.facts)
    line = document.line_of(key, value)
    said = spoken_path(sample, path)
    yield Question(
        sample.question("quantity_in" if document.kind == "measures" else "value_of", key=key, path=said)
    )
    yield from opened(world, said, path)
    return value_answer(key, value, line, path)
