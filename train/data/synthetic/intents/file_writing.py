"""Intents over `write_file`, `add_note` and `search_notes`, alone and after other tools."""

from __future__ import annotations

from agent.transcript import ToolTurn
from train.data.synthetic.intents.file_reading import read, read_found
from train.data.synthetic.intents.files import (
    FIND_THOUGHT,
    FOUND_THOUGHT,
    READ_THOUGHT,
    lines_of,
    unique_stem,
)
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import (
    READY_THOUGHT,
    Outcome,
    Question,
    Script,
    Step,
    ToolCall,
    give_up,
    intent,
    step,
)
from train.data.synthetic.world import World

REFUSALS = (
    "write_file needs the user's approval and nobody is there to give it",
    "the user refused this call",
)
"""Observations of a call that was not approved."""


@intent("write_file", topic="writing files", weight=2.5)
def write(sample: Sampler, world: World) -> Script:
    path, content = sample.value(sample.file_name), sample.phrase()
    refused = sample.rng.choice(REFUSALS) if sample.chance(0.2) and not sample.is_test else None
    yield Question(sample.question("write", path=path, content=content))
    use = ToolCall("write_file", {"path": path, "content": content}, refused, refused is not None)
    observations = yield Step("I will write the file with {tool}.", (use,))
    if observations[0].error:
        return give_up(observations[0], f"{path} was not written: {observations[0].content}.")
    return Outcome(f"I wrote it to {path}.", (path,))


@intent("add_note", topic="saving notes", weight=2.5)
def note_add(sample: Sampler, world: World) -> Script:
    text = sample.phrase()
    yield Question(sample.question("note_add", text=text))
    observations = yield step("I will save the note with {tool}.", "add_note", text=text)
    return Outcome(f"I {observations[0].content}.", (observations[0].content.split(" ")[-1],))


def _notes_answer(observation: ToolTurn, query: str = "") -> Outcome:
    text = observation.content
    if text == "there are no notes":
        return Outcome("You have no notes.", ())
    if text.startswith("no note contains"):
        return Outcome(f"You have no note about {query}.", (query,))
    said = tuple(line.split(": ", 1)[1] for line in text.split("\n"))
    return Outcome(f"Your notes say: {'; '.join(said)}.", said)


@intent("search_notes", topic="finding notes", weight=2)
def note_search(sample: Sampler, world: World) -> Script:
    words = [w for note in world.notes for w in note.split() if len(w) > 3 and w.isalnum()]
    query = sample.rng.choice(words) if words and sample.chance(0.85) else sample.word()
    yield Question(sample.question("note_search", q=query))
    observations = yield step("I will search the notes with {tool}.", "search_notes", query=query)
    return _notes_answer(observations[0], query)


@intent("search_notes", topic="finding notes", weight=1)
def note_list(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("note_list"))
    observations = yield step("I will list the notes with {tool}.", "search_notes")
    return _notes_answer(observations[0])


@intent("read_file", "add_note", topic="reading files", weight=0.6)
def read_then_note(sample: Sampler, world: World) -> Script:
    short = [path for path in world.files if len(lines_of(world, path)) == 1]
    if not short:
        return (yield from read(sample, world))
    path = sample.rng.choice(short)
    yield Question(sample.question("read_then_note", path=path))
    observations = yield step(READ_THOUGHT, "read_file", path=path)
    text = observations[0].content
    yield step("Now I will save its text with {tool}.", "add_note", text=text)
    return Outcome(f"I saved the text of {path} as a note.", (path,), thought=READY_THOUGHT)


@intent("find_files", "read_file", "calculate", "add_note", topic="finding files", weight=1.2)
def total_of_found(sample: Sampler, world: World) -> Script:
    for path in world.files:
        pairs = [line.split(": ") for line in lines_of(world, path)]
        if len(pairs) > 1 and all(len(p) == 2 and p[1].replace(".", "", 1).isdigit() for p in pairs):
            break
    else:
        return (yield from read_found(sample, world))
    name = unique_stem(path)
    saved = sample.chance(0.5)
    yield Question(sample.question("total_then_note" if saved else "total_of_found", name=name))
    observations = yield step(FIND_THOUGHT, "find_files", name=name)
    found = observations[0].content.split("\n")[0]
    yield step(FOUND_THOUGHT, "read_file", path=found)
    total = " + ".join(p[1] for p in pairs)
    observations = yield step("Now I will add the numbers with {tool}.", "calculate", expression=total)
    result = observations[0].content
    if not saved:
        return Outcome(f"{total} = {result}", (result,))
    yield step("Now I will save the result with {tool}.", "add_note", text=f"{name}: {result}")
    return Outcome(f"{total} = {result}. I saved it as a note.", (result,))
