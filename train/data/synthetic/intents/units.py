"""Intents over `convert_units`, alone and with other tools."""

from __future__ import annotations

from agent.tools.lib.numbers.units import find_unit
from train.data.phrasings import names
from train.data.synthetic.actions import change_units, conversion, json_number
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, intent, step
from train.data.synthetic.wording.spelling import number_words, with_separators
from train.data.synthetic.worlds.world import World


@intent("convert_units", topic="converting units", weight=5)
def convert(sample: Sampler, world: World) -> Script:
    source, target = sample.units()
    if sample.chance(0.06):  # two dimensions, or a unit nobody has: the tool says so
        target = sample.rng.choice((sample.units()[1], sample.pseudo_word()))
    value = sample.number(1, 3000)
    return conversion(sample.question("convert", v=value, u1=source, u2=target), value, source, target)


@intent("convert_units", topic="converting units", weight=1.6)
def convert_spelled(sample: Sampler, world: World) -> Script:
    source, target = sample.units()
    if sample.chance(0.5):
        number = sample.rng.randint(1, 99)
        spelled = number_words(number)
    else:
        number = sample.rng.randint(1000, 999_999)
        spelled = with_separators(number)
    question = sample.question("convert", v=spelled, u1=source, u2=target)
    return conversion(question, str(number), source, target, f"{spelled} is {number}")


@intent("convert_units", topic="converting units", weight=4)
def temperature(sample: Sampler, world: World) -> Script:
    """Degrees, also below zero: as -5, as minus 5, as minus five."""
    source, target = sample.units_of(names.UNITS["temperature"])
    roll, below = sample.rng.random(), sample.rng.randint(1, 60)
    if source in ("kelvin", "Kelvin", "K"):
        roll = max(roll, 0.55)
    said = value = sample.number(1, 400)
    if roll < 0.2:
        said = value = f"-{below}"
    elif roll < 0.55:
        value = f"-{below}"
        said = f"minus {number_words(below) if sample.chance(0.6) else below}"
    elif roll < 0.65:
        value, said = str(below), number_words(below)
    elif roll < 0.75 and source not in ("kelvin", "Kelvin", "K"):
        value = f"-{below}"
        said = f"{number_words(below) if sample.chance(0.4) else below} below zero"
    because = "" if said == value else f"{said} is {value}"
    question = sample.question("temperature", v=said, u1=source, u2=target)
    return conversion(question, value, source, target, because)


_SINGLE = (
    *(("mile", "length"), ("yard", "length"), ("metre", "length"), ("inch", "length"), ("pound", "mass")),
    *(("kilo", "mass"), ("gallon", "volume"), ("litre", "volume"), ("pint", "volume"), ("cup", "volume")),
    *(("day", "time"), ("week", "time"), ("hour", "time"), ("year", "time"), ("stone", "mass")),
)
"""Units in the singular, with their dimensions."""
_PARTS = (
    *(
        ("a", "1"),
        ("one", "1"),
        ("half a", "0.5"),
        ("a quarter of a", "0.25"),
        ("three quarters of a", "0.75"),
    ),
    *(
        ("one and a half", "1.5"),
        ("two and a half", "2.5"),
        ("three and a half", "3.5"),
        ("a tenth of a", "0.1"),
    ),
)
"""Counts in words of less than four, with the values of calls."""


@intent("convert_units", topic="converting units", weight=2.4)
def one_or_part(sample: Sampler, world: World) -> Script:
    """One of a unit, half of one, two and a half: what a call takes as 1, 0.5, 2.5."""
    unit, dimension = sample.rng.choice(_SINGLE)
    words, value = sample.rng.choice(_PARTS)
    target = sample.rng.choice([other for other in names.UNITS[dimension] if not other.startswith(unit)])
    plural = f"{unit}es" if unit == "inch" else unit if unit == "stone" else f"{unit}s"
    if words.endswith(" a") or words == "a":
        text = f"{words}n {unit}" if unit in ("inch", "hour") else f"{words} {unit}"
    else:
        text = f"{words} {unit if words == 'one' else plural}"
    question = sample.question("mixed_units", v=text, u2=target)
    return conversion(question, value, plural, target, f"{text} is {value} {plural}")


