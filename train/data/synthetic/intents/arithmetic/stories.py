"""Intents over `calculate` with three numbers in a story, with factors in words, and with years and hours."""

from __future__ import annotations

from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.intents.arithmetic.operations import amount
from train.data.synthetic.memory import Again, binary
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Script, intent
from train.data.synthetic.wording.spelling import number_words, with_separators
from train.data.synthetic.worlds.world import World

_FACTORS = (
    *(("double", "2"), ("twice", "2"), ("two times", "2"), ("triple", "3"), ("treble", "3")),
    *(
        ("three times", "3"),
        ("four times", "4"),
        ("quadruple", "4"),
        ("five times", "5"),
        ("ten times", "10"),
    ),
)
"""Words before a number that multiply it."""


def as_said(sample: Sampler, number: int) -> tuple[str, str]:
    """Return a whole number as people write it, and that it is equal to its digits where it is not those."""
    if number < 100 and sample.chance(0.35):
        said = number_words(number).replace("-", sample.rng.choice("- "))
    elif number > 999 and sample.chance(0.5):
        said = with_separators(number)
    else:
        return str(number), ""
    return said, f"{said} is {number}"


def _story(
    sample: Sampler, section: str, expression: str, say: str, why: str, **numbers: int | str
) -> Script:
    """Ask for `expression` in a story of a section; whole numbers of it may stand there in words."""
    slots, reasons = {}, []
    for name, number in numbers.items():
        said, equal = as_said(sample, number) if isinstance(number, int) else (number, "")
        slots[name] = said
        reasons.append(equal)
    question = sample.question(section, **slots)
    because = join_reasons(*reasons, why.format(**numbers))
    return calculate(question, expression.format(**numbers), say, because)


@intent("calculate", topic="arithmetic", weight=5)
def in_and_out(sample: Sampler, world: World) -> Script:
    """A stock to which something is added, and of which something is taken."""
    top = sample.rng.choice((60, 400, 3000))
    a, b = sample.rng.randint(20, top), sample.rng.randint(2, top)
    c = sample.rng.randint(2, a - 1)
    kind = sample.rng.randrange(3)
    if kind == 0:
        why = "{b} come in, {c} go out"
        return _story(sample, "in_and_out", "{a} + {b} - {c}", "That leaves {r}.", why, a=a, b=b, c=c)
    if kind == 1:
        a += b
        why = "both {b} and {c} go out"
        return _story(sample, "out_twice", "{a} - {b} - {c}", "That leaves {r}.", why, a=a, b=b, c=c)
    why = "{c} go out, {b} come in"
    return _story(sample, "out_and_in", "{a} - {c} + {b}", "That makes {r}.", why, a=a, c=c, b=b)


@intent("calculate", topic="arithmetic", weight=5)
def many_and_fee(sample: Sampler, world: World) -> Script:
    """Several things at a price, with something on top or off at the end."""
    count, price = sample.rng.randint(2, 30), sample.price(60)
    if sample.chance(0.6):
        extra = sample.price(40) if sample.chance(0.5) else str(sample.rng.randint(2, 25))
        why, expression = "{n} times {p}, and {c} on top", "{n} * {p} + {c}"
        section = "many_and_fee"
    else:
        extra = str(sample.rng.randint(1, max(2, int(count * float(price)) - 1)))
        why, expression = "{n} times {p}, and {c} less", "{n} * {p} - {c}"
        section = "many_less_voucher"
    return _story(sample, section, expression, "That comes to {r}.", why, n=count, p=price, c=extra)


@intent("calculate", topic="arithmetic", weight=4)
def rest_shared(sample: Sampler, world: World) -> Script:
    """What several people share after something was taken off, or put on."""
    c = sample.rng.randint(2, 12)
    b = sample.rng.randint(5, 300)
    if sample.chance(0.6):
        a = b + c * sample.rng.randint(2, 150)
        why = "first {a} - {b}, then shared by {c}"
        return _story(sample, "rest_shared", "({a} - {b}) / {c}", "For each it is {r}.", why, a=a, b=b, c=c)
    a = sample.rng.randint(10, 900)
    why = "first {a} + {b}, then shared by {c}"
    return _story(sample, "sum_shared", "({a} + {b}) / {c}", "For each it is {r}.", why, a=a, b=b, c=c)


@intent("calculate", topic="arithmetic", weight=2.5)
def three_factors(sample: Sampler, world: World) -> Script:
    """Packs within packs, or so many hours a day over several days."""
    a, b, c = (sample.rng.randint(2, most) for most in (24, 12, 30))
    why = "{a} times {b} times {c}"
    return _story(sample, "three_factors", "{a} * {b} * {c}", "That makes {r}.", why, a=a, b=b, c=c)


@intent("calculate", topic="arithmetic", weight=2.5)
def factor_of(sample: Sampler, world: World) -> Script:
    """Twice, double, or ten times a number."""
    words, factor = sample.rng.choice(_FACTORS)
    said, number, why = amount(sample, 2, 9000)
    question = sample.question("factor_of", f=words, n=said)
    because = join_reasons(why, f"{words} is * {factor}")
    return calculate(question, f"{number} * {factor}", "That is {r}.", because, binary(number, "*", factor))


