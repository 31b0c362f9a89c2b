"""Intents over `calculate` with one step in a story: prices by the piece, fractions, below zero."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.intents.arithmetic.number_words import TEENS_SHARE, spelled
from train.data.synthetic.intents.arithmetic.operations import amount
from train.data.synthetic.memory import Again, binary
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.wording.spelling import FRACTIONS, number_words, with_separators
from train.data.synthetic.worlds.world import World


def count(sample: Sampler, most: int) -> tuple[str, str, str]:
    """Return a count from 3 to `most`, in words half of the time; in digits; and that they are equal."""
    number = str(sample.rng.randint(11, 19)) if sample.chance(TEENS_SHARE) else sample.integer(3, most)
    said = number_words(int(number)) if sample.chance(0.5) else number
    return said, number, "" if said == number else f"{said} is {number}"


@intent("calculate", topic="arithmetic", weight=4)
def price_of_many(sample: Sampler, world: World) -> Script:
    said, number, why = count(sample, 40)
    price, item = sample.price(90), sample.pick(names.PLURALS)
    question = sample.question("price_of_many", n=said, item=item, p=price)
    because = join_reasons(why, f"{number} times {price}")
    again = binary(number, "*", price)
    return calculate(question, f"{number} * {price}", "That comes to {r}.", because, again)


@intent("calculate", topic="arithmetic", weight=7)
def price_of_one(sample: Sampler, world: World) -> Script:
    """The price of one of several things, which is given for all together."""
    said, number, why = count(sample, 30)
    price, item = sample.price(200), sample.pick(names.PLURALS)
    question = sample.question("price_of_one", n=said, item=item, p=price)
    because = join_reasons(why, f"all together {price}, one is a part of {number}")
    again = binary(price, "/", number)
    return calculate(question, f"{price} / {number}", "One costs {r}.", because, again)


@intent("calculate", topic="arithmetic", weight=8)
def single_of_dozen(sample: Sampler, world: World) -> Script:
    """The price of one, where that of half a dozen, a dozen or two dozen is given."""
    words, number = sample.rng.choice(
        (
            ("half a dozen", "6"),
            ("half a dozen", "6"),
            ("a dozen", "12"),
            ("two dozen", "24"),
            ("3 dozen", "36"),
        )
    )
    price, item = sample.price(60), sample.pick(names.PLURALS)
    question = sample.question("price_of_one", n=words, item=item, p=price)
    because = f"{words} is {number}, all together {price}, one is a part of {number}"
    return calculate(question, f"{price} / {number}", "One costs {r}.", because)


@intent("calculate", topic="arithmetic", weight=1.4)
def dozen_at_price(sample: Sampler, world: World) -> Script:
    words, number = sample.rng.choice((("half a dozen", "6"), ("a dozen", "12"), ("two dozen", "24")))
    price, item = sample.price(60), sample.pick(names.PLURALS)
    question = sample.question("price_of_many", n=words, item=item, p=price)
    because = f"{words} is {number}, {number} times {price}"
    return calculate(question, f"{number} * {price}", "That comes to {r}.", because)


@intent("calculate", topic="arithmetic", weight=3)
def percent_spelled(sample: Sampler, world: World) -> Script:
    """A percentage of a number, either of them in words or with a comma between thousands."""
    number = sample.rng.choice((5, 10, 12, 15, 20, 25, 30, 40, 60, 75, sample.rng.randint(2, 99)))
    p = number_words(number) if sample.chance(0.6) else str(number)
    why = "" if p == str(number) else f"{p} is {number}"
    n, digits, why2 = spelled(sample, 900) if sample.chance(0.6) else amount(sample, 20, 9000)
    question = sample.question("percent_spelled", p=p, n=n)
    again = Again("percent_of", {"p": str(number), "n": digits})
    return calculate(question, f"{number}% * {digits}", "That is {r}.", join_reasons(why, why2), again)


@intent("calculate", topic="arithmetic", weight=1.6)
def saved_by_discount(sample: Sampler, world: World) -> Script:
    p, (said, n, why) = sample.percent(), amount(sample, 10, 3000)
    question = sample.question("saved_by_discount", p=p, n=said)
    because = join_reasons(why, f"the saving is {p}% of {n}")
    return calculate(question, f"{p}% * {n}", "You save {r}.", because)


@intent("calculate", topic="arithmetic", weight=2)
def fraction_gone(sample: Sampler, world: World) -> Script:
    """What is left of a number after a fraction of it is gone."""
    words, above, below = sample.rng.choice(FRACTIONS)
    number = str(below * int(sample.integer(2, 300)))
    said = number_words(int(number)) if sample.chance(0.3) else number
    part = f"{number} / {below}" if above == 1 else f"{number} * {above} / {below}"
    question = sample.question("fraction_gone", f=words, n=said)
    because = join_reasons("" if said == number else f"{said} is {number}", f"{words} of it is {part}")
    return calculate(question, f"{number} - {part}", "There are {r} left.", because)


@intent("calculate", topic="arithmetic", weight=2)
def under_zero(sample: Sampler, world: World) -> Script:
    """A sum that starts below zero: an account, a lift, a diver."""
    most = sample.rng.choice((30, 400))
    a, b = sample.integer(2, most), sample.integer(2, most)
    section, sign = sample.rng.choice((("account_up", "+"), ("account_down", "-"), ("depth_up", "+")))
    word = "more" if sign == "+" else "less"
    question = sample.question(section, a=a, b=b)
    return calculate(question, f"-{a} {sign} {b}", "That is {r}.", f"it starts at -{a}, then {b} {word}")


@intent("calculate", topic="arithmetic", weight=1.4)
def between_temperatures(sample: Sampler, world: World) -> Script:
    """By how many degrees two temperatures differ, the lower one below zero."""
    a, b = str(sample.rng.randint(2, 30)), str(sample.rng.randint(1, 38))
    said = f"minus {number_words(int(a)) if sample.chance(0.4) else a}" if sample.chance(0.7) else f"-{a}"
    question = sample.question("between_temperatures", a=said, b=b)
    because = join_reasons("" if said == f"-{a}" else f"{said} is -{a}", f"from -{a} up to {b}")
    return calculate(question, f"{b} - (-{a})", "It is {r} degrees.", because)


@intent("calculate", topic="arithmetic", weight=4)
def large_numbers(sample: Sampler, world: World) -> Script:
    """Two numbers with commas between thousands, in any order of words."""
    a, b = sorted((sample.rng.randint(1000, 90_000), sample.rng.randint(1000, 90_000)), reverse=True)
    if sample.chance(0.4):
        b = sample.rng.randint(2, 999)
    kind, sign = sample.rng.choice((("add", "+"), ("take_from", "-"), ("take_from", "-"), ("subtract", "-")))
    said = with_separators(a), with_separators(b)
    because = join_reasons(
        *(f"{text} is {n}" for text, n in zip(said, (a, b), strict=True) if text != str(n))
    )
    say = "That makes {r}." if sign == "+" else "That leaves {r}."
    question = sample.question(kind, a=said[0], b=said[1])
    again = binary(str(a), sign, str(b))
    return calculate(question, f"{a} {sign} {b}", say, because, again)


@intent("calculate", topic="arithmetic", weight=2.4)
def take_from(sample: Sampler, world: World) -> Script:
    """A difference whose second number is said first."""
    a, first, why = count(sample, 999) if sample.chance(0.3) else (n := sample.number(2, 9999), n, "")
    b, second, why2 = count(sample, 99) if sample.chance(0.3) else (n := sample.number(2, 999), n, "")
    again = binary(first, "-", second)
    question = sample.question("take_from", a=a, b=b)
    return calculate(question, f"{first} - {second}", "That leaves {r}.", join_reasons(why, why2), again)


_PERIODS = (
    ("month", "year", "12 months", "{n} * 12"),
    ("week", "year", "52 weeks", "{n} * 52"),
    ("day", "week", "7 days", "{n} * 7"),
    ("day", "year", "365 days", "{n} * 365"),
    ("day", "fortnight", "14 days", "{n} * 14"),
    ("year", "month", "12 months", "{n} / 12"),
    ("week", "day", "7 days", "{n} / 7"),
    ("year", "week", "52 weeks", "{n} / 52"),
)
"""What is given for a span of time, what is asked for, what the longer one of them has, the expression."""


@intent("calculate", topic="arithmetic", weight=2.6)
def per_period(sample: Sampler, world: World) -> Script:
    """An amount for a month as one for a year, and the like."""
    given, asked, parts, expression = sample.rng.choice(_PERIODS)
    said, number, why = amount(sample, 2, 5000)
    longer = asked if "*" in expression else given
    question = sample.question("per_period", n=said, u1=given, u2=asked)
    because = join_reasons(why, f"a {longer} has {parts}")
    return calculate(question, expression.format(n=number), f"It is {{r}} a {asked}.", because)


@intent("calculate", topic="arithmetic", weight=0.8)
def pairs(sample: Sampler, world: World) -> Script:
    said, number, why = count(sample, 40)
    item = sample.rng.choice(("socks", "shoes", "gloves", "boots", "skis", "slippers", "earrings", "wheels"))
    because = join_reasons(why, "a pair is 2")
    return calculate(sample.question("pairs", n=said, item=item), f"{number} * 2", "That makes {r}.", because)
