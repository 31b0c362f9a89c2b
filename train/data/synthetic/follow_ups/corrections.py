"""Follow-ups that correct a request: a mistyped number, another unit, year, word or folder than was said."""

from __future__ import annotations

from agent.tools.lib.dates import fixed_clock, parse_date
from train.data.phrasings import names
from train.data.synthetic.actions import change_units, days_from_to, shift, work_out
from train.data.synthetic.follow_ups.files import search_for
from train.data.synthetic.intents.files.common import any_path, found_files, query_in, unique_stem
from train.data.synthetic.intents.files.contents import KEYED, value_answer
from train.data.synthetic.intents.files.finding import listed
from train.data.synthetic.intents.question_answering.tables import cell_answer
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, follow_up, give_up, step
from train.data.synthetic.values import other_units
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World


def _mistyped(sample: Sampler, number: str) -> str:
    """Return a whole number with two of its digits swapped. Raise ValueError if none differ."""
    at = sample.rng.choice([at for at in range(len(number) - 1) if number[at] != number[at + 1]] or [-1])
    if at < 0 or not number.isdigit():
        raise ValueError(number)
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    if swapped.startswith("0"):
        raise ValueError(number)
    return swapped


def _ask(sample: Sampler, new: object, old: object) -> Question:
    """Return the correction, sometimes with what was wrong."""
    if sample.chance(0.4):
        return Question(sample.question("corrected_from", v=new, old=old))
    return Question(sample.question("corrected", v=new))


def _ask_year(sample: Sampler, new: object, old: object) -> Question:
    if sample.chance(0.25):
        return Question(sample.question("corrected_from", v=new, old=old))
    return Question(sample.question("corrected_year", y=new))