@intent("calculate", topic="arithmetic", weight=4)
def rest_of_percent(sample: Sampler, world: World) -> Script:
    """What stays of a number when a percentage of it goes."""
    p = sample.rng.choice((5, 10, 12, 15, 20, 25, 30, 40, sample.rng.randint(2, 95)))
    words = number_words(p) if sample.chance(0.3) else str(p)
    n = str(sample.rng.randint(20, sample.rng.choice((100, 1000, 9000))))
    said, why = as_said(sample, int(n))
    question = sample.question("rest_of_percent", p=words, n=said)
    because = join_reasons(why, "" if words == str(p) else f"{words} percent is {p}%", f"{p}% of {n} go")
    again = Again("discount", {"p": str(p), "n": n})
    return calculate(question, f"{n} - {p}% * {n}", "That leaves {r}.", because, again)


@intent("calculate", topic="arithmetic", weight=2)
def percent_left(sample: Sampler, world: World) -> Script:
    """What percentage is still there when a part of a whole is gone."""
    b = int(sample.integer(10, 900))
    a = sample.rng.randint(1, b - 1)
    why = "{b} - {a} are left, their share of {b} times 100"
    say = "That is {r} percent."
    return _story(sample, "percent_left", "({b} - {a}) / {b} * 100", say, why, a=a, b=b)


@intent("calculate", topic="arithmetic", weight=2)
def years_between(sample: Sampler, world: World) -> Script:
    """An age or a distance in years, from two years."""
    first = sample.rng.randint(1850, 2015)
    second = first + sample.rng.randint(3, 120)
    question = sample.question("years_between", y=first, y2=second)
    because = f"from {first} to {second}"
    return calculate(question, f"{second} - {first}", "That is {r} years.", because)


@intent("calculate", topic="arithmetic", weight=3)
def minutes_between(sample: Sampler, world: World) -> Script:
    """The minutes from one time of the day to a later one."""
    start = sample.rng.randrange(5 * 60, 20 * 60, 5)
    end = min(start + sample.rng.randrange(10, 420, 5), 23 * 60 + 55)
    (h, m), (h2, m2) = divmod(start, 60), divmod(end, 60)
    form = sample.rng.choice(("{h}:{m:02d}", "{h}:{m:02d}", "{h:02d}:{m:02d}"))
    t, t2 = form.format(h=h, m=m), form.format(h=h2, m=m2)
    question = sample.question("minutes_between", t=t, t2=t2)
    if "minute" not in question.lower():
        raise ValueError(question)
    because = f"in minutes {t} is {h} * 60 + {m} and {t2} is {h2} * 60 + {m2}"
    return calculate(question, f"({h2} * 60 + {m2}) - ({h} * 60 + {m})", "That is {r} minutes.", because)


@intent("calculate", topic="arithmetic", weight=3)
def tip_shared(sample: Sampler, world: World) -> Script:
    """A bill with a percentage on top, shared by several people."""
    p, b, n = sample.rng.choice((5, 8, 10, 12, 15, 18, 20)), sample.rng.randint(2, 12), sample.number(20, 600)
    why = "first {n} with {p}% on top, then shared by {b}"
    say = "For each it is {r}."
    return _story(sample, "tip_shared", "({n} + {p}% * {n}) / {b}", say, why, n=n, p=str(p), b=b)


@intent("calculate", topic="arithmetic", weight=3)
def many_with_percent(sample: Sampler, world: World) -> Script:
    """Several things at a price, with a percentage off or on top."""
    p = str(sample.rng.choice((5, 10, 15, 20, 25, 30, 19, 7)))
    n, price = sample.rng.randint(2, 30), sample.price(60)
    off = sample.chance(0.6)
    section, sign = ("many_discounted", "-") if off else ("many_taxed", "+")
    why = "one is {c} " + f"{sign} " + "{p}% of {c}, and {n} times that"
    expression = "{n} * ({c} " + sign + " {p}% * {c})"
    return _story(sample, section, expression, "That comes to {r}.", why, n=n, c=price, p=p)


@intent("calculate", topic="arithmetic", weight=2)
def rounded(sample: Sampler, world: World) -> Script:
    """A quotient or a number rounded to so many decimals."""
    places = sample.rng.randint(1, 3)
    said = number_words(places) if sample.chance(0.6) else str(places)
    why = "" if said == str(places) else f"{said} is {places}"
    if sample.chance(0.6):
        a, b = sample.integer(2, 900), sample.integer(3, 90)
        question, number = sample.question("quotient_rounded", a=a, b=b, k=said), f"{a} / {b}"
    else:
        number = f"{sample.rng.uniform(1, 900):.{sample.rng.randint(4, 6)}f}"
        question = sample.question("number_rounded", n=number, k=said)
    because = join_reasons(why, f"rounded to {places} decimals")
    return calculate(question, f"round({number}, {places})", "That is {r}.", because)


@intent("calculate", topic="arithmetic", weight=1.5)
def largest_of(sample: Sampler, world: World) -> Script:
    """The largest or smallest of several numbers."""
    values = list(dict.fromkeys(sample.number(2, 9999) for _ in range(sample.rng.randint(3, 6))))
    most = sample.chance(0.6)
    said = ", ".join(values[:-1]) + sample.rng.choice((" and ", ", ", " or ")) + values[-1]
    question = sample.question("largest_of" if most else "smallest_of", numbers=said)
    function, say = ("max", "The largest is {r}.") if most else ("min", "The smallest is {r}.")
    return calculate(question, f"{function}({', '.join(values)})", say, f"{say[4:-8]} is {function}")
