"""Intents over `calculate` as people say sums: words, fractions, dozens, prices, remainders, averages."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.memory import Again
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.wording.spelling import FRACTIONS, number_words, with_separators
from train.data.synthetic.worlds.world import World

_CONTAINERS = (
    *("boxes", "crates", "bags", "shelves", "packs", "trays", "rows", "cartons", "baskets", "pallets"),
    *("jars", "drawers", "bundles", "sacks", "cases", "tins"),
)
_OPERATIONS = (("add", "+"), ("subtract", "-"), ("multiply", "*"), ("divide", "/"))


def _round(sample: Sampler) -> int:
    """Return a number of whole tens, hundreds or thousands."""
    return sample.rng.randint(1, 9) * sample.rng.choice((10, 100, 100, 1000))


def spelled(sample: Sampler, most: int) -> tuple[str, str, str]:
    """Return a number in words, with commas or in millions; in digits; and that they are equal."""
    kind = sample.rng.random()
    if kind < 0.55:
        number = _round(sample) if sample.chance(0.25) else int(sample.integer(2, most))
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


@intent("calculate", topic="arithmetic", weight=6)
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
    say = {"+": "That makes {r}.", "-": "That leaves {r}."}.get(sign, "That is {r}.")
    because = f"{why}, {why2}" if why2 else why
    again = Again("binary", {"a": first, "op": sign, "b": second})
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


@intent("calculate", topic="arithmetic", weight=5)
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


@intent("calculate", topic="arithmetic", weight=5.5)
def groups(sample: Sampler, world: World) -> Script:
    """So many things with so many parts each, either number in words or in digits."""
    a, b = sample.integer(2, 120), sample.integer(2, 60)
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
    return calculate(
        question, f"{a} * {b}", "That makes {r}.", because, Again("binary", {"a": a, "op": "*", "b": b})
    )


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


_PRICED = (
    *("{n} {i} at {p} each", "{n} {i} at {p} each", "{n} times {i} at {p}", "{n} {i} at {p}"),
    *("{n} {i} for {p} each", "{n} {i} for {p} apiece", "{n} {i} at {p} apiece", "{n} {i} at {p} a piece"),
    *("{n} {i} ({p} each)", "{n} {i} costing {p} each", "{n} {i} à {p}", "{n} {i} @ {p}"),
)
"""Forms of several things with their number and the price of one."""


def _purchase(sample: Sampler, most: int) -> tuple[str, list[str], str]:
    """Return several items with prices in words, their terms of a sum, and what follows from the words."""
    parts, terms, why = [], [], []
    single = sample.chance(0.5)
    for item in sample.rng.sample(
        list(names.ITEMS if single else names.PLURALS), sample.rng.randint(2, most)
    ):
        price = sample.price(sample.rng.choice((10, 60)))
        count = sample.rng.choice((1, 1, 2, 3, 4, 6)) if single else sample.rng.randint(2, 24)
        if count == 1:
            parts.append(
                sample.rng.choice(("{i} at {p}", "{i} for {p}", "{i} {p}", "{p} for {i}")).format(
                    i=item, p=price
                )
            )
            terms.append(price)
            why.append(f"{item} {price}")
        else:
            number = number_words(count) if sample.chance(0.4) else str(count)
            form = sample.rng.choice((*_PRICED, "{n}x {i} at {p}") if number.isdigit() else _PRICED)
            parts.append(form.format(n=number, i=item, p=price))
            terms.append(f"{count} * {price}")
            why.append(f"{item} {count} * {price}")
    return (
        sample.rng.choice((", ".join(parts), ", ".join(parts[:-1]) + f" and {parts[-1]}")),
        terms,
        ", ".join(why),
    )


@intent("calculate", topic="arithmetic", weight=4)
def purchase(sample: Sampler, world: World) -> Script:
    said, terms, why = _purchase(sample, 4)
    return calculate(sample.question("purchase", items=said), " + ".join(terms), "The total is {r}.", why)


@intent("calculate", topic="arithmetic", weight=1.6)
def change_from(sample: Sampler, world: World) -> Script:
    """What is left of an amount after a purchase."""
    said, terms, why = _purchase(sample, 3)
    cash = sample.rng.choice(("50", "100", "200", "500", sample.integer(100, 900)))
    return calculate(
        sample.question("change_from", items=said, cash=cash),
        f"{cash} - ({' + '.join(terms)})",
        "There is {r} left.",
        f"{why}, paid from {cash}",
    )


@intent("calculate", topic="arithmetic", weight=5)
def remainder(sample: Sampler, world: World) -> Script:
    b = sample.rng.randint(2, 40)
    said = a = sample.integer(b + 1, 2000)
    if sample.chance(0.2):
        a = str(sample.rng.randint(1000, 9000))
        said = with_separators(int(a))
    return calculate(
        sample.question("remainder", a=said, b=b),
        f"{a} % {b}",
        "The remainder is {r}.",
        join_reasons("" if said == a else f"{said} is {a}", "what is left over is %"),
    )


@intent("calculate", topic="arithmetic", weight=1.4)
def whole_parts(sample: Sampler, world: World) -> Script:
    """How many full boxes a number of things fills."""
    b = sample.rng.randint(2, 40)
    a = sample.integer(b + 1, 2000)
    return calculate(
        sample.question("whole_parts", a=a, b=b),
        f"floor({a} / {b})",
        "That is {r} full ones.",
        "only full ones count",
    )


@intent("calculate", topic="arithmetic", weight=4.5)
def average(sample: Sampler, world: World) -> Script:
    values = [sample.number(2, 900) for _ in range(sample.rng.randint(2, 6))]
    listed, why = values, ""
    if sample.chance(0.2):
        values = [sample.integer(2, 99) for _ in values]
        listed = [number_words(int(value)) for value in values]
        why = ", ".join(f"{word} is {value}" for word, value in zip(listed, values, strict=True)) + ", "
    said = ", ".join(listed[:-1]) + sample.rng.choice((" and ", ", ", " and ")) + listed[-1]
    return calculate(
        sample.question("average", numbers=said),
        f"({' + '.join(values)}) / {len(values)}",
        "The average is {r}.",
        f"{why}{', '.join(values)} are {len(values)} numbers, the average is their sum / {len(values)}",
    )


@intent("calculate", topic="arithmetic", weight=1.8)
def sum_of_many(sample: Sampler, world: World) -> Script:
    values = [sample.number(2, 999) for _ in range(sample.rng.randint(3, 7))]
    joined = sample.rng.choice((", ", " and ", " plus ", ", "))
    said = joined.join(values[:-1]) + sample.rng.choice((" and ", " and then ", joined)) + values[-1]
    return calculate(sample.question("sum_of_many", numbers=said), " + ".join(values), "The sum is {r}.")


@intent("calculate", topic="arithmetic", weight=2)
def chained(sample: Sampler, world: World) -> Script:
    """Several operators in words, each applied to what came before."""
    a, b, c = sample.integer(2, 200), sample.integer(2, 60), sample.integer(2, 12)
    section, expression = sample.rng.choice(
        (
            ("times_plus", f"{a} * {b} + {c}"),
            ("times_minus", f"{a} * {b} - {c}"),
            ("sum_times", f"({a} + {b}) * {c}"),
            ("difference_by", f"({a} - {b}) / {c}"),
            ("sum_by", f"({a} + {b}) / {c}"),
        )
    )
    return calculate(sample.question(section, a=a, b=b, c=c), expression)


@intent("calculate", topic="arithmetic", weight=5)
def percent_share(sample: Sampler, world: World) -> Script:
    """What percentage one number is of another."""
    b = sample.integer(10, 900)
    a = str(sample.rng.randint(1, int(b)))
    return calculate(
        sample.question("percent_share", a=a, b=b),
        f"{a} / {b} * 100",
        "That is {r} percent.",
        f"a percentage is the share {a} / {b} times 100",
    )


@intent("calculate", topic="arithmetic", weight=1)
def percent_change(sample: Sampler, world: World) -> Script:
    a, b = sample.integer(10, 900), sample.integer(10, 900)
    return calculate(
        sample.question("percent_change", a=a, b=b),
        f"({b} - {a}) / {a} * 100",
        "That is a change of {r} percent.",
        f"from {a} to {b}, relative to {a}",
    )


@intent("calculate", topic="arithmetic", weight=0.9)
def before_tax(sample: Sampler, world: World) -> Script:
    """The amount before a percentage was added."""
    n, p = sample.number(20, 900), sample.rng.choice(("7", "8", "10", "19", "20", "21", "25"))
    return calculate(
        sample.question("before_tax", n=n, p=p),
        f"{n} / (1 + {p}%)",
        "Before that it was {r}.",
        f"{n} holds {p}% more than the price",
    )


@intent("calculate", topic="arithmetic", weight=1.4)
def proportion(sample: Sampler, world: World) -> Script:
    """If 3 cost 12, what 7 cost."""
    a, c = sample.rng.randint(2, 12), sample.rng.randint(2, 40)
    b = sample.price(100)
    return calculate(
        sample.question("proportion", a=a, b=b, c=c, item=sample.pick(names.ITEMS)),
        f"{b} / {a} * {c}",
        "That comes to {r}.",
        f"one costs {b} / {a}",
    )


@intent("calculate", topic="arithmetic", weight=0.6)
def squared(sample: Sampler, world: World) -> Script:
    a = sample.number(2, 200)
    if sample.chance(0.6):
        return calculate(sample.question("squared", a=a), f"{a} ^ 2", "That is {r}.", "squared is ^ 2")
    return calculate(sample.question("cubed", a=a), f"{a} ^ 3", "That is {r}.", "cubed is ^ 3")
