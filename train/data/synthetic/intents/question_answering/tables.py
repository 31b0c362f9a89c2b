"""Intents over tables with several columns: one cell, the rows of a group, the sum of a column."""

from __future__ import annotations

from train.data.phrasings import QUESTIONS
from train.data.synthetic.actions import change_units
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.intents.files.common import any_path, opened, spoken_path
from train.data.synthetic.intents.multi_step.amounts import worked_out
from train.data.synthetic.memory import Again, Memory, decimal
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, intent, planned, step
from train.data.synthetic.worlds.tables import Table
from train.data.synthetic.worlds.world import World


def any_table(sample: Sampler, world: World) -> tuple[str, Table]:
    """Return the path of a table, and the table."""
    path = any_path(sample, world, "columns")
    table = world.documents[path].table
    assert table
    return path, table


def cell_values(sample: Sampler, world: World) -> tuple[str, str, str, str]:
    """Return the path of a table, the name of a row, the name of a column of numbers, and their cell."""
    path, table = any_table(sample, world)
    row, column = sample.rng.choice(table.rows), sample.rng.choice(table.numbers)
    return path, row[0], column, table.cell(row, column)


def cell_answer(table: Table, row: tuple[str, ...], column: str, path: str) -> Outcome:
    """Return the answer that gives one cell of a table that was read."""
    value = table.cell(row, column)
    number = decimal(value)
    pairs = ", ".join(f"{name} {cell}" for name, cell in zip(table.header, row, strict=True))
    return Outcome(
        f"The {column} of {row[0]} is {value}.",
        (value,),
        thought=f"The line of {row[0]} is {table.mark.join(row)}, so {pairs}.",
        memory=Memory(
            Again("cell", {"column": column, "path": path, "row": row[0]}), number=number, path=path
        ),
    )


@intent("read_file", "find_files", topic="reading files", weight=3.5)
def cell_in(sample: Sampler, world: World) -> Script:
    path, table = any_table(sample, world)
    row, column = sample.rng.choice(table.rows), sample.rng.choice(table.header[1:])
    said = spoken_path(sample, path)
    yield Question(sample.question("cell_in", col=column, row=row[0], path=said))
    yield from opened(world, said, path)
    return cell_answer(table, row, column, path)


@intent("search_text", "read_file", topic="searching files", weight=5)
def cell_somewhere(sample: Sampler, world: World) -> Script:
    """No file is named: the row is searched for, and its table read for the columns."""
    path, table = any_table(sample, world)
    row, column = sample.rng.choice(table.rows), sample.rng.choice(table.header[1:])
    if sample.chance(0.4):
        question = sample.question("cell_of_kind", col=column, kind=table.kind, row=row[0])
    else:
        question = sample.question("cell_somewhere", col=column, row=row[0])
    yield Question(question)
    return (yield from _searched_cell(path, table, row, column))


def _searched_cell(path: str, table: Table, row: tuple[str, ...], column: str) -> Script:
    """Search for the name of a row, read its table, and give one cell of it."""
    seen = yield step(f"I will search the files for {row[0]} with {{tool}}.", "search_text", query=row[0])
    hits = seen[0].content.split("\n")
    if len(hits) > 1 or not hits[0].startswith(f"{path}:"):
        raise ValueError(row[0])
    text = yield step(
        f"It is in {path}: I will read {path} for the columns with {{tool}}.", "read_file", path=path
    )
    if text[0].content.split("\n")[0] != table.lines[0]:
        raise ValueError(path)
    return cell_answer(table, row, column, path)


def _asked_cell(sample: Sampler, table: Table) -> tuple[tuple[str, ...], str, str]:
    """Return a row, a column, and a question for that cell that describes the column."""
    row, column = sample.rng.choice(table.rows), sample.rng.choice(table.header[1:])
    phrasing = sample.pick(QUESTIONS[f"column_{column}"], HELD_OUT_PHRASINGS)
    name = f"{table.kind} {row[0]}" if sample.chance(0.2) else row[0]
    return row, column, phrasing.format(row=name)


