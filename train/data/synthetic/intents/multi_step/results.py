"""Intents that put a result into a file: of an operation in words, or of a conversion."""

from __future__ import annotations

from train.data.synthetic.actions import json_number
from train.data.synthetic.intents.files.composing import new_path, written
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, give_up, intent, planned, step
from train.data.synthetic.worlds.world import World

_OPERATIONS = {
    "add_then_write": "+",
    "subtract_then_write": "-",
    "multiply_then_write": "*",
    "divide_then_write": "/",
}


def _result(tool: str, lead: str, arguments: dict[str, object]) -> Script:
    seen = yield step(f"I will {lead} with {{tool}}.", tool, **arguments)
    if seen[0].error:
        raise ValueError(lead)
    return Outcome(seen[0].content)


def _put(path: str, result: str) -> Script:
    seen = yield step(
        f"The result is {result}: I will write {result} to {path} with {{tool}}.",
        "write_file",
        path=path,
        content=result,
    )
    if seen[0].error:
        return give_up(f"{path} was not written: {seen[0].content}.")
    outcome = written(seen[0], path, result)
    return Outcome(
        f"It is {result}. I wrote it to {path}.",
        (result.split(" ")[0], path),
        thought=f"The result is {result}, and {path} is written.",
        memory=outcome.memory,
    )


@intent("calculate", "write_file", topic="arithmetic", weight=3)
def operation_then_write(sample: Sampler, world: World) -> Script:
    section = sample.rng.choice(list(_OPERATIONS))
    a, b, path = sample.number(2, 900), sample.number(2, 900), new_path(sample, world)
    if section == "subtract_then_write" and float(a) < float(b):
        a, b = b, a
    yield Question(sample.question(section, a=a, b=b, path=path))
    expression = f"{a} {_OPERATIONS[section]} {b}"
    first = yield from planned(
        _result("calculate", f"work out {expression}", {"expression": expression}), f"write it to {path}"
    )
    return (yield from _put(path, first.answer))


@intent("convert_units", "write_file", topic="converting units", weight=1.6)
def conversion_then_write(sample: Sampler, world: World) -> Script:
    value, (source, target), path = sample.number(2, 900), sample.units(), new_path(sample, world)
    yield Question(sample.question("conversion_then_write", v=value, u1=source, u2=target, path=path))
    arguments = {
        "value": json_number(value),
        "from_unit": source,
        "to_unit": target,
    }
    first = yield from planned(
        _result("convert_units", f"convert {value} {source} to {target}", arguments), f"write it to {path}"
    )
    return (yield from _put(path, first.answer))


@intent("list_files", "write_file", topic="listing files", weight=0.9)
def names_then_write(sample: Sampler, world: World) -> Script:
    """The names of what is in a folder, put into a file."""
    folder, path = sample.rng.choice(world.folders), sample.value(sample.file_name)
    yield Question(sample.question("names_then_write", path=folder, path2=path))
    seen = yield step(
        f"I will list {folder} with {{tool}}, then write it to {path}.", "list_files", path=folder
    )
    text = seen[0].content
    wrote = yield step(
        f"I will write the names to {path} with {{tool}}.", "write_file", path=path, content=text
    )
    return written(wrote[0], path, text, f"I wrote the names to {path}.")


@intent("search_notes", "write_file", topic="finding notes", weight=1.5)
def note_then_write(sample: Sampler, world: World) -> Script:
    """The text of a note, put into a file."""
    query, path = sample.rng.choice(world.note_words), sample.value(sample.file_name)
    yield Question(sample.question("note_then_write", q=query, path=path))
    seen = yield step(
        f"I will search the notes for {query} with {{tool}}, then write it to {path}.",
        "search_notes",
        query=query,
    )
    if "\n" in seen[0].content or seen[0].content.startswith("no note"):
        raise ValueError(query)
    text = seen[0].content.split(": ", 1)[1]
    wrote = yield step(
        f"The note says {text}: I will write it to {path} with {{tool}}.",
        "write_file",
        path=path,
        content=text,
    )
    return written(wrote[0], path, text)
