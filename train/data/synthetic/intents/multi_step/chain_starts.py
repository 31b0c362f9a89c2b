"""First steps of chains: what is found in a file or a note, or worked out, for a second step to use."""

from __future__ import annotations

from collections.abc import Callable

from agent.tools.lib.dates import fixed_clock, parse_date
from train.data.synthetic.actions import json_number
from train.data.synthetic.intents.files.common import any_path, opened, spoken_path, unique_stem
from train.data.synthetic.intents.multi_step.amounts import added_up, numbers_in
from train.data.synthetic.intents.multi_step.chain_parts import Found, Start, Started
from train.data.synthetic.intents.question_answering.tables import any_table, column_sum
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Part, planned, step
from train.data.synthetic.worlds.amounts import QUANTITIES
from train.data.synthetic.worlds.series import NUMBERS
from train.data.synthetic.worlds.world import World


def _total(sample: Sampler, world: World, end: str) -> Started:
    path, facts = numbers_in(sample, world)
    said = spoken_path(sample, path)

    def find(plan: str) -> Part[Found]:
        yield from planned(opened(world, said, path), f"add up the amounts and {plan}")
        outcome = yield from planned(added_up(path, facts), plan)
        total = outcome.expects[0]
        return Found(
            total,
            f"the total is {total}",
            f"The total of {path} is {total}.",
            f"total of {unique_stem(path)}: {total}",
            path=path,
        )

    return Started({"path": said}, find)


def _amount(sample: Sampler, world: World, end: str) -> Started:
    path, facts = numbers_in(sample, world)
    key, value = sample.rng.choice(facts)
    return _read(sample, world, path, {"key": key}, Found(value, *_told(key, value), path=path))


def _told(key: str, value: str) -> tuple[str, str, str]:
    """Return how a thought, an answer and a note tell the value of a key."""
    return f"{key} is {value}", f"{key[0].upper()}{key[1:]} is {value}.", f"{key}: {value}"


def _read(
    sample: Sampler,
    world: World,
    path: str,
    slots: dict[str, str],
    found: Found,
    units: tuple[str, ...] = (),
) -> Started:
    """Return the step that reads a file for what is known to stand in it."""
    said = spoken_path(sample, path)

    def find(plan: str) -> Part[Found]:
        yield from planned(opened(world, said, path), plan)
        return found

    return Started({"path": said} | slots, find, units)


def _count(sample: Sampler, world: World, end: str) -> Started:
    path = any_path(sample, world, "numbers")
    one = sample.rng.choice(world.documents[path].counted)
    return _read(
        sample, world, path, {"topic": one.topic}, Found(one.number, *_told(one.topic, one.number), path=path)
    )


def _measured(key: str, given: str, path: str = "") -> tuple[Found, tuple[str, ...]]:
    """Return a quantity as it is found, and the other units of what is measured."""
    value, _, unit = given.partition(" ")
    found = Found(value, f"the {key} is {given}", f"The {key} is {given}.", f"{key}: {given}", unit, path)
    return found, tuple(name for name in QUANTITIES[key] if name != unit)


def _measure(sample: Sampler, world: World, end: str) -> Started:
    path = any_path(sample, world, "measures")
    key, given = sample.rng.choice(world.documents[path].facts)
    found, units = _measured(key, given, path)
    return _read(sample, world, path, {"key": key}, found, units)


def _sole_measure(sample: Sampler, world: World, end: str) -> Started:
    """The only quantity of a file, which the question does not name."""
    path = sample.rng.choice(
        [
            path
            for path, document in world.documents.items()
            if document.kind == "measures" and len(document.facts) == 1
        ]
    )
    found, units = _measured(*world.documents[path].facts[0], path)
    return _read(sample, world, path, {"u1": found.unit}, found, units)


def _noted(query: str, line: str, slots: dict[str, str], found: Found, units: tuple[str, ...]) -> Started:
    """Return the step that looks up a line of the notes."""

    def find(plan: str) -> Part[Found]:
        seen = yield step(
            f"It is noted: I will search the notes for {query} with {{tool}}, then {plan}.",
            "search_notes",
            query=query,
        )
        if "\n" in seen[0].content or line not in seen[0].content:
            raise ValueError(query)
        return found

    return Started(slots, find, units)


def _noted_count(sample: Sampler, world: World, end: str) -> Started:
    one = sample.rng.choice(world.counted)
    found = Found(
        one.number, f"the note says {one.number}", f"The {one.topic} is {one.number}.", f"{one.line}"
    )
    return _noted(one.topic, one.line, {"topic": one.topic}, found, ())


def _noted_measure(sample: Sampler, world: World, end: str) -> Started:
    key, given = sample.rng.choice(world.measured)
    found, units = _measured(key, given)
    return _noted(key, given, {"key": key}, found, units)


_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


def _operation(kind: str) -> Callable[[Sampler, World, str], Started]:
    def draw(sample: Sampler, world: World, end: str) -> Started:
        a, b = sample.number(2, 900), sample.number(2, 900)
        if kind in ("subtract", "divide") and float(a) < float(b):
            a, b = b, a
        expression = f"{a} {_SIGNS[kind]} {b}"

        def find(plan: str) -> Part[Found]:
            seen = yield step(
                f"I will work out {expression} with {{tool}}, then {plan}.",
                "calculate",
                expression=expression,
            )
            result = seen[0].content
            told = f"{expression} = {result}"
            return Found(result, f"the result is {result}", f"{told}.", told)

        return Started({"a": a, "b": b}, find)

    return draw


