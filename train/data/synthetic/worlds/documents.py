"""The text files of a world (lists, settings, tables, tasks, logs, prose), and the facts in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from agent.tools.lib.dates import WEEKDAYS
from train.data.phrasings import names
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.worlds.amounts import Counted, draw_counted, draw_quantities
from train.data.synthetic.worlds.stated import Stated, draw_rows, draw_stated
from train.data.synthetic.worlds.tables import Table, draw_table

LONG_SHARE = 0.1
"""Share of documents with many lines."""
LONG_READINGS_SHARE = 0.4
"""Share of lists of measurements that are too long to be read whole."""


@dataclass(frozen=True)
class Document:
    """A text, its kind, and its facts: what is named -> the value that the text gives for it."""

    kind: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    stated: tuple[Stated, ...] = ()
    """What its lines state, for a document of statements."""
    counted: tuple[Counted, ...] = ()
    """The numbers of things that its lines give."""
    table: Table | None = None
    """What a document with several columns holds."""

    @property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.rstrip("\n").split("\n")

    def line_of(self, key: str, value: str) -> str:
        """Return the first line that has a key and its value."""
        return next(line for line in self.lines if key in line and value in line)


def make_document(sample: Sampler) -> Document:
    """Return a document of a random kind; most have one to eight lines."""
    return sample.rng.choices(list(_KINDS), list(_KINDS.values()))[0](sample)


def _size(sample: Sampler, least: int, most: int, long: int) -> int:
    return sample.rng.randint(most, long) if sample.chance(LONG_SHARE) else sample.rng.randint(least, most)


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _settings(sample: Sampler) -> Document:
    keys = sample.rng.sample(list(names.KEYS), _size(sample, 2, 6, 20))
    mark = sample.rng.choice((": ", ": ", " = ", "="))
    facts = tuple((key, setting(sample)) for key in keys)
    return Document("settings", _lines([f"{key}{mark}{value}" for key, value in facts]), facts)


def _json(sample: Sampler) -> Document:
    facts = tuple(
        (key, setting(sample)) for key in sample.rng.sample(list(names.KEYS), _size(sample, 2, 5, 12))
    )
    shown = [f'  "{key}": {value if value.isdigit() else chr(34) + value + chr(34)}' for key, value in facts]
    return Document("json", "{\n" + ",\n".join(shown) + "\n}\n", facts)


def setting(sample: Sampler) -> str:
    """Return a value as in a file of settings."""
    kind = sample.rng.random()
    if kind < 0.4:
        return sample.integer(2, 9999)
    if kind < 0.5:
        return sample.date()
    return sample.person() if kind < 0.7 else sample.word()


def _prices(sample: Sampler) -> Document:
    items = sample.rng.sample(list(names.ITEMS), _size(sample, 2, 5, 12))
    form = sample.rng.choice(("{}: {}", "{} {}", "- {} {}", "{}, {}", "{} = {}", "{}: {} EUR", "{}  ${}"))
    top = sample.rng.choice((20, 100, 900))
    facts = tuple((item, sample.price(top)) for item in items)
    lines = [form.format(item, price) for item, price in facts]
    if sample.chance(0.25):
        lines.insert(0, sample.rng.choice(("# costs", "what we spent", "Prices", "Items:", "order")))
    return Document("prices", _lines(lines), facts)


def _table(sample: Sampler) -> Document:
    people = sample.rng.sample(list(names.FIRST_NAMES), _size(sample, 2, 4, 10))
    column = sample.rng.choice(("amount", "points", "hours", "age", "score", "paid", "km", "visits"))
    facts = tuple((person, sample.integer(2, 200)) for person in people)
    if sample.chance(0.5):
        rows = [f"{person},{value}" for person, value in facts]
        return Document("table", _lines([f"name,{column}", *rows]), facts)
    rows = [f"{person},{value},{sample.pick([c for c, _ in names.CITIES])}" for person, value in facts]
    return Document("table", _lines([f"name,{column},city", *rows]), facts)


def _tasks(sample: Sampler) -> Document:
    open_mark, done_mark = sample.rng.choice(
        (("[ ] ", "[x] "), ("- [ ] ", "- [x] "), ("TODO ", "DONE "), ("open: ", "done: "))
    )
    facts = []
    for note in sample.rng.sample(list(names.NOTES[:240]), _size(sample, 2, 5, 14)):
        facts.append((note, "done" if sample.chance(0.4) else "open"))
    lines = [(done_mark if state == "done" else open_mark) + note for note, state in facts]
    return Document("tasks", _lines(lines), tuple(facts))


def _log(sample: Sampler) -> Document:
    when = sample.moment()
    lines, facts = [], []
    for _ in range(_size(sample, 2, 6, 30)):
        when += timedelta(minutes=sample.rng.randint(1, 300))
        level = sample.rng.choice(("INFO", "INFO", "INFO", "WARN", "ERROR"))
        line = f"{when:%Y-%m-%d %H:%M} {level} {sample.rng.choice(names.LOG_MESSAGES)}"
        lines.append(line)
        facts.append((line, level))
    return Document("log", _lines(lines), tuple(facts))


def _people(sample: Sampler) -> Document:
    people = sample.rng.sample(list(names.FIRST_NAMES), _size(sample, 2, 4, 12))
    form = sample.rng.choice(("{}: {}", "{} - {}", "{} {}", "{}, {}"))
    digits = sample.rng.choice((4, 5, 6))
    facts = tuple((person, str(sample.rng.randint(10 ** (digits - 1), 10**digits - 1))) for person in people)
    return Document("people", _lines([form.format(*fact) for fact in facts]), facts)


def _items(sample: Sampler) -> Document:
    items = sample.rng.sample(list(names.ITEMS), _size(sample, 2, 6, 25))
    mark = sample.rng.choice(("- ", "", "* "))
    numbered = sample.chance(0.2)
    lines = [f"{number}. {item}" if numbered else mark + item for number, item in enumerate(items, 1)]
    return Document("items", _lines(lines), tuple((item, "") for item in items))


def _prose(sample: Sampler) -> Document:
    count = sample.rng.choice((1, 1, 2, 2, 3))
    if sample.chance(LONG_SHARE):
        count = sample.rng.randint(6, 24)
    lines = list(dict.fromkeys(sample.line() for _ in range(count)))
    return Document("prose", _lines(lines))


def _statements(sample: Sampler) -> Document:
    stated = draw_stated(sample, _size(sample, 1, 5, 12))
    mark = sample.rng.choice(("", "", "", "- ", "* "))
    lines = [mark + one.line for one in stated]
    if sample.chance(0.2):
        lines.insert(0, sample.rng.choice(("# Notes", "Things to know", "Good to know:", "# Plan", "memo")))
    if sample.chance(0.18):
        lines.insert(sample.rng.randint(0, len(lines)), sample.pick(names.HOSTILE))
    if sample.chance(0.15):
        greeting = sample.rng.choice(("Dear {},", "Hi {},", "Hello {},", "Good day {},"))
        ending = sample.rng.choice(("Kind regards, {}", "Yours, {}", "Best, {}", "See you soon, {}"))
        lines = [greeting.format(sample.person()), *lines, ending.format(sample.person())]
    return Document("statements", _lines(lines), stated=stated)


def _rows(sample: Sampler) -> Document:
    """Several lines of one form, as in a list of people, prices or appointments."""
    stated = draw_rows(sample, _size(sample, 2, 5, 10))
    mark = sample.rng.choice(("", "", "- ", "* "))
    return Document("statements", _lines([mark + one.line for one in stated]), stated=stated)


def _week(sample: Sampler) -> Document:
    """What is planned for some days, one a line."""
    days = sorted(sample.rng.sample(range(7), sample.rng.randint(3, 6)))
    form = sample.rng.choice(("{}: {}", "{} - {}", "* {}: {}", "{}, {}"))
    tasks = [note for note in names.NOTES[:240] if note[:1].isalpha() and not note.endswith(".")]
    plans = sample.rng.sample(tasks, len(days))
    facts = tuple((WEEKDAYS[day], plan) for day, plan in zip(days, plans, strict=True))
    return Document("week", _lines([form.format(*fact) for fact in facts]), facts)


def _sections(sample: Sampler) -> Document:
    """Lists under headings."""
    count = sample.rng.randint(2, 3)
    pool = sample.rng.choice((WEEKDAYS, names.FIRST_NAMES, names.FOLDERS))
    items = sample.rng.sample(list(names.ITEMS), 3 * count)
    mark, bullet = sample.rng.choice((("# ", "- "), ("## ", "- "), ("", "  "), ("", "* ")))
    lines, facts = [], []
    for at, heading in enumerate(sample.rng.sample(list(pool), count)):
        under = [f"{bullet}{item}" for item in items[3 * at : 3 * at + sample.rng.randint(1, 3)]]
        lines += [f"{mark}{heading}" if mark else f"{heading}:", *under]
        facts.append((heading, "\n".join(under)))
    return Document("sections", _lines(lines), tuple(facts))


def _source(sample: Sampler) -> Document:
    """Code with constants, and comments that mark what is to be done."""
    keys = sample.rng.sample([key.upper().replace(" ", "_") for key in names.KEYS], _size(sample, 1, 4, 8))
    facts = tuple((key, sample.integer(2, 9999)) for key in keys)
    lines = [f"{key} = {value}" for key, value in facts]
    if sample.chance(0.6):
        mark, word = sample.rng.choice(("TODO", "TODO", "FIXME")), sample.word().lower()
        note = sample.rng.choice(("{}: check the {}", "{} rename {}", "{} remove the old {}", "{}: test {}"))
        lines.insert(sample.rng.randint(0, len(lines)), f"# {note.format(mark, word)}")
    if sample.chance(0.5):
        name = sample.value(sample.pseudo_word).lower()
        lines += [f"def {name}():", f"    return {sample.rng.choice(keys)}"]
    return Document("source", _lines(lines), facts)


def _columns(sample: Sampler) -> Document:
    table = draw_table(sample)
    return Document("columns", _lines(table.lines), table=table)


def _readings(sample: Sampler) -> Document:
    """Measurements by number, of which one raised an alarm."""
    long = sample.chance(LONG_READINGS_SHARE)
    count = sample.rng.randint(60, 500) if long else _size(sample, 3, 7, 24)
    alarm, base = sample.rng.randint(1, count), sample.rng.randint(-80, 60)
    label = sample.rng.choice(("entry", "reading", "no.", "sample"))
    word = sample.rng.choice(("ALARM", "ALARM", "FAULT", "HIGH"))
    lines, facts = [], []
    for number in range(1, count + 1):
        value = str(base + sample.rng.randint(-4, 4) + (17 if number == alarm else 0))
        lines.append(f"{label} {number} {value} {word if number == alarm else 'ok'}")
        if number == alarm:
            facts = [(word, value), (label, str(number))]
    return Document("long readings" if long else "readings", _lines(lines), tuple(facts))


def _measures(sample: Sampler) -> Document:
    """Quantities with units."""
    facts = draw_quantities(sample, sample.rng.randint(1, 4))
    form = sample.rng.choice(("{}: {}", "{} {}", "{} = {}", "- {}: {}"))
    return Document("measures", _lines([form.format(*fact) for fact in facts]), facts)


def _dates(sample: Sampler) -> Document:
    """A list of events with their dates."""
    events = sample.rng.sample(list(names.EVENTS), sample.rng.choice((1, 2, 2, 3, 4)))
    day = date(2024, 1, 1) + timedelta(days=sample.rng.randrange(3000))
    facts = []
    for event in events:
        day += timedelta(days=sample.rng.randint(2, 150))
        facts.append((event, sample.format_date(day)))
    form = sample.rng.choice(("{}: {}", "{}: {}", "{} {}", "{} = {}", "- {}: {}", "{} on {}"))
    return Document("dates", _lines([form.format(*fact) for fact in facts]), tuple(facts))


def _numbers(sample: Sampler) -> Document:
    """Numbers of things."""
    counted = draw_counted(sample, sample.rng.choice((1, 1, 2, 3)))
    facts = tuple((one.topic, one.number) for one in counted)
    return Document("numbers", _lines([one.line for one in counted]), facts, counted=counted)


def _hostile(sample: Sampler) -> Document:
    lines = [sample.line() for _ in range(sample.rng.randint(0, 2))]
    lines.insert(sample.rng.randint(0, len(lines)), sample.pick(names.HOSTILE))
    return Document("hostile", _lines(lines))


def _empty(sample: Sampler) -> Document:
    return Document("empty", "")


_KINDS: dict[Callable[[Sampler], Document], float] = {
    _settings: 4,
    _prices: 4,
    _table: 2,
    _tasks: 2.5,
    _log: 2.2,
    _people: 2,
    _source: 2.2,
    _week: 2.5,
    _sections: 2.5,
    _items: 2,
    _prose: 4,
    _statements: 6,
    _rows: 4.5,
    _columns: 7,
    _readings: 2.2,
    _measures: 4,
    _dates: 5,
    _numbers: 3.5,
    _json: 1.5,
    _hostile: 1.2,
    _empty: 0.6,
}
