"""Files whose names say what is in them: plans, contracts, settings of a device, numbered lists, logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath

from train.data.phrasings import LOGGED, NUMBERED, SETTINGS, THEMES, names
from train.data.phrasings.names import FIRST_NAMES
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.worlds.documents import Document, make_document, setting
from train.data.synthetic.worlds.stated import Stated, filled, repeated, slot_value

THEMED_SHARE = 0.32
"""Share of other files whose name says what is in them."""
EXTRA_SHARE = 0.5
"""Share of worlds with a file of each of some kinds: settings, a numbered list, a log, a numbered name."""
EMPTY_SHARE = 0.15
"""Share of worlds with one more file, which is empty."""
PARAGRAPH_SHARE = 0.2
"""Share of files of a theme without marks whose lines hold two statements each, as sentences."""
LONG_LOG_SHARE = 0.5
"""Share of logs that are too long to be read whole."""
_NUMBERED_NAMES = ("invoice", "receipt", "scan", "ticket", "contract", "order", "report", "letter", "photo")


def draw_files(sample: Sampler) -> list[tuple[str, Document]]:
    """Return the names of four to twelve files, and what they say."""
    files: list[tuple[str, Document]] = []
    for _ in range(sample.rng.randint(4, 8)):
        themed = sample.chance(THEMED_SHARE)
        files.append(_theme(sample) if themed else (sample.file_name(), make_document(sample)))
    if sample.chance(EMPTY_SHARE):
        files.append((sample.file_name(), Document("empty", "")))
    extra = (_settings_asked, _numbered, _log, _with_number)
    return [*files, *(make(sample) for make in extra if sample.chance(EXTRA_SHARE))]


def _by_names() -> Mapping[str, dict[str, tuple[str, ...]]]:
    grouped: dict[str, dict[str, tuple[str, ...]]] = {}
    for heading, asked in THEMES.items():
        names, _, line = heading.partition(" | ")
        grouped.setdefault(names, {})[line] = asked
    return grouped


_THEMES = _by_names()
"""Names of a file -> the lines that it may have, with their questions."""


def _named(sample: Sampler, names: str, *endings: str) -> str:
    """Return one of some names with an ending, its words joined as people join them."""
    name = sample.rng.choice(names.split(", ")).format(name=sample.rng.choice(FIRST_NAMES))
    mark = sample.rng.choice((" ", " ", "-", "_"))
    return f"{name.replace(' ', mark)}.{sample.rng.choice(endings)}"


def _theme(sample: Sampler) -> tuple[str, Document]:
    called = sample.rng.choice(list(_THEMES))
    stated: list[Stated] = []
    for line in sample.rng.sample(list(_THEMES[called]), len(_THEMES[called])):
        if line.startswith("+ "):
            source = {line.removeprefix("+ "): _THEMES[called][line]}
            stated += repeated(sample, line.removeprefix("+ "), source, sample.rng.randint(2, 5))
        else:
            stated.append(filled(sample, line, _THEMES[called]))
    mark = sample.rng.choice(("", "", "", "- ", "* "))
    lines = [mark + one.line for one in stated]
    if not mark and sample.chance(PARAGRAPH_SHARE):
        lines = [". ".join(lines[at : at + 2]) + "." for at in range(0, len(lines), 2)]
    if sample.chance(0.2):
        lines.insert(sample.rng.randint(0, len(lines)), sample.line())
    if sample.chance(0.15):
        lines.insert(sample.rng.randint(0, len(lines)), sample.pick(names.HOSTILE))
    return _named(sample, called, "txt", "txt", "md"), _document("statements", lines, stated)


def _document(kind: str, lines: list[str], stated: list[Stated]) -> Document:
    return Document(kind, "".join(f"{line}\n" for line in lines), stated=tuple(stated))


def _settings_asked(sample: Sampler) -> tuple[str, Document]:
    """Settings of one device, with questions that do not name their keys."""
    thing = sample.rng.choice(list(dict.fromkeys(heading.split(" | ")[0] for heading in SETTINGS)))
    ending = sample.rng.choice(("json", "json", "json", "yaml", "ini", "txt"))
    facts: list[tuple[str, str]] = []
    asked_of: dict[str, tuple[str, ...]] = {}
    for heading, asked in SETTINGS.items():
        of, key, kind = heading.split(" | ")
        if of == thing:
            facts.append((key, _set_value(sample, kind)))
            asked_of[key] = tuple(question for line in asked for question in line.split(" / "))
    facts.insert(sample.rng.randint(0, len(facts)), (sample.rng.choice(names.KEYS), setting(sample)))
    if ending == "json":
        shown = [
            f'  "{key}": {value if _is_number(value) else chr(34) + value + chr(34)}' for key, value in facts
        ]
        text = "{\n" + ",\n".join(shown) + "\n}\n"
    else:
        mark = " = " if ending == "ini" else ": "
        text = "".join(f"{key}{mark}{value}\n" for key, value in facts)
    name = f"{thing}{sample.rng.choice(('', '_config', '-settings', ' setup'))}.{ending}"
    document = Document("config", text, tuple(facts))
    stated = [
        Stated(document.line_of(key, value), key, ((value, asked_of[key]),))
        for key, value in facts
        if key in asked_of
    ]
    return name, replace(document, stated=tuple(stated))


def _set_value(sample: Sampler, kind: str) -> str:
    if kind == "-n":
        return str(-sample.rng.randint(5, 95))
    return sample.rng.choice(("on", "off", "yes", "no")) if kind == "onoff" else slot_value(sample, kind)


def _is_number(value: str) -> bool:
    return value.removeprefix("-").isdigit() and not value.startswith("0")


def _numbered(sample: Sampler) -> tuple[str, Document]:
    """A list whose lines begin with their numbers, sometimes below a title."""
    heading = sample.rng.choice(list(NUMBERED))
    noun, _, names = heading.partition(" | ")
    items = sample.rng.sample(NUMBERED[heading], sample.rng.randint(3, 7))
    form = sample.rng.choice(
        ("{n}. {text}", "{n}. {text}", "{n}) {text}", "{noun} {n}: {text}", "{n} {text}")
    )
    lines = [form.format(n=n, text=text, noun=noun.capitalize()) for n, text in enumerate(items, 1)]
    facts = tuple((f"{noun} {n}", line) for n, line in enumerate(lines, 1))
    name = _named(sample, names, "txt", "md")
    if sample.chance(0.4):
        lines.insert(0, name.partition(".")[0].capitalize())
    return name, Document("numbered", "".join(f"{line}\n" for line in lines), facts)


def _log(sample: Sampler) -> tuple[str, Document]:
    """What a machine did, with some lines that state something; a long one has hundreds of others."""
    long = sample.chance(LONG_LOG_SHARE)
    events = [
        filled(sample, one, LOGGED) for one in sample.rng.sample(list(LOGGED), sample.rng.randint(1, 4))
    ]
    count = sample.rng.randint(120, 900) if long else len(events) + sample.rng.randint(0, 4)
    places = sorted(sample.rng.sample(range(count), len(events)))
    when, lines, stated = sample.moment(), [], []
    form = sample.rng.choice(
        ("{n} req ok {ms} ms", "job {n} ok", "tick {n} ok {ms}", "INFO run {n} ok", "GET /p{n} 200")
    )
    for number in range(count):
        when += timedelta(seconds=sample.rng.randint(1, 300))
        stamp = f"{when:%Y-%m-%d %H:%M:%S}" if not long else f"{when:%H:%M:%S}"
        if number in places:
            one = events[places.index(number)]
            stated.append(replace(one, line=f"{stamp} {one.line}"))
            lines.append(stated[-1].line)
        else:
            lines.append(f"{stamp} {form.format(n=number + 1, ms=sample.rng.randint(2, 99))}")
    stem = sample.rng.choice(
        ("server", "app", "gateway", "sensor", "backup", "night run", "system", "worker")
    )
    return f"{stem}.log", _document("long log" if long else "event log", lines, stated)


def _with_number(sample: Sampler) -> tuple[str, Document]:
    """A file whose name has a number."""
    noun, mark = sample.rng.choice(_NUMBERED_NAMES), sample.rng.choice(("_", "-", " ", ""))
    number = sample.value(lambda: f"{sample.rng.randint(12, 9999):0{sample.rng.choice((2, 3, 4))}d}")
    return f"{noun}{mark}{number}.{sample.rng.choice(('txt', 'md', 'pdf.txt'))}", make_document(sample)


_DEVICES = frozenset(heading.split(" | ")[0] for heading in SETTINGS)


def is_device_name(path: str) -> bool:
    """Return whether a file is named after a device alone, which "the freezer" does not tell from it."""
    return PurePosixPath(path).stem in _DEVICES
