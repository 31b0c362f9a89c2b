"""Follow-ups about another file than the last one, named by a part of its name: it is looked for and read."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import file_contents, unique_stem
from train.data.synthetic.intents.files.contents import value_answer
from train.data.synthetic.intents.files.reading import MAX_QUOTED
from train.data.synthetic.intents.question_answering.statements import answer_stated
from train.data.synthetic.intents.question_answering.tables import cell_answer
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Part, Question, Script, follow_up, step
from train.data.synthetic.worlds.world import World


def _was_read(memory: Memory) -> bool:
    return bool(memory.path) and memory.is_again("read", "value_of", "quantity", "cell", "stated", "item_at")


def _other_name(sample: Sampler, world: World, memory: Memory) -> tuple[str, str]:
    """Return the path of another short file, one of the same folder if there is one, and its name.

    Raise ValueError where the file that was read says that name: it would be asked of that file.
    """
    folder = memory.path.rpartition("/")[0]
    near = [path for path in world.documents if path != memory.path and path.rpartition("/")[0] == folder]
    path = sample.rng.choice(near or [path for path in world.documents if path != memory.path])
    if any(key == memory.slot("key") for key, _ in world.documents[path].facts):
        # The same value is asked for then.
        raise ValueError(path)
    if memory.is_again("cell", "stated") and _are_alike(world, path, memory.path):
        raise ValueError(path)
    name = unique_stem(path)
    if len(world.documents[path].lines) > MAX_QUOTED or _says(world, memory, name):
        raise ValueError(name)
    return path, name


def _are_alike(world: World, path: str, other: str) -> bool:
    """Return whether two files say the same of different things."""
    alike = [
        world.twins,
        tuple(path for path, _ in world.siblings.files) if world.siblings else (),
        world.series.paths if world.series else (),
    ]
    return any(path in paths and other in paths for paths in alike)


def _says(world: World, memory: Memory, name: str) -> bool:
    return name.lower() in world.files.get(memory.path, memory.text).lower()


def _read(path: str, name: str, why: str) -> Part[str]:
    """Look for a file by a part of its name and read it; return its text."""
    seen = yield step(f"{why}: I will look for {name} with {{tool}}.", "find_files", name=name)
    if seen[0].content != path:
        raise ValueError(name)
    read = yield step(f"It is {path}: I will read it with {{tool}}.", "read_file", path=path)
    return read[0].content


@follow_up("find_files", "read_file", when=_was_read, weight=12)
def read_sibling(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another file by a part of its name."""
    path, name = _other_name(sample, world, memory)
    yield Question(sample.question("read_sibling", name=name))
    text = yield from _read(path, name, f"{name} is not in {memory.path}, it is another file")
    return file_contents(path, text)


@follow_up("find_files", "read_file", when=_was_read, weight=12)
def corrected_file(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another file than the one that was said."""
    path, name = _other_name(sample, world, memory)
    old = unique_stem(memory.path)
    section = sample.rng.choice(("corrected_file", "corrected_to_file"))
    yield Question(sample.question(section, name=name, old=old))
    text = yield from _read(path, name, f"{name} in place of {old} is another file")
    return file_contents(path, text)


def _twin(sample: Sampler, world: World, memory: Memory) -> tuple[str, str, str, str]:
    """Return the path of another file that gives the same things, the name of one, its value and its line."""
    key = memory.slot("key")
    paths = [
        path
        for path, document in world.documents.items()
        if path != memory.path and any(fact[0] == key for fact in document.facts)
    ]
    path = sample.rng.choice(paths)
    value = next(value for name, value in world.documents[path].facts if name == key)
    line = world.documents[path].line_of(key, value)
    return path, key, value, line


@follow_up("find_files", "read_file", when=lambda m: m.path and m.slot("key"), weight=60)
def same_of_sibling(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same value of another file, or after a correction."""
    path, key, value, line = _twin(sample, world, memory)
    name = unique_stem(path)
    if _says(world, memory, name):
        raise ValueError(name)
    why = yield from _asked_of_other(sample, memory.path, name, key)
    yield from _read(path, name, why)
    return value_answer(key, value, line, path)


@follow_up("find_files", "read_file", when=lambda m: m.path and m.is_again("cell"), weight=60)
def same_cell_of_sibling(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same cell of a table in another file, or after a correction."""
    row, column = memory.slot("row"), memory.slot("column")
    tables = {
        path: document.table
        for path, document in world.documents.items()
        if path != memory.path and document.table
    }
    path = sample.rng.choice(
        [
            path
            for path, table in tables.items()
            if column in table.header and any(other[0] == row for other in table.rows)
        ]
    )
    table, name = tables[path], unique_stem(path)
    if _says(world, memory, name):
        raise ValueError(name)
    why = yield from _asked_of_other(sample, memory.path, name, f"the {column} of {row}")
    yield from _read(path, name, why)
    return cell_answer(table, next(other for other in table.rows if other[0] == row), column, path)


@follow_up("find_files", "read_file", when=lambda m: m.path and m.is_again("stated"), weight=60)
def same_of_series(sample: Sampler, world: World, memory: Memory) -> Script:
    """What another file of the same form states, or after a correction."""
    series = world.series
    if series is None or memory.path not in series.paths:
        raise ValueError(memory.path)
    row = series.rows[series.paths.index(memory.path)]
    slots = [slot for slot in series.asked if row.slots[slot] == memory.slot("value")]
    at = sample.rng.choice([at for at, path in enumerate(series.paths) if path != memory.path])
    path, name, row = series.paths[at], series.stems[at], series.rows[at]
    if len(slots) != 1 or _says(world, memory, name):
        raise ValueError(name)
    why = yield from _asked_of_other(sample, memory.path, name, "the same thing")
    text = yield from _read(path, name, why)
    if text != row.line:
        raise ValueError(path)
    return answer_stated(row.line, row.slots[slots[0]], path, path)


def _asked_of_other(sample: Sampler, path: str, name: str, again: str) -> Part[str]:
    """Ask for another file instead of `path`, or as well; return why it is looked for."""
    old = unique_stem(path)
    if sample.chance(0.4):
        section = sample.rng.choice(("corrected_file", "corrected_to_file"))
        yield Question(sample.question(section, name=name, old=old))
        return f"{name} in place of {old} is another file, {again} again"
    yield Question(sample.question("read_sibling", name=name))
    return f"{name} is not in {path}, it is another file, {again} again"
