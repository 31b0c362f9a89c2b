"""Intents over `calculate` and `convert_units`."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, intent, step
from train.data.synthetic.world import World

CALCULATE_THOUGHT = "I will work this out with {tool}."
CONVERT_THOUGHT = "I will convert it with {tool}."


def _calculate(question: str, expression: str, say: str = "{e} = {r}") -> Script:
    yield Question(question)
    observations = yield step(CALCULATE_THOUGHT, "calculate", expression=expression)
    if observations[0].error:
        return give_up(observations[0], f"It cannot be worked out: {observations[0].content}.")
    result = observations[0].content
    return Outcome(say.format(e=expression, r=result), (result,))


@intent("calculate", topic="arithmetic", weight=3)
def percent_of(sample: Sampler, world: World) -> Script:
    p, n = sample.percent(), sample.number(20, 9000)
    return _calculate(sample.question("percent_of", p=p, n=n), f"{p}% * {n}")


@intent("calculate", topic="arithmetic", weight=0.7)
def tip(sample: Sampler, world: World) -> Script:
    p, n = sample.percent(), sample.number(10, 400)
    return _calculate(sample.question("tip", p=p, n=n), f"{p}% * {n}", "The tip is {r}.")


@intent("calculate", topic="arithmetic", weight=0.7)
def discount(sample: Sampler, world: World) -> Script:
    p, n = sample.percent(), sample.number(10, 2000)
    return _calculate(sample.question("discount", p=p, n=n), f"{n} - {p}% * {n}", "The price is {r}.")


@intent("calculate", topic="arithmetic", weight=0.7)
def raise_by(sample: Sampler, world: World) -> Script:
    p, n = sample.percent(), sample.number(10, 5000)
    return _calculate(sample.question("raise_by", p=p, n=n), f"{n} + {p}% * {n}")


@intent("calculate", topic="arithmetic", weight=1)
def add(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 9999), sample.number(2, 9999)
    return _calculate(sample.question("add", a=a, b=b), f"{a} + {b}")


@intent("calculate", topic="arithmetic", weight=1)
def subtract(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 9999), sample.number(2, 9999)
    return _calculate(sample.question("subtract", a=a, b=b), f"{a} - {b}")


@intent("calculate", topic="arithmetic", weight=1.2)
def multiply(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 999), sample.number(2, 999)
    return _calculate(sample.question("multiply", a=a, b=b), f"{a} * {b}")


@intent("calculate", topic="arithmetic", weight=1.2)
def divide(sample: Sampler, world: World) -> Script:
    b = "0" if sample.chance(0.08) else sample.integer(2, 40)
    a = sample.number(2, 9999)
    if sample.chance(0.5) and b != "0":
        a = str(int(b) * int(sample.integer(2, 400)))
    return _calculate(sample.question("divide", a=a, b=b), f"{a} / {b}")


@intent("calculate", topic="arithmetic", weight=0.7)
def add_three(sample: Sampler, world: World) -> Script:
    a, b, c = sample.number(2, 999), sample.number(2, 999), sample.number(2, 999)
    return _calculate(sample.question("add_three", a=a, b=b, c=c), f"{a} + {b} + {c}")


@intent("calculate", topic="arithmetic", weight=2.5)
def expression(sample: Sampler, world: World) -> Script:
    e = sample.expression()
    return _calculate(sample.question("expression", e=e), e)


@intent("calculate", topic="arithmetic", weight=0.6)
def square_root(sample: Sampler, world: World) -> Script:
    n = sample.integer(2, 9999)
    if sample.chance(0.5):
        n = str(int(sample.integer(2, 99)) ** 2)
    return _calculate(sample.question("square_root", n=n), f"sqrt({n})")


@intent("calculate", topic="arithmetic", weight=0.6)
def power(sample: Sampler, world: World) -> Script:
    a, b = sample.integer(2, 30), str(sample.rng.randint(2, 9))
    return _calculate(sample.question("power", a=a, b=b), f"{a} ^ {b}")


@intent("calculate", topic="arithmetic", weight=0.6)
def share(sample: Sampler, world: World) -> Script:
    b = sample.integer(2, 12)
    n = sample.number(10, 900) if sample.chance(0.4) else str(int(b) * int(sample.integer(2, 90)))
    return _calculate(sample.question("share", n=n, b=b), f"{n} / {b}", "Each gets {r}.")


@intent("calculate", topic="arithmetic", weight=0.8)
def rate(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 200), sample.integer(2, 60)
    return _calculate(sample.question("rate", a=a, b=b), f"{a} * {b}")


def _convert(question: str, value: str, source: str, target: str) -> Script:
    yield Question(question)
    observations = yield step(
        CONVERT_THOUGHT, "convert_units", value=_json_number(value), from_unit=source, to_unit=target
    )
    if observations[0].error:
        return give_up(observations[0], f"It cannot be converted: {observations[0].content}.")
    return Outcome(
        f"{value} {source} is {observations[0].content}.", (observations[0].content.split(" ", 1)[0],)
    )


def _json_number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


@intent("convert_units", topic="converting units", weight=4)
def convert(sample: Sampler, world: World) -> Script:
    source, target = sample.units()
    if sample.chance(0.06):  # two dimensions, or a unit nobody has: the tool says so
        target = sample.rng.choice((sample.units()[1], sample.pseudo_word()))
    value = sample.number(1, 3000)
    return _convert(sample.question("convert", v=value, u1=source, u2=target), value, source, target)


@intent("convert_units", topic="converting units", weight=1)
def temperature(sample: Sampler, world: World) -> Script:
    source, target = sample.rng.sample(list(names.UNITS["temperature"]), 2)
    value = sample.number(1, 400)
    return _convert(sample.question("temperature", v=value, u1=source, u2=target), value, source, target)


@intent("calculate", topic="arithmetic", weight=0.8)
def two_percents(sample: Sampler, world: World) -> Script:
    p, n, p2, n2 = sample.percent(), sample.number(20, 5000), sample.percent(), sample.number(20, 5000)
    first, second = f"{p}% * {n}", f"{p2}% * {n2}"
    yield Question(sample.question("two_percents", p=p, n=n, p2=p2, n2=n2))
    observations = yield Step(
        "Two sums at once with {tool}.",
        (ToolCall("calculate", {"expression": first}), ToolCall("calculate", {"expression": second})),
    )
    a, b = observations[0].content, observations[1].content
    return Outcome(f"{first} = {a} and {second} = {b}", (a, b))


@intent("convert_units", topic="converting units", weight=0.8)
def two_conversions(sample: Sampler, world: World) -> Script:
    (u1, u2), (u3, u4) = sample.units(), sample.units()
    v, v2 = sample.number(1, 900), sample.number(1, 900)
    yield Question(sample.question("two_conversions", v=v, u1=u1, u2=u2, v2=v2, u3=u3, u4=u4))
    observations = yield Step(
        "Two conversions at once with {tool}.",
        (
            ToolCall("convert_units", {"value": _json_number(v), "from_unit": u1, "to_unit": u2}),
            ToolCall("convert_units", {"value": _json_number(v2), "from_unit": u3, "to_unit": u4}),
        ),
    )
    if observations[0].error or observations[1].error:
        broken = observations[0] if observations[0].error else observations[1]
        return give_up(broken, f"It cannot be converted: {broken.content}.")
    a, b = observations[0].content, observations[1].content
    return Outcome(f"{v} {u1} is {a} and {v2} {u3} is {b}.", (a.split(" ", 1)[0], b.split(" ", 1)[0]))


@intent("calculate", "convert_units", topic="arithmetic", weight=0.6)
def calc_and_convert(sample: Sampler, world: World) -> Script:
    e, v, (u1, u2) = sample.expression(), sample.number(1, 900), sample.units()
    yield Question(sample.question("calc_and_convert", e=e, v=v, u1=u1, u2=u2))
    observations = yield Step(
        "A sum with {tool} and a conversion at once.",
        (
            ToolCall("calculate", {"expression": e}),
            ToolCall("convert_units", {"value": _json_number(v), "from_unit": u1, "to_unit": u2}),
        ),
    )
    if observations[0].error or observations[1].error:
        broken = observations[0] if observations[0].error else observations[1]
        return give_up(broken, f"It cannot be done: {broken.content}.")
    a, b = observations[0].content, observations[1].content
    return Outcome(f"{e} = {a} and {v} {u1} is {b}.", (a, b.split(" ", 1)[0]))


@intent("convert_units", "add_note", topic="converting units", weight=0.6)
def convert_then_note(sample: Sampler, world: World) -> Script:
    v, (u1, u2) = sample.number(1, 900), sample.units()
    yield Question(sample.question("convert_then_note", v=v, u1=u1, u2=u2))
    observations = yield step(
        CONVERT_THOUGHT, "convert_units", value=_json_number(v), from_unit=u1, to_unit=u2
    )
    if observations[0].error:
        return give_up(observations[0], f"It cannot be converted: {observations[0].content}.")
    result = observations[0].content
    yield step("Now I will save the result with {tool}.", "add_note", text=f"{v} {u1} is {result}")
    return Outcome(f"{v} {u1} is {result}. I saved it as a note.", (result.split(" ", 1)[0],))


@intent("calculate", "add_note", topic="arithmetic", weight=0.6)
def calc_then_note(sample: Sampler, world: World) -> Script:
    e = sample.expression()
    yield Question(sample.question("calc_then_note", e=e))
    observations = yield step(CALCULATE_THOUGHT, "calculate", expression=e)
    if observations[0].error:
        return give_up(observations[0], f"It cannot be worked out: {observations[0].content}.")
    result = observations[0].content
    yield step("Now I will save the result with {tool}.", "add_note", text=f"{e} = {result}")
    return Outcome(f"{e} = {result}. I saved it as a note.", (result,))


@intent("calculate", "write_file", topic="arithmetic", weight=0.5)
def calc_then_write(sample: Sampler, world: World) -> Script:
    e, path = sample.expression(), sample.file_name()
    yield Question(sample.question("calc_then_write", e=e, path=path))
    observations = yield step(CALCULATE_THOUGHT, "calculate", expression=e)
    if observations[0].error:
        return give_up(observations[0], f"It cannot be worked out: {observations[0].content}.")
    result = observations[0].content
    wrote = yield step("Now I will save it with {tool}.", "write_file", path=path, content=f"{e} = {result}")
    if wrote[0].error:
        return give_up(wrote[0], f"{path} was not written: {wrote[0].content}.")
    return Outcome(f"{e} = {result}. I wrote it to {path}.", (result, path))
