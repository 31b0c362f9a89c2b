"""Intents over `add_note` and `search_notes`, alone and after other tools."""

from __future__ import annotations

from agent.transcript import ToolTurn
from train.data.synthetic.intents.files.common import lines_of, quoted, unique_stem
from train.data.synthetic.intents.multi_step.amounts import numbers_in
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, step
from train.data.synthetic.worlds.world import World


@intent("add_note", topic="saving notes", weight=10)
def note_add(sample: Sampler, world: World) -> Script:
    text = sample.phrase()
    yield Question(sample.question("note_add", text=text))
    return (yield from save_note(text))


def save_note(text: str, why: str = "") -> Script:
    """Save a note and say its number, after a question."""
    act = f"{why}: I will save it with {{tool}}." if why else "I will save the note with {tool}."
    observations = yield step(act, "add_note", text=text)
    return Outcome(
        f"I {observations[0].content}.",
        (observations[0].content.split(" ")[-1],),
        thought="The note is saved.",
        memory=Memory(Again("note", {"text": text})),
    )


def notes_answer(observation: ToolTurn, query: str = "") -> Outcome:
    """Return the answer that quotes notes."""
    text = observation.content
    again = Again("note_search", {"q": query})
    if text == "there are no notes":
        return Outcome("You have no notes.", (), thought="There are none.", memory=Memory(again))
    if text.startswith("no note contains"):
        return Outcome(
            f"You have no note about {query}.", (query,), thought="Nothing was found.", memory=Memory(again)
        )
    said = [line.split(": ", 1)[1] for line in text.split("\n")]
    intro = "Your note says:" if len(said) == 1 else "Your notes say:"
    return Outcome(
        quoted(intro, "\n".join(said)), tuple(said), thought="I have the notes.", memory=Memory(again)
    )


@intent("search_notes", topic="finding notes", weight=7)
def note_search(sample: Sampler, world: World) -> Script:
    words = world.note_words
    query = sample.rng.choice(words) if words and sample.chance(0.85) else sample.word()
    yield Question(sample.question("note_search", q=query))
    return (yield from look_up_notes(query))


def look_up_notes(query: str) -> Script:
    """Search the notes and quote them, after a question."""
    observations = yield step(
        f"I will search the notes for {query} with {{tool}}.", "search_notes", query=query
    )
    return notes_answer(observations[0], query)


@intent("search_notes", topic="finding notes", weight=0.9)
def note_list(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("note_list"))
    observations = yield step("I will list the notes with {tool}.", "search_notes")
    return notes_answer(observations[0])


@intent("read_file", "add_note", topic="reading files", weight=0.6)
def read_then_note(sample: Sampler, world: World) -> Script:
    path = sample.rng.choice([p for p in world.files if len(lines_of(world, p)) == 1 and world.files[p]])
    yield Question(sample.question("read_then_note", path=path))
    observations = yield step(
        f"I will read {path} with {{tool}}, then save its text as a note.", "read_file", path=path
    )
    text = observations[0].content
    yield step(f"I have read {path}: I will save its text with {{tool}}.", "add_note", text=text)
    return Outcome(
        f"I saved the text of {path} as a note.",
        (path,),
        thought="The note is saved.",
        memory=Memory(path=path, text=text),
    )


@intent("find_files", "read_file", "calculate", "add_note", topic="finding files", weight=1)
def total_of_found(sample: Sampler, world: World) -> Script:
    path, facts = numbers_in(sample, world)
    name = unique_stem(path)
    saved = sample.chance(0.5)
    yield Question(sample.question("total_then_note" if saved else "total_of_found", name=name))
    plan = ", then add up the amounts" + (" and save the total as a note." if saved else ".")
    observations = yield step(f"I will look for {name} with {{tool}}{plan}", "find_files", name=name)
    found = observations[0].content.split("\n")[0]
    if found != path:
        raise ValueError(found)
    yield step(f"It is {found}: I will read {found} with {{tool}}{plan}", "read_file", path=found)
    after = ", then save it as a note." if saved else "."
    values = [value for _, value in facts]
    total = " + ".join(values)
    observations = yield step(
        f"The amounts are {', '.join(values)}: I will work out {total} with {{tool}}{after}",
        "calculate",
        expression=total,
    )
    result = observations[0].content
    memory = Memory(number=result, path=found)
    if not saved:
        return Outcome(f"{total} = {result}", (result,), thought=f"The total is {result}.", memory=memory)
    note = f"{name}: {result}"
    yield step(f"The total is {result}: I will save {note} with {{tool}}.", "add_note", text=note)
    return Outcome(
        f"{total} = {result}. I saved it as a note.",
        (result,),
        thought=f"The total is {result}, and the note is saved.",
        memory=memory,
    )


@intent("search_notes", topic="finding notes", weight=1.1)
def asked_of_notes(sample: Sampler, world: World) -> Script:
    """A question that a note answers, which does not speak of notes."""
    words = sample.rng.choice([words for note in world.notes if len(words := note.split()) > 3])
    query = max((w.strip(".,'") for w in words if w.isalpha()), key=len)
    yield Question(sample.question("asked_of_notes", q=query))
    return (yield from look_up_notes(query))
