"""Intents over files and notes."""

from __future__ import annotations

from pathlib import PurePosixPath

from agent.transcript import ToolTurn
from train.data.synthetic.draw import Draw
from train.data.synthetic.plan import READY, Ask, End, Script, Step, Use, failed, intent, step
from train.data.synthetic.world import World

READ = "I will read the file with {tool}."
FIND = "I will look for the file with {tool}."
LOST = "There is no such file; I will look for it with {tool}."
FOUND = "I found the file; I will read it with {tool}."
REFUSED = (
    "write_file needs the user's approval and nobody is there to give it",
    "the user refused this call",
)


def _path(d: Draw, world: World) -> str:
    return d.rng.choice(list(world.files))


def _lines(world: World, path: str) -> list[str]:
    return world.files[path].rstrip("\n").split("\n")


def _key(path: str) -> str:
    """A part of a file's name that finds it and nothing else in this world."""
    return PurePosixPath(path).name.split(".")[0]


def _listed(text: str) -> str:
    return ", ".join(text.split("\n"))


@intent("list_files", topic="listing files", weight=2.5)
def list_here(d: Draw, world: World) -> Script:
    yield Ask(d.question("list_here"))
    seen = yield step("I will list the files with {tool}.", "list_files")
    return End(f"The files are {_listed(seen[0].content)}.", tuple(seen[0].content.split("\n")))


@intent("list_files", topic="listing files", weight=1.5)
def list_path(d: Draw, world: World) -> Script:
    folders = sorted({path.split("/")[0] for path in world.files if "/" in path})
    folder = d.rng.choice(folders) if folders and d.chance(0.85) else d.word()
    yield Ask(d.question("list_path", path=folder))
    seen = yield step("I will list the files with {tool}.", "list_files", path=folder)
    if seen[0].error:
        return failed(seen[0], f"There is no folder {folder}.")
    return End(f"In {folder}: {_listed(seen[0].content)}.", tuple(seen[0].content.split("\n")))


@intent("find_files", topic="finding files", weight=2)
def find(d: Draw, world: World) -> Script:
    path = _path(d, world)
    name = _key(path) if d.chance(0.7) else PurePosixPath(path).name
    if d.chance(0.12):
        name = d.value(d.pseudo_word)
    yield Ask(d.question("find", name=name))
    seen = yield step(FIND, "find_files", name=name)
    text = seen[0].content
    if text.startswith("no file"):
        return End(f"There is no file with {name} in its name.", (name,))
    return End(f"Found: {_listed(text)}.", tuple(text.split("\n")))


def _search_answer(seen: ToolTurn, query: str) -> End:
    if seen.error:
        return failed(seen, f"It cannot be searched: {seen.content}.")
    if seen.content.startswith("no file contains"):
        return End(f"No file contains {query}.", (query,))
    hits = seen.content.split("\n")
    paths = tuple(dict.fromkeys(hit.split(":", 1)[0] for hit in hits))
    if len(hits) == 1:
        path, number, text = hits[0].split(":", 2)
        return End(f"{path} line {number} says: {text.strip()}", paths)
    return End(f"It is in {', '.join(paths)}.", paths)


def _query(d: Draw, world: World, path: str) -> str:
    words = [w.strip(".,:;!?'\"()") for w in d.rng.choice(_lines(world, path)).split()]
    words = [w for w in words if len(w) > 3] or [d.word()]
    start = d.rng.randrange(len(words))
    return words[start]


@intent("search_text", topic="searching files", weight=2)
def search(d: Draw, world: World) -> Script:
    query = _query(d, world, _path(d, world)) if d.chance(0.88) else d.value(d.pseudo_word)
    yield Ask(d.question("search", q=query))
    seen = yield step("I will search the files with {tool}.", "search_text", query=query)
    return _search_answer(seen[0], query)


@intent("search_text", topic="searching files", weight=0.8)
def search_in(d: Draw, world: World) -> Script:
    path = _path(d, world)
    query = _query(d, world, path)
    yield Ask(d.question("search_in", q=query, path=path))
    seen = yield step("I will search the files with {tool}.", "search_text", query=query, path=path)
    return _search_answer(seen[0], query)


def _contents(path: str, text: str) -> End:
    return End(f"{path} says:\n{text}", tuple(text.split("\n")))


def _read_or_find(path: str) -> Script:
    """Read a file; where it is not there, find it by its stem and read what was found."""
    seen = yield step(READ, "read_file", path=path)
    if not seen[0].error:
        return _contents(path, seen[0].content)
    seen = yield step(LOST, "find_files", name=_key(path))
    if seen[0].content.startswith("no file"):
        return failed(seen[0], f"There is no file {path}.")
    found = seen[0].content.split("\n")[0]
    seen = yield step(FOUND, "read_file", path=found)
    return _contents(found, seen[0].content)


def _misnamed(d: Draw, path: str) -> str:
    """A path with its ending or folder forgotten, or with another ending."""
    stem = _key(path)
    if d.chance(0.5):
        return stem
    return f"{stem}{'.txt' if not path.endswith('.txt') else '.md'}"


