"""Follow-ups to sums and conversions: another value, a further operation on the result, a correction."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.actions import change_units, work_out
from train.data.synthetic.memory import Again, Memory, binary
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, follow_up
from train.data.synthetic.values import other_units
from train.data.synthetic.wording.spelling import number_words, with_separators
from train.data.synthetic.worlds.world import World

_PERCENT = {
    "percent_of": ("{p}% * {n}", "That is {r}."),
    "discount": ("{n} - {p}% * {n}", "The price is {r}."),
    "raise_by": ("{n} + {p}% * {n}", "That makes {r}."),
}
_PERCENT_KINDS = tuple(_PERCENT)


def _percent(memory: Memory, p: str, n: str, why: str) -> Script:
    assert memory.again
    kind = memory.again.kind
    expression, say = _PERCENT[kind]
    return work_out(expression.format(p=p, n=n), say, why, Again(kind, {"p": p, "n": n}))


@follow_up("calculate", when=lambda m: m.is_again(*_PERCENT_KINDS), weight=10)
def other_percent(sample: Sampler, world: World, memory: Memory) -> Script:
    p, n = sample.percent(), memory.slot("n")
    yield Question(sample.question("other_percent", p=p))
    return (yield from _percent(memory, p, n, f"the same with {p}% and still {n}"))


@follow_up("calculate", when=lambda m: m.is_again(*_PERCENT_KINDS), weight=4)
def other_base(sample: Sampler, world: World, memory: Memory) -> Script:
    p, n = memory.slot("p"), sample.number(20, 900)
    yield Question(sample.question("other_base", n=n))
    return (yield from _percent(memory, p, n, f"the same with {n} and still {p}%"))


@follow_up("calculate", when=lambda m: m.is_again(*_PERCENT_KINDS), weight=9)
def other_percent_and_base(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same with both numbers new, sometimes as people say or group them."""
    p, n = sample.percent(), sample.integer(20, 9000)
    said, shown, why = p, n, []
    if p.isdigit() and sample.chance(0.4):
        said = number_words(int(p))
        why.append(f"{said} percent is {p}%")
    if int(n) > 999 and sample.chance(0.6):
        shown = with_separators(int(n))
        why.append(f"{shown} is {n}")
    question = sample.question("other_percent_and_base", p=said, n=shown)
    yield Question(question if said == p else question.replace("%", " percent"))
    because = ", ".join([f"the same with {p}% and {n}", *why])
    return (yield from _percent(memory, p, n, because))


@follow_up("calculate", when=lambda m: m.is_again(*_PERCENT_KINDS), weight=4)
def corrected_percent(sample: Sampler, world: World, memory: Memory) -> Script:
    p, n = sample.percent(), memory.slot("n")
    yield Question(sample.question("corrected", v=f"{p}%"))
    return (yield from _percent(memory, p, n, f"{p}% instead, still of {n}"))


@follow_up("calculate", when=lambda m: m.is_again("binary"), weight=4)
def other_operand(sample: Sampler, world: World, memory: Memory) -> Script:
    a, sign, b = memory.slot("a"), memory.slot("op"), sample.integer(2, 90)
    yield Question(sample.question("other_operand", n=b))
    again = binary(a, sign, b)
    because = f"the same with {b} in place of {memory.slot('b')}"
    return (yield from work_out(f"{a} {sign} {b}", because=because, again=again, say="That is {r}."))


@follow_up("calculate", when=lambda m: m.is_again("binary"), weight=4)
def corrected_operand(sample: Sampler, world: World, memory: Memory) -> Script:
    a, sign, old, b = memory.slot("a"), memory.slot("op"), memory.slot("b"), sample.integer(2, 90)
    if b == old:
        raise ValueError(b)
    yield Question(sample.question("corrected_from", v=b, old=old))
    again = binary(a, sign, b)
    return (yield from work_out(f"{a} {sign} {b}", "That is {r}.", f"{b} instead of {old}", again))


def _is_plain(memory: Memory) -> bool:
    return bool(memory.number) and "e" not in memory.number and len(memory.number) < 13


_RESULT_OPERATIONS = (
    ("then_plus", "{r} + {n}", "plus {n}"),
    ("then_minus", "{r} - {n}", "minus {n}"),
    ("then_times", "{r} * {n}", "times {n}"),
    ("then_divided", "{r} / {n}", "by {n}"),
    ("then_from", "{n} - {r}", "from {n}"),
)


@follow_up("calculate", when=_is_plain, weight=8)
def operation_on_result(sample: Sampler, world: World, memory: Memory) -> Script:
    kind, expression, _ = sample.rng.choice(_RESULT_OPERATIONS)
    number = (
        sample.rng.randint(2, 12) if kind in ("then_times", "then_divided") else int(sample.integer(2, 900))
    )
    said, why = str(number), ""
    if number < 100 and sample.chance(0.25):
        said = number_words(number)
        why = f", {said} is {number}"
    yield Question(sample.question(kind, n=said))
    formed = expression.format(r=memory.number, n=number)
    because = f"the last result is {memory.number}{why}"
    return (yield from work_out(formed, because=because, say="That is {r}."))


