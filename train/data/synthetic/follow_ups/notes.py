"""Follow-ups that keep or recall what was said: in a note, in a file, or from the dialogue itself."""

from __future__ import annotations

from train.data.phrasings import QUESTIONS
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.intents.files.composing import written
from train.data.synthetic.intents.notes import look_up_notes, save_note
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, follow_up, step
from train.data.synthetic.worlds.world import World


def _short_answer(memory: Memory) -> bool:
    return bool(memory.answer) and len(memory.answer) < 90 and "\n" not in memory.answer


def _worth_keeping(memory: Memory) -> bool:
    found = memory.number or memory.day or memory.is_again("value_of", "value_somewhere", "info", "time_in")
    return bool(found) and _short_answer(memory) and "I cannot" not in memory.answer


def _found(memory: Memory) -> str:
    """Return the last answer without the words that only lead to it. Raise ValueError if it is several."""
    text = memory.answer.rstrip(".")
    for lead in ("That is a ", "That is ", "That makes ", "It is ", "The price is ", "The total is "):
        text = text.removeprefix(lead)
    if ". " in text:
        raise ValueError(text)
    return text


@follow_up("add_note", when=_worth_keeping, weight=1.6)
def note_answer(sample: Sampler, world: World, memory: Memory) -> Script:
    yield Question(sample.question("note_that"))
    text = _found(memory)
    return (yield from save_note(text, f"The last answer is {text}"))


@follow_up("add_note", when=lambda m: m.number and _worth_keeping(m), weight=2.2)
def note_answer_as(sample: Sampler, world: World, memory: Memory) -> Script:
    """The last result as a note, with what it is."""
    if memory.unit in ("days", "weeks", "hours"):
        raise ValueError(memory.unit)
    labels = "measured_labels" if memory.unit else "labels"
    label, result = sample.pick(QUESTIONS[labels], HELD_OUT_PHRASINGS), f"{memory.number} {memory.unit}"
    yield Question(sample.question("note_that_as", label=label))
    text = f"{label}: {result.strip()}"
    return (yield from save_note(text, f"The last result is {result.strip()}, the note is {text}"))


@follow_up("write_file", when=_worth_keeping, weight=1)
def write_answer(sample: Sampler, world: World, memory: Memory) -> Script:
    path, text = sample.value(sample.file_name), _found(memory)
    yield Question(sample.question("write_that", path=path))
    wrote = yield step(
        f"The last answer is {text}: I will write it to {path} with {{tool}}.",
        "write_file",
        path=path,
        content=text,
    )
    return written(wrote[0], path, text)


@follow_up("add_note", when=lambda m: m.is_again("note"), weight=2)
def another_note(sample: Sampler, world: World, memory: Memory) -> Script:
    text = sample.phrase()
    yield Question(sample.question("another_note", text=text))
    return (yield from save_note(text, "Another note"))


@follow_up("search_notes", when=lambda m: m.is_again("note_search"), weight=6)
def other_note_query(sample: Sampler, world: World, memory: Memory) -> Script:
    query = sample.rng.choice(world.note_words) if sample.chance(0.8) else sample.word()
    yield Question(sample.question("other_query", q=query))
    return (yield from look_up_notes(query))


@follow_up("search_notes", when=lambda m: m.is_again("note"), weight=1.5)
def notes_now(sample: Sampler, world: World, memory: Memory) -> Script:
    """The note that was just saved, looked up by a word of it."""
    words = [w.strip(".,!?'") for w in memory.slot("text").split()]
    query = max((w for w in words if w.isalpha()), key=len)
    yield Question(sample.question("note_search", q=query))
    return (yield from look_up_notes(query))


@follow_up(when=lambda m: _short_answer(m) and len(m.past) > 1, weight=1.6)
def recall_first(sample: Sampler, world: World, memory: Memory) -> Script:
    """The first answer of the dialogue: nothing is called."""
    first = memory.past[0]
    if len(first) > 90 or "\n" in first:
        raise ValueError(first)
    yield Question(sample.question("recall_first"))
    return Outcome(first, (), thought=f"The first answer was: {first}")


@follow_up(when=_short_answer, weight=2.4)
def recall_last(sample: Sampler, world: World, memory: Memory) -> Script:
    """The last answer once more: nothing is called."""
    yield Question(sample.question("recall_last"))
    return Outcome(memory.answer, (), thought=f"The last answer was: {memory.answer}")


@follow_up(when=_short_answer, weight=2.2)
def recall_after_thanks(sample: Sampler, world: World, memory: Memory) -> Script:
    """Thanks, and then the last answer once more: nothing is called."""
    yield Question(sample.question("thanks_after"))
    yield _welcome(sample)
    yield Question(sample.question("recall_last"))
    return Outcome(memory.answer, (), thought=f"The last answer was: {memory.answer}")


@follow_up(when=lambda m: m.answer, weight=1.4)
def thanked(sample: Sampler, world: World, memory: Memory) -> Script:
    """Thanks and remarks after a result are no request."""
    yield Question(sample.question("thanks_after"))
    return _welcome(sample)


def _welcome(sample: Sampler) -> Outcome:
    return Outcome(
        sample.rng.choice(
            (
                "You're welcome! Anything else?",
                "Glad that helped.",
                "Happy to help.",
                "Any time.",
                "Good. What next?",
                "You're welcome.",
            )
        ),
        thought="That is thanks, no request; no tool is needed.",
    )


@follow_up(when=lambda m: m.answer, weight=0.15)
def never_mind(sample: Sampler, world: World, memory: Memory) -> Script:
    yield Question(sample.question("never_mind"))
    return Outcome(
        sample.rng.choice(("All right.", "Okay, nothing then.", "No problem.", "Fine, I'll leave it.")),
        thought="The request is withdrawn; no tool is needed.",
    )
