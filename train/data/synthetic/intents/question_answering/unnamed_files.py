"""Intents that ask for what a line states: of a file named loosely or not at all, or two values at once."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import any_path, find_spoken, opened, spoken_name, spoken_path
from train.data.synthetic.intents.question_answering.statements import (
    answer_stated,
    save_line,
    search_line,
    statement_in,
)
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, planned, step
from train.data.synthetic.worlds.world import World


@intent("find_files", "read_file", topic="reading files", weight=6)
def stated_in_named(sample: Sampler, world: World) -> Script:
    """The file is named by a part of its name: it is found first."""
    path, one = statement_in(sample, world)
    asked, value = one.ask(sample)
    name = spoken_name(sample, path)
    yield Question(sample.question("stated_named", q=asked, name=name))
    yield from find_spoken(name, path)
    read = yield step(f"It is {path}: I will read {path} with {{tool}}.", "read_file", path=path)
    if one.line not in read[0].content:
        raise ValueError(path)
    return answer_stated(one.line, value, path, path)


@intent("read_file", "find_files", topic="reading files", weight=2)
def stated_two(sample: Sampler, world: World) -> Script:
    """Two values of one line at once."""
    path = any_path(sample, world, "statements")
    one = sample.rng.choice([one for one in world.documents[path].stated if len(one.questions) > 1])
    (first, asked), (second, also) = sample.rng.sample(one.questions, 2)
    both = sample.rng.choice((" and ", ", and ", ", also "))
    asked = f"{one.pick(sample, asked)}{both}{one.pick(sample, also)}"
    said = spoken_path(sample, path)
    yield Question(sample.question("stated_in", q=asked, path=said))
    yield from opened(world, said, path)
    return Outcome(
        f"{path} says: {one.line}",
        (first, second),
        thought=f"The line says: {one.line} - asked for are {first} and {second}.",
        memory=Memory(Again("stated"), path=path),
    )


@intent("search_text", "add_note", topic="searching files", weight=1.6)
def stated_found_then_note(sample: Sampler, world: World) -> Script:
    """What a file states is noted; the file is not named."""
    path, one = statement_in(sample, world)
    asked, value = one.ask(sample)
    query = one.shared_word(asked)
    yield Question(sample.question("stated_found_then_note", q=asked))
    yield from planned(search_line(query, one.line), "save it as a note")
    return (yield from save_line(one.line, value, Memory(Again("note", {"text": one.line}), path=path)))
