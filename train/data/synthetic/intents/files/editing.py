"""Intents that change one line of a file: it is read, and written with the line new, changed or left out."""

from __future__ import annotations

from agent.transcript import ToolTurn
from train.data.synthetic.intents.files.common import any_path, find_spoken, lines_of, loose_name, loosely
from train.data.synthetic.intents.files.composing import written
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Part, Question, Script, intent, step
from train.data.synthetic.worlds.documents import setting
from train.data.synthetic.worlds.world import World

_GROWING = ("items", "tasks", "prose", "statements", "week", "numbered", "prices")
"""Kinds of documents that people add a line to."""
MAX_LINES = 6
"""Maximum number of lines of a file that is written anew."""


def _short(sample: Sampler, world: World, *kinds: str) -> str:
    """Return the path of a file of few lines."""
    path = any_path(sample, world, *kinds)
    if not world.files[path] or len(lines_of(world, path)) > MAX_LINES:
        raise ValueError(path)
    return path


def _read_first(path: str, lead: str = "Writing") -> Part[str]:
    seen = yield step(
        f"{lead} replaces a file, so first I will read {path} with {{tool}}.", "read_file", path=path
    )
    if seen[0].error:
        raise ValueError(path)
    return seen[0].content


def _write_anew(path: str, why: str, text: str, answer: str) -> Script:
    turns: list[ToolTurn] = yield step(
        f"{why}: I will write {path} with {{tool}}.", "write_file", path=path, content=text
    )
    outcome: Outcome = written(turns[0], path, text, answer)
    return outcome


@intent("read_file", "write_file", topic="writing files", weight=4.5)
def prepend(sample: Sampler, world: World) -> Script:
    """A line before all the others of a file."""
    path, text = _short(sample, world), sample.phrase()
    yield Question(sample.question("prepend", path=path, content=text))
    old = yield from _read_first(path)
    return (
        yield from _write_anew(
            path, "The new line goes first", f"{text}\n{old}", f"I put it at the top of {path}."
        )
    )


def _new_value(sample: Sampler, value: str) -> str:
    """Return another value of the same kind: a whole number, a price, or a word."""
    if value.removeprefix("-").isdigit():
        return ("-" if value.startswith("-") else "") + sample.integer(2, 9999)
    return sample.price(900) if "." in value else setting(sample)


@intent("read_file", "write_file", topic="writing files", weight=4.5)
def set_value(sample: Sampler, world: World) -> Script:
    """Another value for a setting or a price of a file."""
    path = _short(sample, world, "settings", "config", "prices", "people")
    key, value = sample.rng.choice(world.documents[path].facts)
    line = world.documents[path].line_of(key, value)
    new = _new_value(sample, value)
    if line.count(value) != 1 or new == value:
        raise ValueError(value)
    yield Question(sample.question("set_value", path=path, key=key, value=new))
    old = yield from _read_first(path)
    changed = line.replace(value, new)
    if line not in old.split("\n"):
        raise ValueError(path)
    text = "\n".join(changed if one == line else one for one in old.split("\n"))
    return (
        yield from _write_anew(
            path, f"The line of {key} becomes {changed.strip()}", text, f"I changed {key} in {path}."
        )
    )


@intent("read_file", "write_file", topic="writing files", weight=4)
def remove_line(sample: Sampler, world: World) -> Script:
    """A line taken out of a list."""
    path = _short(sample, world, "items", "prices", "tasks", "people", "settings")
    key, value = sample.rng.choice(world.documents[path].facts)
    yield Question(sample.question("remove_line", path=path, item=key))
    old = (yield from _read_first(path)).split("\n")
    out = [line for line in old if key in line]
    shown = world.documents[path].kind == "tasks" or not value or (len(out) == 1 and value in out[0])
    if len(out) != 1 or len(old) < 2 or not shown:
        raise ValueError(path)
    text = "\n".join(line for line in old if line != out[0])
    return (
        yield from _write_anew(
            path, f"All lines but {out[0].strip()} stay", text, f"I took {key} out of {path}."
        )
    )


@intent("find_files", "read_file", "write_file", topic="writing files", weight=3)
def append_described(sample: Sampler, world: World) -> Script:
    """A line added to a file that is called by its words, which is looked for first."""
    path, text = _short(sample, world, *_GROWING), sample.phrase()
    said = loosely(sample, path)
    yield Question(sample.question("append_described", path=said, content=text))
    yield from find_spoken(loose_name(said), path)
    old = yield from _read_first(path, f"It is {path}; writing")
    why = "The new line goes last"
    return (yield from _write_anew(path, why, f"{old}\n{text}", f"I added it to {path}."))