@intent("read_file", "find_files", topic="reading files", weight=2)
def read(d: Draw, world: World) -> Script:
    path = _path(d, world)
    yield Ask(d.question("read", path=path))
    return (yield from _read_or_find(path))


@intent("read_file", "find_files", topic="reading files", weight=2)
def read_misnamed(d: Draw, world: World) -> Script:
    wrong = d.value(d.file_name) if d.chance(0.2) else _misnamed(d, _path(d, world))
    yield Ask(d.question("read", path=wrong))
    return (yield from _read_or_find(wrong))


@intent("read_file", topic="reading files", weight=0.8)
def read_lines(d: Draw, world: World) -> Script:
    path = _path(d, world)
    count = len(_lines(world, path))
    start = d.rng.randint(1, count)
    end = d.rng.randint(start, count)
    yield Ask(d.question("read_lines", path=path, s=start, e=end))
    seen = yield step(READ, "read_file", path=path, start_line=start, end_line=end)
    return _contents(path, seen[0].content)


@intent("read_file", topic="reading files", weight=0.6)
def first_lines(d: Draw, world: World) -> Script:
    path = _path(d, world)
    end = d.rng.randint(1, len(_lines(world, path)))
    yield Ask(d.question("first_lines", path=path, e=end))
    seen = yield step(READ, "read_file", path=path, start_line=1, end_line=end)
    return _contents(path, seen[0].content)


@intent("read_file", topic="reading files", weight=1.2)
def value_of(d: Draw, world: World) -> Script:
    pairs = [
        (path, *line.split(mark, 1))
        for path in world.files
        for line in _lines(world, path)
        for mark in (": ", " = ")
        if line.count(mark) == 1 and len(line) < 40
    ]
    if not pairs:
        return (yield from read(d, world))
    path, key, value = d.rng.choice(pairs)
    yield Ask(d.question("value_of", key=key, path=path))
    yield step(READ, "read_file", path=path)
    return End(f"The {key} in {path} is {value}.", (value,))


@intent("find_files", "read_file", topic="finding files", weight=1.2)
def read_found(d: Draw, world: World) -> Script:
    path = _path(d, world)
    name = _key(path)
    yield Ask(d.question("read_found", name=name))
    seen = yield step(FIND, "find_files", name=name)
    found = seen[0].content.split("\n")[0]
    seen = yield step(FOUND, "read_file", path=found)
    return _contents(found, seen[0].content)


@intent("search_text", "read_file", topic="searching files", weight=0.8)
def search_then_read(d: Draw, world: World) -> Script:
    query = _query(d, world, _path(d, world))
    yield Ask(d.question("search_then_read", q=query))
    seen = yield step("I will search the files with {tool}.", "search_text", query=query)
    if seen[0].error or seen[0].content.startswith("no file"):
        return failed(seen[0], f"No file contains {query}.")
    found = seen[0].content.split(":", 1)[0]
    seen = yield step(FOUND, "read_file", path=found)
    return _contents(found, seen[0].content)


def _info(question: str, path: str, aspect: str) -> Script:
    yield Ask(question)
    seen = yield step("I will look at the file with {tool}.", "file_info", path=path)
    return _info_answer(seen[0], path, aspect)


def _info_answer(seen: ToolTurn, path: str, aspect: str) -> End:
    if seen.error:
        return failed(seen, f"There is no file {path}.")
    size, lines, changed = seen.content.removeprefix(f"{path}: ").split(", ")
    if aspect == "size":
        return End(f"{path} has {size}.", (size.split(" ")[0],))
    if aspect == "lines":
        return End(f"{path} has {lines}.", (lines.split(" ")[0],))
    when = changed.removeprefix("changed ")
    return End(f"{path} was last changed on {when}.", (when,))


def _maybe_missing(d: Draw, world: World) -> str:
    return d.value(d.file_name) if d.chance(0.1) else _path(d, world)


@intent("file_info", topic="file sizes", weight=0.8)
def info_size(d: Draw, world: World) -> Script:
    path = _maybe_missing(d, world)
    return _info(d.question("info_size", path=path), path, "size")


@intent("file_info", topic="file dates", weight=0.8)
def info_date(d: Draw, world: World) -> Script:
    path = _maybe_missing(d, world)
    return _info(d.question("info_date", path=path), path, "date")


@intent("file_info", topic="counting lines", weight=0.6)
def info_lines(d: Draw, world: World) -> Script:
    path = _maybe_missing(d, world)
    return _info(d.question("info_lines", path=path), path, "lines")


@intent("find_files", "file_info", topic="finding files", weight=0.6)
def list_then_info(d: Draw, world: World) -> Script:
    name = _key(_path(d, world))
    yield Ask(d.question("list_then_info", name=name))
    seen = yield step(FIND, "find_files", name=name)
    found = seen[0].content.split("\n")[0]
    seen = yield step("I found the file; I will look at it with {tool}.", "file_info", path=found)
    return _info_answer(seen[0], found, "size")


