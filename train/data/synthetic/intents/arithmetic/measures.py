"""Intents over `calculate` with what is measured: figures, prices by weight, consumption, interest."""

from __future__ import annotations

from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.intents.arithmetic.stories import as_said
from train.data.synthetic.memory import binary
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.worlds.world import World

_FIGURES = (
    ("rectangle_area", "{a} * {b}", "The area is {r}.", "the area is {a} times {b}"),
    (
        "rectangle_around",
        "2 * ({a} + {b})",
        "It is {r} around.",
        "all around is 2 times the sum of {a} and {b}",
    ),
    ("triangle_area", "{a} * {b} / 2", "The area is {r}.", "a triangle is half of {a} times {b}"),
    (
        "circle_area",
        "pi * {a} ^ 2",
        "The area is {r}.",
        "the area of a circle is pi times the radius squared",
    ),
    ("circle_around", "2 * pi * {a}", "It is {r} around.", "around a circle is 2 times pi times the radius"),
)
"""Section of the phrasings, expression, answer, and why."""
_RATES = ("1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5", "6", "7", "8", "10", "12")
"""Percentages of interest a year."""


@intent("calculate", topic="arithmetic", weight=3)
def figure(sample: Sampler, world: World) -> Script:
    """The area of a rectangle, a triangle or a circle, or the way around it."""
    section, expression, say, why = sample.rng.choice(_FIGURES)
    numbers = {"a": sample.number(2, 60)}
    if "{b}" in expression:
        numbers["b"] = sample.number(2, 60)
    question = sample.question(section, **numbers)
    return calculate(question, expression.format(**numbers), say, why.format(**numbers))


@intent("calculate", topic="arithmetic", weight=3)
def price_by_weight(sample: Sampler, world: World) -> Script:
    """The price of one kilo, litre or metre, where that of some is given; or that of some."""
    amount, price = f"{sample.rng.randint(2, 90) / 10:g}", sample.price(60)
    unit, one = sample.rng.choice(
        (
            ("kg", "a kilo"),
            ("kilos", "a kilo"),
            ("litres", "a litre"),
            ("metres", "a metre"),
            ("m", "a metre"),
        )
    )
    slots = {"n": amount, "u": unit, "one": one, "p": price}
    if sample.chance(0.5):
        because = f"{price} for {amount}, one is a part of that"
        question = sample.question("price_of_one_unit", **slots)
        again = binary(price, "/", amount)
        return calculate(question, f"{price} / {amount}", f"It is {{r}} for {one}.", because, again)
    question = sample.question("price_of_units", **slots)
    because, again = f"{amount} times {price}", binary(amount, "*", price)
    return calculate(question, f"{amount} * {price}", "That comes to {r}.", because, again)


@intent("calculate", topic="arithmetic", weight=1.2)
def per_hundred(sample: Sampler, world: World) -> Script:
    """What a car uses on a hundred kilometres."""
    litres, km = sample.rng.randint(10, 70), sample.rng.randint(150, 1200)
    said, why = as_said(sample, litres)
    question = sample.question("per_hundred", a=said, b=km)
    because = join_reasons(why, f"{litres} for {km}, times 100")
    return calculate(question, f"{litres} / {km} * 100", "It is {r} litres for a hundred km.", because)


@intent("calculate", topic="arithmetic", weight=2)
def interest_of_years(sample: Sampler, world: World) -> Script:
    """Simple interest over several years."""
    p, years, n = sample.rng.choice(_RATES), sample.rng.randint(2, 12), sample.rng.randint(3, 90) * 100
    said, why = as_said(sample, n)
    said_years, why_years = as_said(sample, years)
    question = sample.question("interest_of_years", n=said, p=p, y=said_years)
    because = join_reasons(why, why_years, f"{p}% of {n} each year, times {years}")
    return calculate(question, f"{p}% * {n} * {years}", "The interest is {r}.", because)