_FIXED_OPERATIONS = (
    ("then_double", "{r} * 2", "double is * 2"),
    ("then_half", "{r} / 2", "half is / 2"),
    ("then_triple", "{r} * 3", "three times is * 3"),
    ("then_square", "{r} ^ 2", "squared is ^ 2"),
    ("then_round", "round({r})", "to a whole number is round"),
    ("then_root", "sqrt({r})", "its square root is sqrt"),
    ("then_root", "sqrt({r})", "its square root is sqrt"),
    ("then_third", "{r} / 3", "a third is / 3"),
    ("then_quarter", "{r} / 4", "a quarter is / 4"),
)


@follow_up("calculate", when=_is_plain, weight=5)
def fixed_operation_on_result(sample: Sampler, world: World, memory: Memory) -> Script:
    kind, expression, why = sample.rng.choice(_FIXED_OPERATIONS)
    if kind == "then_root" and memory.number.startswith("-"):
        raise ValueError(memory.number)
    yield Question(sample.question(kind))
    because = f"the last result is {memory.number}, {why}"
    number = f"({memory.number})" if memory.number.startswith("-") else memory.number
    return (yield from work_out(expression.format(r=number), "That is {r}.", because))


@follow_up("calculate", when=_is_plain, weight=5)
def percent_on_result(sample: Sampler, world: World, memory: Memory) -> Script:
    p, n = sample.percent(), memory.number
    said, why = p, ""
    if p.isdigit() and sample.chance(0.3):
        said = number_words(int(p))
        why = f", {said} percent is {p}%"
    kind, expression = sample.rng.choice(
        (
            ("then_percent_of", f"{p}% * {n}"),
            ("then_percent_of", f"{p}% * {n}"),
            ("then_percent_off", f"{n} - {p}% * {n}"),
            ("then_percent_on", f"{n} + {p}% * {n}"),
        )
    )
    question = sample.question(kind, p=said)
    if said != p:
        question = question.replace("%", " percent")
    yield Question(question)
    return (yield from work_out(expression, "That is {r}.", f"the last result is {n}{why}"))


@follow_up("convert_units", when=lambda m: m.is_again("convert"), weight=14)
def other_value(sample: Sampler, world: World, memory: Memory) -> Script:
    v = sample.number(2, 900)
    u1, u2 = memory.slot("u1"), memory.slot("u2")
    yield Question(sample.question("other_value", v=v))
    return (yield from change_units(v, u1, u2, f"the same with {v}"))


def _same_dimension(unit: str) -> tuple[str, ...]:
    return next((pool for pool in names.UNITS.values() if unit in pool), ())


@follow_up("convert_units", when=lambda m: m.is_again("convert") and _same_dimension(m.slot("u1")), weight=12)
def other_unit(sample: Sampler, world: World, memory: Memory) -> Script:
    """The same quantity in a third unit."""
    v, u1 = memory.slot("v"), memory.slot("u1")
    unit = sample.rng.choice(other_units(_same_dimension(u1), u1, memory.slot("u2")))
    yield Question(sample.question("other_unit", u=unit))
    return (yield from change_units(v, u1, unit, f"the same {v} {u1}"))


@follow_up("convert_units", when=lambda m: m.is_again("convert") and _same_dimension(m.slot("u1")), weight=5)
def corrected_unit(sample: Sampler, world: World, memory: Memory) -> Script:
    v, u1 = memory.slot("v"), memory.slot("u1")
    unit = sample.rng.choice(other_units(_same_dimension(u1), u1, memory.slot("u2")))
    old = memory.slot("u2")
    if sample.chance(0.5):
        yield Question(sample.question("corrected_unit", u=unit, old=old))
    else:
        yield Question(sample.question("corrected", v=unit))
    return (yield from change_units(v, u1, unit, f"{unit} instead of {old}"))


@follow_up("convert_units", when=lambda m: m.is_again("convert"), weight=2)
def other_way_round(sample: Sampler, world: World, memory: Memory) -> Script:
    v, u1, u2 = memory.slot("v"), memory.slot("u1"), memory.slot("u2")
    yield Question(sample.question("other_way_round"))
    return (yield from change_units(v, u2, u1, "the other way round"))


@follow_up(
    "convert_units",
    when=lambda m: (
        m.unit in ("days", "weeks") and m.number.replace(".", "", 1).isdigit() and len(m.number) < 8
    ),
    weight=4,
)
def span_in_unit(sample: Sampler, world: World, memory: Memory) -> Script:
    """A number of days or weeks that resulted, in another unit."""
    unit = sample.rng.choice([u for u in ("weeks", "hours", "years", "days", "minutes") if u != memory.unit])
    yield Question(sample.question("other_unit", u=unit))
    because = f"the last result is {memory.number} {memory.unit}"
    return (yield from change_units(memory.number, memory.unit, unit, because))
