"""Intents over `calculate` with several operations in a story: doubled and less, two prices, brackets."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.intents.arithmetic.number_words import spelled
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World

_FACTORS = (
    ("double_minus", "{a} * 2 - {b}", "double is * 2"),
    ("half_plus", "{a} / 2 + {b}", "half is / 2"),
    ("triple_plus", "{a} * 3 + {b}", "three times is * 3"),
)


@intent("calculate", topic="arithmetic", weight=10)
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


@intent("calculate", topic="arithmetic", weight=12)
def warmer_or_colder(sample: Sampler, world: World) -> Script:
    """A temperature that rises from below zero, or falls; it is calculated with, not converted."""
    a, b = str(sample.rng.randint(2, 40)), str(sample.rng.randint(2, 40))
    said, said2 = (number_words(int(n)) if sample.chance(0.2) else n for n in (a, b))
    reasons = [f"{words} is {digits}" for words, digits in ((said, a), (said2, b)) if words != digits]
    warmer = sample.chance(0.6)
    question = sample.question("warmer" if warmer else "colder", a=said, b=said2)
    start, expression = (f"-{a}", f"-{a} + {b}") if warmer else (a, f"{a} - {b}")
    way = "warmer means plus" if warmer else "colder means minus"
    because = join_reasons(*reasons, f"it was {start}, {way}")
    return calculate(question, expression, "It is {r} degrees.", because)


@intent("calculate", topic="arithmetic", weight=5)
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
