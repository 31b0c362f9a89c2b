"""Follow-ups about another file than the last one, named by a part of its name: it is looked for and read."""

from __future__ import annotations

from train.data.synthetic.intents.files.common import file_contents, unique_stem
from train.data.synthetic.intents.files.contents import value_answer
from train.data.synthetic.intents.files.reading import MAX_QUOTED
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
    alike = [world.twins, tuple(path for path, _ in world.siblings.files) if world.siblings else ()]
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
    name, old = unique_stem(path), unique_stem(memory.path)
    if _says(world, memory, name):
        raise ValueError(name)
    if sample.chance(0.35):
        section = sample.rng.choice(("corrected_file", "corrected_to_file"))
        yield Question(sample.question(section, name=name, old=old))
        why = f"{name} in place of {old} is another file, {key} again"
    else:
        yield Question(sample.question("read_sibling", name=name))
        why = f"{name} is not in {memory.path}, it is another file, {key} again"
    yield from _read(path, name, why)
    return value_answer(key, value, line, path)


@follow_up("find_files", "read_file", when=lambda m: m.is_again("cell"), weight=60)
def same_cell_of_sibling(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same cell of another table with the same rows."""
    if memory.path not in world.twins:
        raise ValueError(memory.path)
    path = world.twins[world.twins[0] == memory.path]
    table, name = world.documents[path].table, unique_stem(path)
    if table is None or _says(world, memory, name):
        raise ValueError(path)
    (row,) = [row for row in table.rows if row[0] == memory.slot("row")]
    yield Question(sample.question("read_sibling", name=name))
    column = memory.slot("column")
    yield from _read(path, name, f"{name} is not in {memory.path}, it is another file, the {column} again")
    return cell_answer(table, row, column, path)