@intent("read_file", "find_files", topic="reading files", weight=8)
def cell_asked(sample: Sampler, world: World) -> Script:
    """One cell, whose column the question describes in other words."""
    path, table = any_table(sample, world)
    row, column, asked = _asked_cell(sample, table)
    said = spoken_path(sample, path)
    yield Question(sample.question("stated_in", q=asked, path=said))
    yield from opened(world, said, path)
    return cell_answer(table, row, column, path)


@intent("search_text", "read_file", topic="searching files", weight=8)
def cell_asked_somewhere(sample: Sampler, world: World) -> Script:
    path, table = any_table(sample, world)
    row, column, asked = _asked_cell(sample, table)
    yield Question(sample.question("stated_somewhere", q=asked) if sample.chance(0.5) else f"{asked}?")
    return (yield from _searched_cell(path, table, row, column))


@intent("read_file", "find_files", topic="reading files", weight=2)
def rows_where(sample: Sampler, world: World) -> Script:
    """The rows of one group."""
    path, table = any_table(sample, world)
    word = table.cell(sample.rng.choice(table.rows), table.grouped)
    said = spoken_path(sample, path)
    section = sample.rng.choice(("rows_where", "rows_with", "rows_of"))
    yield Question(sample.question(section, kind=table.kind, col=table.grouped, value=word, path=said))
    yield from opened(world, said, path)
    rows = [row[0] for row in table.rows if table.cell(row, table.grouped) == word]
    return Outcome(
        f"With {table.grouped} {word}: {', '.join(rows)}.",
        tuple(rows),
        thought=f"The lines with {word} are those of {', '.join(rows)}.",
        memory=Memory(path=path),
    )


@intent("read_file", "find_files", "calculate", topic="reading files", weight=5.5)
def group_total(sample: Sampler, world: World) -> Script:
    """The sum of a column over the rows of one group."""
    path, table = any_table(sample, world)
    word = table.cell(sample.rng.choice(table.rows), table.grouped)
    column = sample.rng.choice(table.numbers)
    values = [table.cell(row, column) for row in table.rows if table.cell(row, table.grouped) == word]
    if not 2 <= len(values) <= 4:
        raise ValueError(word)
    said = spoken_path(sample, path)
    section = "group_total" if sample.chance(0.6) else "group_total_of"
    yield Question(sample.question(section, kind=table.kind, col=column, value=word, path=said))
    yield from opened(world, said, path)
    lead = f"The {column} of the lines with {word} is {', '.join(values)}"
    return (yield from worked_out(path, lead, " + ".join(values), "The total is", "The total is"))


@intent("read_file", "find_files", "calculate", topic="reading files", weight=3.2)
def column_total(sample: Sampler, world: World) -> Script:
    path, table = any_table(sample, world)
    column = sample.rng.choice(table.numbers)
    said = spoken_path(sample, path)
    yield Question(sample.question("column_total", col=column, path=said))
    yield from opened(world, said, path)
    return (yield from column_sum(path, table, column))


def column_sum(path: str, table: Table, column: str) -> Script:
    """Add up a column of a table that was read."""
    values = [table.cell(row, column) for row in table.rows]
    lead = f"The column {column} has {', '.join(values)}"
    return (
        yield from worked_out(path, lead, " + ".join(values), f"The total of {column} is", "The total is")
    )


@intent("read_file", "find_files", "calculate", "convert_units", topic="reading files", weight=3.5)
def kilometres_total(sample: Sampler, world: World) -> Script:
    """The sum of a column of kilometres, in another unit as well."""
    path, table = any_table(sample, world)
    if "km" not in table.header:
        raise ValueError(path)
    unit = sample.rng.choice(("miles", "metres", "nautical miles"))
    said = spoken_path(sample, path)
    yield Question(sample.question("kilometres_total", path=said, u2=unit))
    yield from planned(opened(world, said, path), f"add up km and convert the total to {unit}")
    first = yield from planned(column_sum(path, table, "km"), f"convert the total to {unit}")
    total = first.memory.number if first.memory else ""
    second = yield from change_units(total, "km", unit, f"the total is {total} km")
    return Outcome(
        f"The total is {total} km. {second.answer}",
        (*first.expects, *second.expects),
        thought=second.thought,
        memory=second.memory,
    )