def _converted(sample: Sampler, world: World, end: str) -> Started:
    value, (source, target) = sample.number(2, 900), sample.units()

    def find(plan: str) -> Part[Found]:
        seen = yield step(
            f"I will convert {value} {source} to {target} with {{tool}}, then {plan}.",
            "convert_units",
            value=json_number(value),
            from_unit=source,
            to_unit=target,
        )
        if seen[0].error:
            raise ValueError(source)
        number, _, unit = seen[0].content.partition(" ")
        told = f"{value} {source} is {seen[0].content}"
        return Found(number, f"the result is {seen[0].content}", f"{told}.", told, unit)

    return Started({"v": value, "u1": source, "u2": target}, find)


def _date(sample: Sampler, world: World, end: str) -> Started:
    """An event of a list; a coming one if the days to it are asked for."""
    dated = [
        (path, key, date)
        for path, document in world.documents.items()
        if document.kind == "dates"
        for key, date in document.facts
    ]
    if end == "until":
        with fixed_clock(world.now):
            dated = [entry for entry in dated if parse_date(entry[2]) > world.now.date()]
    path, key, date = sample.rng.choice(dated)
    found = Found(date, f"the {key} is on {date}", f"The {key} is on {date}.", f"{key}: {date}", path=path)
    return _read(sample, world, path, {"key": key}, found)


def _days(sample: Sampler, world: World, end: str) -> Started:
    start, last = sorted(sample.day() for _ in range(2))
    first, second = sample.format_date(start), sample.format_date(last)

    def find(plan: str) -> Part[Found]:
        seen = yield step(
            f"I will count the days from {first} to {second} with {{tool}}, then {plan}.",
            "days_between",
            start=first,
            end=second,
        )
        if seen[0].error:
            raise ValueError(first)
        number = seen[0].content.partition(" ")[0]
        told = f"from {first} to {second} it is {number} days"
        return Found(number, f"it is {number} days", f"{told[0].upper()}{told[1:]}.", told, "days")

    return Started({"date": first, "date2": second}, find)


def _series(sample: Sampler, world: World, end: str) -> Started:
    """What one file of a folder of like files says; it is looked for by its name."""
    series = world.series
    if series is None:
        raise ValueError("no such folder")
    slots = [slot for slot in series.asked if slot in NUMBERS]
    if end in ("written", "noted"):
        slots = list(series.asked)
    at, slot = sample.rng.randrange(len(series.rows)), sample.rng.choice(slots)
    row, path, stem = series.rows[at], series.paths[at], series.stems[at]
    value = row.slots[slot]
    asked = row.pick(sample, series.asked[slot])

    def find(plan: str) -> Part[Found]:
        found = yield step(f"I will look for {stem} with {{tool}}, then {plan}.", "find_files", name=stem)
        if found[0].content != path:
            raise ValueError(stem)
        seen = yield step(
            f"It is {path}: I will read {path} with {{tool}}, then {plan}.", "read_file", path=path
        )
        if seen[0].content != row.line:
            raise ValueError(path)
        if end in ("written", "noted"):
            lead, kept = f"the line says: {row.line}", row.line
        else:
            lead, kept = f"the line says: {row.line} - asked for is {value}", value
        return Found(kept, lead, f"{row.line}.", row.line, path=path, asked=value)

    return Started({"q": asked, "stem": stem, "one": series.one}, find)


def _column(sample: Sampler, world: World, end: str) -> Started:
    """The total of a column of numbers."""
    path, table = any_table(sample, world)
    column = "km" if end == "unit" else sample.rng.choice(table.numbers)
    if column not in table.header:
        raise ValueError(path)
    said, unit = spoken_path(sample, path), "km" if column == "km" else ""

    def find(plan: str) -> Part[Found]:
        yield from planned(opened(world, said, path), f"add up {column} and {plan}")
        outcome = yield from planned(column_sum(path, table, column), plan)
        total = f"{outcome.expects[0]} {unit}".strip()
        return Found(
            outcome.expects[0],
            f"the total is {total}",
            f"The total of {column} is {total}.",
            f"total {column} of {unique_stem(path)}: {total}",
            unit,
            path,
        )

    units = ("miles", "metres", "nautical miles") if unit else ()
    return Started({"col": column, "path": said}, find, units)


_FILES = ("read_file", "find_files")
STARTS: dict[str, Start] = {
    "total": Start((*_FILES, "calculate"), "reading files", _total),
    "amount": Start(_FILES, "reading files", _amount),
    "count": Start(_FILES, "reading files", _count),
    "measure": Start(_FILES, "reading files", _measure),
    "sole_measure": Start(_FILES, "reading files", _sole_measure),
    "noted_count": Start(("search_notes",), "finding notes", _noted_count),
    "noted_measure": Start(("search_notes",), "finding notes", _noted_measure),
    **{kind: Start(("calculate",), "arithmetic", _operation(kind)) for kind in _SIGNS},
    "converted": Start(("convert_units",), "converting units", _converted),
    "series": Start(_FILES, "finding files", _series),
    "column": Start((*_FILES, "calculate"), "reading files", _column),
    "date": Start(_FILES, "dates", _date),
    "days": Start(("days_between",), "dates", _days),
}