@follow_up("calculate", when=lambda m: m.is_again("binary"), weight=10)
def corrected_number(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another number in place of the one it resembles, or else of the last one that was said."""
    values = {name: memory.slot(name) for name in ("a", "op", "b")}
    name = sample.rng.choice("ab")
    old = values[name]
    if len(old) > 1 and old.isdigit() and sample.chance(0.7):
        new = _mistyped(sample, old)
    else:
        name, old = "b", values["b"]
        new = sample.integer(2, 90)
    if new in values.values() or values["a"] == values["b"]:
        raise ValueError(new)
    yield _ask(sample, new, old)
    values[name] = new
    expression = f"{values['a']} {values['op']} {values['b']}"
    because = f"{new} in place of {old}"
    return (yield from work_out(expression, "That is {r}.", because, Again("binary", values)))


def _units_like(unit: str) -> list[str]:
    """Return the other units of a dimension."""
    return [u for pool in names.UNITS.values() if unit in pool for u in other_units(pool, unit)]


@follow_up("convert_units", when=lambda m: m.is_again("convert") and _units_like(m.slot("u1")), weight=11)
def corrected_source(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another unit than the one that was converted from, sometimes with the number again."""
    v, old, target = memory.slot("v"), memory.slot("u1"), memory.slot("u2")
    unit = sample.rng.choice(other_units(_units_like(old), target))
    because = f"{v} {unit} in place of {v} {old}"
    if sample.chance(0.5):
        yield Question(sample.question("corrected_source", u=unit, old=old))
    else:
        said = number_words(int(v)) if v.isdigit() and int(v) < 100 and sample.chance(0.5) else v
        because = because if said == v else f"{said} is {v}, {because}"
        yield _ask(sample, f"{said} {unit}", old)
    return (yield from change_units(v, unit, target, because))


@follow_up("convert_units", when=lambda m: m.is_again("convert"), weight=7)
def corrected_value(sample: Sampler, world: World, memory: Memory) -> Script:
    old, new = memory.slot("v"), sample.number(2, 900)
    if new == old:
        raise ValueError(new)
    yield _ask(sample, new, old)
    because = f"{new} in place of {old}"
    return (yield from change_units(new, memory.slot("u1"), memory.slot("u2"), because))


@follow_up("add_days", when=lambda m: m.is_again("add_days") and m.slot("kind") == "weekday", weight=22)
def corrected_year(sample: Sampler, world: World, memory: Memory) -> Script:
    """The weekday of the same day in another year."""
    year = memory.day[:4]
    new = str(int(year) + sample.rng.choice((-10, -3, -2, -1, 1, 1, 2, 3, 10)))
    yield _ask_year(sample, new, year)
    day = new + memory.day[4:]
    because = f"the same day in {new} is {day}, 0 days tell the weekday"
    return (yield from shift(day, 0, because, say="{day} is a {weekday}.", slots={"kind": "weekday"}))


@follow_up("days_between", when=lambda m: m.is_again("days_between"), weight=5)
def corrected_end_year(sample: Sampler, world: World, memory: Memory) -> Script:
    """The days to the same day of another year."""
    start = memory.slot("start")
    if memory.slot("end") == "today":
        raise ValueError("the year of today is not corrected")
    with fixed_clock(world.now):
        end = parse_date(memory.slot("end"))
    new = end.year + sample.rng.choice((1, 1, 2, 3))
    yield _ask_year(sample, new, end.year)
    day = end.replace(year=new).isoformat()
    because = f"from {start} again, the same day in {new} is {day}"
    return (yield from days_from_to(start, day, because, relative=start == "today"))


@follow_up("add_days", when=lambda m: m.is_again("add_days") and m.slot("days") not in ("", "0"), weight=4)
def other_start(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same number of days from another date."""
    date, days = sample.date(), int(memory.slot("days"))
    section = "corrected" if sample.chance(0.3) else "other_start"
    yield Question(sample.question(section, **{"v" if section == "corrected" else "date": date}))
    return (yield from shift(date, days, f"the same {days} days from {date}"))


@follow_up("search_text", when=lambda m: m.is_again("search") and m.slot("q"), weight=9)
def corrected_query(sample: Sampler, world: World, memory: Memory) -> Script:
    query = query_in(sample, world, any_path(sample, world))
    if query == memory.slot("q"):
        raise ValueError(query)
    yield _ask(sample, query, memory.slot("q"))
    return (yield from search_for(query, f"{query} in place of {memory.slot('q')}"))


@follow_up("find_files", when=lambda m: m.is_again("find") and m.slot("name"), weight=8)
def corrected_name(sample: Sampler, world: World, memory: Memory) -> Script:
    name, old = unique_stem(any_path(sample, world)), memory.slot("name")
    if name == old:
        raise ValueError(name)
    yield _ask(sample, name, old)
    seen = yield step(f"{name} in place of {old}: I will look for it with {{tool}}.", "find_files", name=name)
    return found_files(seen[0].content, name)


@follow_up("list_files", when=lambda m: m.is_again("list") and m.slot("path"), weight=11)
def corrected_folder(sample: Sampler, world: World, memory: Memory) -> Script:
    old = memory.slot("path")
    folder = sample.rng.choice([folder for folder in world.folders if folder != old])
    yield _ask(sample, folder, old)
    seen = yield step(f"{folder} in place of {old}: I will list it with {{tool}}.", "list_files", path=folder)
    if seen[0].error:
        return give_up(f"There is no folder {folder}.")
    return listed(folder, seen[0].content)


@follow_up("read_file", when=lambda m: m.is_again("value_of"), weight=10)
def corrected_key(sample: Sampler, world: World, memory: Memory) -> Script:
    """Another value of the file that was read than the one that was asked for."""
    path, old = memory.path, memory.slot("key")
    if path not in world.documents or world.documents[path].kind not in KEYED:
        raise ValueError(path)
    document = world.documents[path]
    key, value = sample.rng.choice([fact for fact in document.facts if fact[0] != old])
    line = document.line_of(key, value)
    yield _ask(sample, key, old)
    return value_answer(key, value, line, path)


@follow_up("read_file", when=lambda m: m.is_again("cell"), weight=14)
def corrected_cell(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same column of another row than the one that was said."""
    table = world.documents[memory.path].table
    if table is None:
        raise ValueError(memory.path)
    row = sample.rng.choice([row for row in table.rows if row[0] != memory.slot("row")])
    yield _ask(sample, row[0], memory.slot("row"))
    return cell_answer(table, row, memory.slot("column"), memory.path)