@intent("file_info", topic="file sizes", weight=0.5)
def two_infos(d: Draw, world: World) -> Script:
    first, second = d.rng.sample(list(world.files), 2)
    yield Ask(d.question("two_infos", path=first, path2=second))
    seen = yield Step(
        "Both files at once with {tool}.",
        (Use("file_info", {"path": first}), Use("file_info", {"path": second})),
    )
    ends = [_info_answer(turn, path, "size") for turn, path in zip(seen, (first, second), strict=True)]
    return End(f"{ends[0].answer[:-1]} and {ends[1].answer}", ends[0].expects + ends[1].expects)


@intent("read_file", topic="reading files", weight=0.8)
def two_reads(d: Draw, world: World) -> Script:
    first, second = d.rng.sample(list(world.files), 2)
    yield Ask(d.question("two_reads", path=first, path2=second))
    seen = yield Step(
        "Both files at once with {tool}.",
        (Use("read_file", {"path": first}), Use("read_file", {"path": second})),
    )
    a, b = seen[0].content, seen[1].content
    return End(f"{first} says:\n{a}\n{second} says:\n{b}", (*a.split("\n"), *b.split("\n")))


@intent("write_file", topic="writing files", weight=2.5)
def write(d: Draw, world: World) -> Script:
    path, content = d.value(d.file_name), d.phrase()
    refused = d.rng.choice(REFUSED) if d.chance(0.2) and not d.held else None
    yield Ask(d.question("write", path=path, content=content))
    use = Use("write_file", {"path": path, "content": content}, refused, refused is not None)
    seen = yield Step("I will write the file with {tool}.", (use,))
    if seen[0].error:
        return failed(seen[0], f"{path} was not written: {seen[0].content}.")
    return End(f"I wrote it to {path}.", (path,))


@intent("add_note", topic="saving notes", weight=2.5)
def note_add(d: Draw, world: World) -> Script:
    text = d.phrase()
    yield Ask(d.question("note_add", text=text))
    seen = yield step("I will save the note with {tool}.", "add_note", text=text)
    return End(f"I {seen[0].content}.", (seen[0].content.split(" ")[-1],))


def _notes(seen: ToolTurn, query: str = "") -> End:
    text = seen.content
    if text == "there are no notes":
        return End("You have no notes.", ())
    if text.startswith("no note contains"):
        return End(f"You have no note about {query}.", (query,))
    said = tuple(line.split(": ", 1)[1] for line in text.split("\n"))
    return End(f"Your notes say: {'; '.join(said)}.", said)


@intent("search_notes", topic="finding notes", weight=2)
def note_search(d: Draw, world: World) -> Script:
    words = [w for note in world.notes for w in note.split() if len(w) > 3 and w.isalnum()]
    query = d.rng.choice(words) if words and d.chance(0.85) else d.word()
    yield Ask(d.question("note_search", q=query))
    seen = yield step("I will search the notes with {tool}.", "search_notes", query=query)
    return _notes(seen[0], query)


@intent("search_notes", topic="finding notes", weight=1)
def note_list(d: Draw, world: World) -> Script:
    yield Ask(d.question("note_list"))
    seen = yield step("I will list the notes with {tool}.", "search_notes")
    return _notes(seen[0])


@intent("read_file", "add_note", topic="reading files", weight=0.6)
def read_then_note(d: Draw, world: World) -> Script:
    short = [path for path in world.files if len(_lines(world, path)) == 1]
    if not short:
        return (yield from read(d, world))
    path = d.rng.choice(short)
    yield Ask(d.question("read_then_note", path=path))
    seen = yield step(READ, "read_file", path=path)
    text = seen[0].content
    yield step("Now I will save its text with {tool}.", "add_note", text=text)
    return End(f"I saved the text of {path} as a note.", (path,), thought=READY)


@intent("find_files", "read_file", "calculate", "add_note", topic="finding files", weight=1.2)
def total_of_found(d: Draw, world: World) -> Script:
    for path in world.files:
        pairs = [line.split(": ") for line in _lines(world, path)]
        if len(pairs) > 1 and all(len(p) == 2 and p[1].replace(".", "", 1).isdigit() for p in pairs):
            break
    else:
        return (yield from read_found(d, world))
    name = _key(path)
    saved = d.chance(0.5)
    yield Ask(d.question("total_then_note" if saved else "total_of_found", name=name))
    seen = yield step(FIND, "find_files", name=name)
    found = seen[0].content.split("\n")[0]
    yield step(FOUND, "read_file", path=found)
    total = " + ".join(p[1] for p in pairs)
    seen = yield step("Now I will add the numbers with {tool}.", "calculate", expression=total)
    result = seen[0].content
    if not saved:
        return End(f"{total} = {result}", (result,))
    yield step("Now I will save the result with {tool}.", "add_note", text=f"{name}: {result}")
    return End(f"{total} = {result}. I saved it as a note.", (result,))
