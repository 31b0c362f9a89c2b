"""Intents over sums of everyday life with several operations, and requests that lack nearly everything."""

from __future__ import annotations

from datetime import timedelta

from train.data.phrasings import names
from train.data.synthetic.actions import calculate, change_units, days_from_to, join_reasons
from train.data.synthetic.intents.restraint import ask_for, asked
from train.data.synthetic.intents.spoken import spelled
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, intent
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World

_FACTORS = (
    ("double_minus", "{a} * 2 - {b}", "double is * 2"),
    ("half_plus", "{a} / 2 + {b}", "half is / 2"),
    ("triple_plus", "{a} * 3 + {b}", "three times is * 3"),
)


@intent("calculate", topic="arithmetic", weight=4)
def factor_then(sample: Sampler, world: World) -> Script:
    """Double, half or three times a number, and then some more or less."""
    section, expression, why = sample.rng.choice(_FACTORS)
    a, first, because = spelled(sample, 900)
    if sample.chance(0.4):
        a = first = sample.integer(2, 900)
        because = ""
    b, second, because2 = spelled(sample, 900) if sample.chance(0.3) else (sample.integer(2, 900), "", "")
    question = sample.question(section, a=a, b=b)
    worked = expression.format(a=first, b=second or b)
    return calculate(question, worked, "That is {r}.", join_reasons(because, because2, why))


@intent("calculate", topic="arithmetic", weight=3)
def warmer_or_colder(sample: Sampler, world: World) -> Script:
    a, b = str(sample.rng.randint(2, 40)), str(sample.rng.randint(2, 40))
    if sample.chance(0.6):
        question = sample.question("warmer", a=a, b=b)
        return calculate(question, f"-{a} + {b}", "It is {r} degrees.", f"it was -{a}, warmer means plus")
    question = sample.question("colder", a=a, b=b)
    return calculate(question, f"{a} - {b}", "It is {r} degrees.", f"it was {a}, colder means minus")


@intent("calculate", topic="arithmetic", weight=4)
def two_items(sample: Sampler, world: World) -> Script:
    """Two kinds of things, each with its number and its price apiece."""
    item, item2 = sample.rng.sample(list(names.PLURALS), 2)
    counts = [sample.rng.randint(2, 12) for _ in range(2)]
    said = [number_words(count) if sample.chance(0.5) else str(count) for count in counts]
    p, q = sample.price(30), sample.price(30)
    question = sample.question("two_items", a=said[0], item=item, p=p, b=said[1], item2=item2, q=q)
    because = f"{item} {counts[0]} * {p}, {item2} {counts[1]} * {q}"
    return calculate(question, f"{counts[0]} * {p} + {counts[1]} * {q}", "The total is {r}.", because)


@intent("calculate", topic="arithmetic", weight=3)
def brackets(sample: Sampler, world: World) -> Script:
    """A difference or sum, times a number, divided by another: all four numbers are in the expression."""
    b, c, d = (sample.integer(2, most) for most in (40, 20, 12))
    a = str(int(b) + sample.rng.randint(2, 90))
    section, sign = sample.rng.choice((("brackets", "-"), ("brackets_sum", "+")))
    question = sample.question(section, a=a, b=b, c=c, d=d)
    because = f"first ({a} {sign} {b}), then * {c}, then / {d}"
    return calculate(question, f"({a} {sign} {b}) * {c} / {d}", "That is {r}.", because)


@intent("write_file", topic="writing files", weight=3)
def missing_all(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("missing_all"))
    back = ("What shall I write, and into which file?", "Which text, and what should the file be called?")
    return ask_for("The text and the file", sample.rng.choice(back))


@intent("days_between", topic="dates", weight=3)
def missing_until(sample: Sampler, world: World) -> Script:
    date = sample.format_date(world.now.date() + timedelta(days=sample.rng.randint(2, 500)))
    back = ("Until which date?", "Which date do you mean?")
    given = sample.question("given_date", date=date)
    rest = days_from_to("today", date, relative=True, say="It is {days}.")
    return asked(sample, "missing_until", "The date", back, given, rest)


@intent("convert_units", topic="converting units", weight=2.4)
def missing_value(sample: Sampler, world: World) -> Script:
    v, (u1, u2) = sample.number(2, 900), sample.units()
    back = (f"What shall I convert to {u2}?", f"How much of which unit, in {u2}?")
    given = sample.question("given_value", v=v, u1=u1)
    return asked(sample, "missing_value", "The amount", back, given, change_units(v, u1, u2), u2=u2)