@intent("convert_units", topic="converting units", weight=1.4)
def area(sample: Sampler, world: World) -> Script:
    """Squares of lengths, whose names have two words: both go into the call."""
    source, target = sample.units_of(sample.rng.choice(_AREAS))
    said, value, why = sample.number(2, 3000), "", ""
    if sample.chance(0.3):
        number = sample.rng.randint(1000, 90_000)
        said, value = with_separators(number), str(number)
        why = f"{said} is {value}"
    kind = sample.rng.choice(("area", "convert"))
    question = sample.question(kind, v=said, u1=source, u2=target)
    return conversion(question, value or said, source, target, why)


_AREAS = (
    ("square feet", "square metres", "square meters", "square yards", "sq ft", "sqm"),
    ("square feet", "square metres"),
    ("acres", "hectares", "square metres", "square feet"),
    ("acres", "hectares", "square kilometres", "square miles"),
)
"""Areas of the same order of magnitude."""
_MIXED = (
    ("feet", "inches", 12, ("cm", "metres", "centimetres", "m", "meters")),
    ("ft", "in", 12, ("cm", "metres", "centimeters")),
    ("pounds", "ounces", 16, ("kg", "grams", "kilos", "kilograms")),
    ("lb", "oz", 16, ("g", "kg")),
    ("stone", "pounds", 14, ("kg", "kilos", "kilograms")),
    ("hours", "minutes", 60, ("seconds", "days")),
    ("minutes", "seconds", 60, ("hours", "milliseconds")),
)
"""A unit, its part, how many parts it has, and what both together may be converted to."""


@intent("calculate", "convert_units", topic="converting units", weight=1.6)
def mixed_units(sample: Sampler, world: World) -> Script:
    """Feet and inches and the like: first all in the smaller unit, then the conversion."""
    big, small, parts, targets = sample.rng.choice(_MIXED)
    a, b = sample.rng.randint(2, 14), sample.rng.randint(1, parts - 1)
    target = sample.rng.choice(targets)
    form = sample.rng.choice(("{a} {big} {b} {small}", "{a} {big} {b} {small}", "{a} {big} and {b} {small}"))
    if sample.chance(0.25) and big in ("feet", "ft"):
        form = "{a} {big} {b}"
    said = form.format(a=a, big=big, b=b, small=small)
    yield Question(sample.question("mixed_units", v=said, u2=target))
    expression = f"{a} * {parts} + {b}"
    seen = yield step(
        f"{said} is {expression} {small}: first I will work out {expression} with {{tool}}.",
        "calculate",
        expression=expression,
    )
    total = seen[0].content
    return (yield from change_units(total, small, target, f"{said} is {total} {small}", f"{said} is {{r}}."))


@intent("convert_units", topic="converting units", weight=1.5)
def told_equal(sample: Sampler, world: World) -> Script:
    """Feet and inches and the like, with the same in the smaller unit, which is what is converted."""
    big, small, parts, targets = sample.rng.choice(_MIXED)
    a, b = sample.rng.randint(2, 14), sample.rng.randint(1, parts - 1)
    total, target = str(a * parts + b), sample.rng.choice(targets)
    question = sample.question("told_equal", v=f"{a} {big} {b} {small}", t=total, u1=small, u2=target)
    return conversion(question, total, small, target)


@intent("convert_units", topic="converting units", weight=2)
def which_is_more(sample: Sampler, world: World) -> Script:
    """Which of two quantities in different units is more: one is converted to the unit of the other."""
    dimension, adjective = sample.rng.choice(
        (("length", "longer"), ("mass", "heavier"), ("volume", "more"), ("speed", "faster"), ("data", "more"))
    )
    u1, u2 = sample.units_of(names.UNITS[dimension])
    v = sample.number(1, 900)
    one, other = find_unit(u1), find_unit(u2)
    assert one
    assert other
    v2 = f"{float(v) * float(one.factor / other.factor) * sample.rng.uniform(0.4, 2.2):.3g}"
    if "e" in v2 or float(v2) < 0.1:
        raise ValueError(v2)
    first, second = f"{v} {u1}", f"{v2} {u2}"
    yield Question(sample.question("which_is_more", a=first, b=second, adj=adjective))
    seen = yield step(
        f"To compare, I will convert {first} to {u2} with {{tool}}.",
        "convert_units",
        value=json_number(v),
        from_unit=u1,
        to_unit=u2,
    )
    if seen[0].error:
        return give_up(f"It cannot be converted: {seen[0].content}.")
    result = seen[0].content
    more = first if float(result.split(" ")[0]) > float(v2) else second
    return Outcome(
        f"{more} is {adjective}: {first} is {result}.",
        (more, result.split(" ")[0]),
        thought=f"{first} is {result}, the other is {second}, so {more} is {adjective}.",
        memory=Memory(),
    )


