"""Intents over `calculate` with numbers in words: operations, fractions, groups, dozens."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.memory import binary
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.wording.spelling import FRACTIONS, number_words, with_separators
from train.data.synthetic.worlds.world import World

_CONTAINERS = (
    *("boxes", "crates", "bags", "shelves", "packs", "trays", "rows", "cartons", "baskets", "pallets"),
    *("jars", "drawers", "bundles", "sacks", "cases", "tins"),
)
TEENS_SHARE = 0.15
"""Share of numbers in words from eleven to nineteen, which are taken for seven or ninety otherwise."""
_OPERATIONS = (("add", "+"), ("subtract", "-"), ("multiply", "*"), ("divide", "/"))


def _round(sample: Sampler) -> int:
    """Return a number of whole tens, hundreds or thousands."""
    return sample.rng.randint(1, 9) * sample.rng.choice((10, 100, 100, 1000))


def spelled(sample: Sampler, most: int) -> tuple[str, str, str]:
    """Return a number in words, with commas or in millions; in digits; and that they are equal."""
    kind = sample.rng.random()
    if kind < 0.55:
        number = _round(sample) if sample.chance(0.25) else int(sample.integer(2, most))
        number = sample.rng.randint(11, 19) if sample.chance(TEENS_SHARE) else number
        text = number_words(number)
        if sample.chance(0.3):
            text = text.replace("-", " ")
    elif kind < 0.8:
        number = sample.rng.randint(1000, 900_000)
        text = with_separators(number)
    elif kind < 0.9:
        number = sample.rng.randint(2, 90) * 1000
        text = f"{number // 1000}k"
    else:
        tenths = sample.rng.randint(2, 95)
        number = tenths * 100_000
        amount = str(tenths // 10) if tenths % 10 == 0 else f"{tenths / 10}"
        text = f"{amount} million"
    return text, str(number), f"{text} is {number}"


@intent("calculate", topic="arithmetic", weight=8)
def spelled_operation(sample: Sampler, world: World) -> Script:
    kind, sign = sample.rng.choice(_OPERATIONS)
    a, first, why = spelled(sample, 900)
    roll = sample.rng.random()
    if roll < 0.4:
        number = sample.rng.randint(2, 20)
        b, second, why2 = number_words(number), str(number), f"{number_words(number)} is {number}"
    elif roll < 0.7 and sign in "+-":
        b, second, why2 = spelled(sample, 900)
    else:
        second = sample.integer(2, 90)
        b, why2 = second, ""
    if first == second:
        raise ValueError(first)
    say = {"+": "That makes {r}.", "-": "That leaves {r}."}.get(sign, "That is {r}.")
    because = f"{why}, {why2}" if why2 else why
    again = binary(first, sign, second)
    return calculate(sample.question(kind, a=a, b=b), f"{first} {sign} {second}", say, because, again)


@intent("calculate", topic="arithmetic", weight=1.6)
def negative(sample: Sampler, world: World) -> Script:
    """Sums with numbers below zero."""
    a, b = sample.integer(2, 500), sample.integer(2, 500)
    kind, sign = sample.rng.choice(_OPERATIONS)
    if sample.chance(0.5):
        return calculate(sample.question(kind, a=f"-{a}", b=b), f"-{a} {sign} {b}", "That is {r}.")
    text = f"minus {a}"
    return calculate(
        sample.question(kind, a=text, b=b), f"-{a} {sign} {b}", "That is {r}.", f"{text} is -{a}"
    )


@intent("calculate", topic="arithmetic", weight=12)
def fraction_of(sample: Sampler, world: World) -> Script:
    """A fraction in words, of a number that is in words sometimes."""
    words, above, below = sample.rng.choice(FRACTIONS)
    number = sample.integer(2, 900)
    if sample.chance(0.7):
        number = str(below * int(sample.integer(2, 400)))
    said = number_words(int(number)) if sample.chance(0.5) else number
    if said == number and int(number) > 999 and sample.chance(0.5):
        said = with_separators(int(number))
    expression = f"{number} / {below}" if above == 1 else f"{number} * {above} / {below}"
    return calculate(
        sample.question("fraction_of", f=words, n=said),
        expression,
        "That is {r}.",
        join_reasons("" if said == number else f"{said} is {number}", f"{words} of {number} is {expression}"),
    )


@intent("calculate", topic="arithmetic", weight=12)
def groups(sample: Sampler, world: World) -> Script:
    """So many things with so many parts each, either number in words or in digits."""
    a, b = sample.integer(2, 120), sample.integer(2, 60)
    if sample.chance(TEENS_SHARE):
        a, b = str(sample.rng.randint(11, 19)), str(sample.rng.randint(11, 60))
    said, said2 = a, b
    roll = sample.rng.random()
    if roll < 0.6:
        said = number_words(int(a))
    if roll > 0.45:
        said2 = number_words(int(b))
    reasons = [f"{words} is {digits}" for words, digits in ((said, a), (said2, b)) if words != digits]
    item, kind = sample.pick(names.PLURALS), sample.rng.choice(_CONTAINERS)
    question = sample.question("groups", a=said, b=said2, item=item, kind=kind)
    because = join_reasons(*reasons, f"{a} times {b}")
    return calculate(question, f"{a} * {b}", "That makes {r}.", because, binary(a, "*", b))


@intent("calculate", topic="arithmetic", weight=1.6)
def dozens(sample: Sampler, world: World) -> Script:
    """Prices and counts by the dozen."""
    count = sample.rng.randint(1, 12)
    words = sample.rng.choice(("a", "one", "1")) if count == 1 else number_words(count)
    if count > 1 and sample.chance(0.5):
        words = str(count)
    item = sample.pick(names.ITEMS)
    if sample.chance(0.5):
        return calculate(
            sample.question("dozens_count", n=words, item=item),
            f"{count} * 12",
            "That is {r}.",
            "a dozen is 12",
        )
    price = sample.price(20)
    return calculate(
        sample.question("dozens_cost", n=words, item=item, price=price),
        f"{count} * 12 * {price}",
        "That comes to {r}.",
        f"a dozen is 12, each costs {price}",
    )
