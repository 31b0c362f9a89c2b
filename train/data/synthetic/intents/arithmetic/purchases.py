"""Intents over `calculate` that add up a purchase: several things with their number and price."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.actions import calculate
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World

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
