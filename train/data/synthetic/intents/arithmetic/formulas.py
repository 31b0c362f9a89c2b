"""Intents over `calculate` that need a formula: remainders, averages, proportions, percentages."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.wording.spelling import number_words, with_separators
from train.data.synthetic.worlds.world import World


@intent("calculate", topic="arithmetic", weight=13)
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


@intent("calculate", topic="arithmetic", weight=9)
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


@intent("calculate", topic="arithmetic", weight=2.4)
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


@intent("calculate", topic="arithmetic", weight=13)
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