@intent("convert_units", topic="converting units", weight=1.8)
def two_conversions(sample: Sampler, world: World) -> Script:
    (u1, u2), (u3, u4) = sample.units(), sample.units()
    v, v2 = sample.number(1, 900), sample.number(1, 900)
    yield Question(sample.question("two_conversions", v=v, u1=u1, u2=u2, v2=v2, u3=u3, u4=u4))
    observations = yield Step(
        f"I will convert {v} {u1} to {u2} and {v2} {u3} to {u4} at once with {{tool}}.",
        (
            ToolCall("convert_units", {"value": json_number(v), "from_unit": u1, "to_unit": u2}),
            ToolCall("convert_units", {"value": json_number(v2), "from_unit": u3, "to_unit": u4}),
        ),
    )
    if observations[0].error or observations[1].error:
        broken = observations[0] if observations[0].error else observations[1]
        return give_up(f"It cannot be converted: {broken.content}.")
    a, b = observations[0].content, observations[1].content
    return Outcome(
        f"{v} {u1} is {a} and {v2} {u3} is {b}.",
        (a.split(" ", 1)[0], b.split(" ", 1)[0]),
        thought=f"The results are {a} and {b}.",
        memory=Memory(),
    )


@intent("calculate", "convert_units", topic="arithmetic", weight=1.4)
def calc_and_convert(sample: Sampler, world: World) -> Script:
    e, v, (u1, u2) = sample.expression(), sample.number(1, 900), sample.units()
    yield Question(sample.question("calc_and_convert", e=e, v=v, u1=u1, u2=u2))
    observations = yield Step(
        f"I will work out {e} with {{tool}} and convert {v} {u1} to {u2} with {{last_tool}}.",
        (
            ToolCall("calculate", {"expression": e}),
            ToolCall("convert_units", {"value": json_number(v), "from_unit": u1, "to_unit": u2}),
        ),
    )
    if observations[0].error or observations[1].error:
        broken = observations[0] if observations[0].error else observations[1]
        return give_up(f"It cannot be done: {broken.content}.")
    a, b = observations[0].content, observations[1].content
    return Outcome(
        f"{e} = {a} and {v} {u1} is {b}.",
        (a, b.split(" ", 1)[0]),
        thought=f"The results are {a} and {b}.",
        memory=Memory(),
    )


@intent("convert_units", "add_note", topic="converting units", weight=0.6)
def convert_then_note(sample: Sampler, world: World) -> Script:
    v, (u1, u2) = sample.number(1, 900), sample.units()
    yield Question(sample.question("convert_then_note", v=v, u1=u1, u2=u2))
    observations = yield step(
        f"I will convert {v} {u1} to {u2} with {{tool}}, then save it as a note.",
        "convert_units",
        value=json_number(v),
        from_unit=u1,
        to_unit=u2,
    )
    if observations[0].error:
        return give_up(f"It cannot be converted: {observations[0].content}.")
    result = observations[0].content
    text = f"{v} {u1} is {result}"
    yield step(f"The result is {result}: I will save {text} with {{tool}}.", "add_note", text=text)
    number, _, unit = result.partition(" ")
    return Outcome(
        f"{text}. I saved it as a note.",
        (number,),
        thought=f"The result is {result}, and the note is saved.",
        memory=Memory(Again("convert", {"v": v, "u1": u1, "u2": u2}), number=number, unit=unit),
    )
