"""Intents that say what to do, and not with which number, file or date: that is asked for."""

from __future__ import annotations

from train.data.synthetic.actions import shift, work_out
from train.data.synthetic.intents.files.common import any_path
from train.data.synthetic.intents.files.composing import written, written_text
from train.data.synthetic.intents.no_call.missing_arguments import asked
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Script, intent, step
from train.data.synthetic.worlds.world import World

_OPERATIONS = {
    "missing_plus": ("+", "Add {n} to which number?"),
    "missing_minus": ("-", "Take {n} off which number?"),
    "missing_times": ("*", "Multiply which number by {n}?"),
    "missing_divided": ("/", "Divide which number by {n}?"),
}
"""Section -> its operator, and what is asked back."""


@intent("calculate", topic="arithmetic", weight=3)
def missing_operand(sample: Sampler, world: World) -> Script:
    """An operation with one number: the other one is missing."""
    section = sample.rng.choice(list(_OPERATIONS))
    sign, back = _OPERATIONS[section]
    n, number = sample.integer(2, 60), sample.number(60, 900)
    given = sample.question("given_number", n=number)
    rest = work_out(f"{number} {sign} {n}")
    return asked(sample, section, "The other number", (back.format(n=n), "Which number?"), given, rest, n=n)


@intent("file_info", topic="file sizes", weight=3)
def missing_info(sample: Sampler, world: World) -> Script:
    """The size, the lines or the date of a file that is not named."""
    path = any_path(sample, world)

    def rest() -> Script:
        seen = yield step(f"I will look at {path} with {{tool}}.", "file_info", path=path)
        if seen[0].error:
            raise ValueError(path)
        told = seen[0].content
        return Outcome(
            f"{told}.",
            (path,),
            thought=f"It says: {told}.",
            memory=Memory(Again("info", {"path": path}), path=path),
        )

    back = ("Which file do you mean?", "Of which file?")
    given = sample.question("given_file", path=path)
    return asked(sample, "missing_info", "The name of the file", back, given, rest())


@intent("write_file", topic="writing files", weight=2.5)
def missing_path(sample: Sampler, world: World) -> Script:
    """A text, and no name of a file to write it to."""
    path, content = sample.value(sample.file_name), written_text(sample)
    if "'" in content or '"' in content:
        raise ValueError(content)

    def rest() -> Script:
        turns = yield step(f"I will write {path} with {{tool}}.", "write_file", path=path, content=content)
        if turns[0].error:
            raise ValueError(path)
        return written(turns[0], path, content)

    back = ("What should the file be called?", "Into which file shall I write it?")
    given = sample.question("given_path", path=path)
    return asked(sample, "missing_path", "The name of the file", back, given, rest(), content=content)


@intent("add_days", topic="dates", weight=2.5)
def missing_start(sample: Sampler, world: World) -> Script:
    """A number of days before or after a date that is not named."""
    days, date = int(sample.integer(2, 90)), sample.date()
    is_back = sample.chance(0.5)
    section, sign = ("before", "minus") if is_back else ("after", "plus")
    given = sample.question("given_start", date=date)
    rest = shift(date, -days if is_back else days, f"{section} means {sign}")
    back = ("From which date?", "Which date do you mean?")
    return asked(sample, f"missing_start_{section}", "The date", back, given, rest, n=str(days))
