"""Tables with several columns: a name or number of each row, words to group by, and numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from train.data.phrasings import names
from train.data.synthetic.sampler import Sampler

_SCHEMAS: tuple[tuple[str, str, dict[str, tuple[str, ...]], tuple[str, ...]], ...] = (
    ("plant", "name", {"place": ("balcony", "kitchen", "hall", "shed")}, ("height", "pots", "water")),
    ("probe", "code", {"kind": ("fern", "algae", "clay", "bark")}, ("mass", "depth", "ph")),
    ("room", "code", {"wing": ("north", "south", "east", "west")}, ("beds", "price", "floor")),
    ("player", "person", {"team": ("red", "blue", "green", "white")}, ("goals", "games", "age")),
    ("order", "code", {"status": ("open", "paid", "shipped", "late")}, ("amount", "pieces")),
    ("article", "item", {"shelf": ("A", "B", "C", "D")}, ("stock", "price")),
    ("worker", "person", {"team": ("sales", "kitchen", "garden", "office")}, ("hours", "desk")),
    ("run", "weekday", {"road": ("forest", "river", "track", "hill")}, ("km", "minutes", "pulse")),
    ("expense", "item", {"group": ("food", "travel", "house", "fun")}, ("euros", "count")),
    ("car", "code", {"fuel": ("diesel", "petrol", "electric", "gas")}, ("km", "seats", "doors")),
    ("town", "city", {"zone": ("inner", "outer", "coast", "hills")}, ("km", "visits", "nights")),
    ("specimen", "code", {"species": ("birch", "heather", "sedge", "clover")}, ("mass", "ph", "length")),
    ("parcel", "code", {"carrier": ("post", "courier", "van", "ship")}, ("weight", "price")),
    ("guest", "person", {"meal": ("fish", "vegan", "meat", "soup")}, ("nights", "age")),
    ("trip", "city", {"transport": ("train", "bus", "ferry", "car")}, ("km", "price", "nights")),
    ("book", "name", {"genre": ("crime", "poetry", "travel", "history")}, ("pages", "copies", "price")),
    ("lot", "code", {"line": ("one", "two", "three", "four")}, ("units", "faults", "weight")),
)
"""What a row is, what names it, a column of words, and the columns of numbers."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Table:
    """The header and the rows of a table; the first column names the row, `grouped` is one of words."""

    kind: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    grouped: str
    mark: str = ","
    """What stands between the values of a line."""

    @property
    def lines(self) -> list[str]:
        """The lines of the table."""
        return [self.mark.join(row) for row in (self.header, *self.rows)]

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of the columns of numbers."""
        return tuple(name for name in self.header[1:] if name != self.grouped)

    def cell(self, row: tuple[str, ...], column: str) -> str:
        """Return the value of a column in a row."""
        return row[self.header.index(column)]


def draw_table(sample: Sampler) -> Table:
    """Return a table of three to eight rows."""
    kind, named, groups, numbers = sample.rng.choice(_SCHEMAS)
    (grouped, words), count = next(iter(groups.items())), sample.rng.randint(3, 6)
    letter = sample.rng.choice("ABCDEFGHKLMPRST")
    start = sample.rng.randint(1, 90)
    rows_named = {
        "code": [f"{letter}-{start + number:02d}" for number in range(count)],
        "person": sample.rng.sample(list(names.FIRST_NAMES), count),
        "item": sample.rng.sample(list(names.ITEMS), count),
        "name": sample.rng.sample(list(names.WORDS), count),
        "weekday": list(_DAYS[:count]),
        "city": sample.rng.sample([c for c, _ in names.CITIES if c[:1].isupper()], count),
    }[named]
    columns = sample.rng.sample(numbers, min(len(numbers), sample.rng.randint(1, 3)))
    if "km" in numbers and "km" not in columns:
        columns.append("km")
    used = sample.rng.sample(words, 2)
    header = [grouped, *columns]
    sample.rng.shuffle(header)
    rows = []
    for name in rows_named:
        values = {column: _number(sample, column) for column in columns}
        values[grouped] = sample.rng.choice(used)
        rows.append((name, *(values[column] for column in header)))
    table = Table(kind, (kind, *header), tuple(rows), grouped)
    # A grounded answer takes 12,7 for one number, so a bare comma stands only where no two numbers meet.
    if sample.chance(0.4) and not any(re.search(r"\d,\d", line) for line in table.lines):
        return table
    return replace(table, mark=sample.rng.choice((", ", ", ", ";", "; ", " | ")))


def with_other_numbers(sample: Sampler, table: Table) -> Table:
    """Return a table of the same rows with other numbers in them."""
    rows = tuple(
        tuple(
            _number(sample, column) if column in table.numbers else cell
            for column, cell in zip(table.header, row, strict=True)
        )
        for row in table.rows
    )
    other = replace(table, rows=rows)
    if other.mark == "," and any(re.search(r"\d,\d", line) for line in other.lines):
        return replace(other, mark="; ")
    return other


def _number(sample: Sampler, column: str) -> str:
    if column in ("mass", "ph", "km", "weight", "price", "euros", "amount"):
        return sample.number(2, 90)
    return sample.integer(2, 200)
