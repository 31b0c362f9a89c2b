"""Intents over `write_file`: replace a text, write several lines, append to a file that does not exist."""

from __future__ import annotations

from agent.tools.lib.dates import WEEKDAYS
from agent.transcript import ToolTurn
from train.data.phrasings import names
from train.data.synthetic.intents.files.common import any_path
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, give_up, intent, step
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.documents import setting
from train.data.synthetic.worlds.world import World

_LISTED: tuple[tuple[str, str], ...] = (
    (", ", " and "),
    (", ", ", "),
    (", then ", ", then "),
    ("; ", "; "),
    (" / ", " / "),
    ("\n", "\n"),
)
"""What stands between the lines that a person names, and before the last of them."""


def written_text(sample: Sampler) -> str:
    """Return a text for a file: a note, a line of a file, a setting, or two sentences."""
    kind = sample.rng.random()
    if kind < 0.12:
        return sample.value(lambda: _appointment(sample))
    if kind < 0.4:
        return sample.phrase()
    if kind < 0.6:
        text = sample.line()
        return sample.phrase() if '"' in text else text
    if kind < 0.78:
        key = sample.rng.choice(names.KEYS).replace(" ", "_")
        value = sample.rng.choice(("true", "false", "on", "off")) if sample.chance(0.3) else setting(sample)
        return f"{key}{sample.rng.choice(('=', '=', ' = ', ': '))}{value}"
    if kind < 0.9:
        return sample.value(lambda: f"{sample.phrase().rstrip('.').capitalize()}.")
    return sample.value(
        lambda: f"{sample.phrase().rstrip('.').capitalize()}. {sample.phrase().rstrip('.').capitalize()}."
    )


def _appointment(sample: Sampler) -> str:
    """Return a short text with a number in words or a weekday, as a later question may correct it."""
    count, weekday = number_words(sample.rng.randint(2, 12)), sample.rng.choice(WEEKDAYS)
    form = sample.rng.choice(
        (
            "meet {person} at {count}",
            "back on {weekday}",
            "{count} loaves for {weekday}",
            "closed until {weekday}",
            "dinner for {count} at {person}'s",
            "the bus goes at {count}",
            "call {person} on {weekday} about the {item}",
            "{count} tins of {item}",
            "{person} comes on {weekday}, {count} guests",
        )
    )
    item = sample.rng.choice(names.ITEMS)
    return form.format(count=count, weekday=weekday, person=sample.rng.choice(names.FIRST_NAMES), item=item)


def new_path(sample: Sampler, world: World) -> str:
    """Return the path of a file that may not exist, sometimes in a folder of the world."""
    name = sample.value(sample.file_name)
    return f"{sample.rng.choice(world.folders)}/{name}" if world.folders and sample.chance(0.2) else name


def written(turn: ToolTurn, path: str, text: str, answer: str = "") -> Outcome:
    """Return the outcome of a call that wrote a file; `answer` replaces the usual one."""
    if turn.error:
        return give_up(f"{path} was not written: {turn.content}.")
    return Outcome(
        answer or f"I wrote it to {path}.",
        (path,),
        thought=f"{path} is written.",
        memory=Memory(Again("write", {"path": path}), path=path, text=text),
    )


@intent("write_file", topic="writing files", weight=7)
def overwrite(sample: Sampler, world: World) -> Script:
    """A file that is there gets another text: it is written without a look at the old one."""
    path, text = any_path(sample, world), written_text(sample)
    yield Question(sample.question("overwrite", path=path, content=text))
    turns = yield step(f"I will write {path} with {{tool}}.", "write_file", path=path, content=text)
    return written(turns[0], path, text)


@intent("write_file", topic="writing files", weight=5.5)
def write_lines(sample: Sampler, world: World) -> Script:
    """Several lines, named one after the other."""
    path, count = new_path(sample, world), sample.rng.randint(2, 5)
    pools = (names.ITEMS, names.FIRST_NAMES, names.WORDS, [note for note in names.NOTES if "," not in note])
    lines = sample.rng.sample(list(sample.rng.choice(pools)), count)
    between, last = sample.rng.choice(_LISTED)
    said = between.join(lines[:-1]) + last + lines[-1]
    yield Question(sample.question("write_lines", path=path, lines=said))
    text = "\n".join(lines)
    turns = yield step(
        f"The lines are {' | '.join(lines)}: I will write {path} with {{tool}}.",
        "write_file",
        path=path,
        content=text,
    )
    return written(turns[0], path, text)


@intent("read_file", "write_file", topic="writing files", weight=1.2)
def append_new(sample: Sampler, world: World) -> Script:
    """A line for a file that turns out not to exist: it is written with that line alone."""
    path, text = new_path(sample, world), sample.phrase()
    if path in world.files:
        raise ValueError(path)
    yield Question(sample.question("append", path=path, content=text))
    seen = yield step(
        f"Writing replaces a file, so first I will read {path} with {{tool}}.", "read_file", path=path
    )
    if not seen[0].error:
        raise ValueError(path)
    turns = yield step(
        f"There is no {path} yet: I will write {path} with {{tool}}.", "write_file", path=path, content=text
    )
    return written(turns[0], path, text, f"I wrote it to {path}, which is new.")
