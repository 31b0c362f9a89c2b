"""Intents over `calculate` and `convert_units`."""

from __future__ import annotations

from train.data.phrasings import names
from train.data.synthetic.draw import Draw
from train.data.synthetic.plan import Ask, End, Script, Step, Use, failed, intent, step
from train.data.synthetic.world import World

WORK_OUT = "I will work this out with {tool}."
CONVERT = "I will convert it with {tool}."


def _solve(question: str, expression: str, say: str = "{e} = {r}") -> Script:
    yield Ask(question)
    seen = yield step(WORK_OUT, "calculate", expression=expression)
    if seen[0].error:
        return failed(seen[0], f"It cannot be worked out: {seen[0].content}.")
    result = seen[0].content
    return End(say.format(e=expression, r=result), (result,))


@intent("calculate", topic="arithmetic", weight=3)
def percent_of(d: Draw, world: World) -> Script:
    p, n = d.percent(), d.number(20, 9000)
    return _solve(d.question("percent_of", p=p, n=n), f"{p}% * {n}")


@intent("calculate", topic="arithmetic", weight=0.7)
def tip(d: Draw, world: World) -> Script:
    p, n = d.percent(), d.number(10, 400)
    return _solve(d.question("tip", p=p, n=n), f"{p}% * {n}", "The tip is {r}.")


@intent("calculate", topic="arithmetic", weight=0.7)
def discount(d: Draw, world: World) -> Script:
    p, n = d.percent(), d.number(10, 2000)
    return _solve(d.question("discount", p=p, n=n), f"{n} - {p}% * {n}", "The price is {r}.")


@intent("calculate", topic="arithmetic", weight=0.7)
def raise_by(d: Draw, world: World) -> Script:
    p, n = d.percent(), d.number(10, 5000)
    return _solve(d.question("raise_by", p=p, n=n), f"{n} + {p}% * {n}")


@intent("calculate", topic="arithmetic", weight=1)
def add(d: Draw, world: World) -> Script:
    a, b = d.number(2, 9999), d.number(2, 9999)
    return _solve(d.question("add", a=a, b=b), f"{a} + {b}")


@intent("calculate", topic="arithmetic", weight=1)
def subtract(d: Draw, world: World) -> Script:
    a, b = d.number(2, 9999), d.number(2, 9999)
    return _solve(d.question("subtract", a=a, b=b), f"{a} - {b}")


@intent("calculate", topic="arithmetic", weight=1.2)
def multiply(d: Draw, world: World) -> Script:
    a, b = d.number(2, 999), d.number(2, 999)
    return _solve(d.question("multiply", a=a, b=b), f"{a} * {b}")


@intent("calculate", topic="arithmetic", weight=1.2)
def divide(d: Draw, world: World) -> Script:
    b = "0" if d.chance(0.08) else d.integer(2, 40)
    a = d.number(2, 9999)
    if d.chance(0.5) and b != "0":
        a = str(int(b) * int(d.integer(2, 400)))
    return _solve(d.question("divide", a=a, b=b), f"{a} / {b}")


@intent("calculate", topic="arithmetic", weight=0.7)
def add_three(d: Draw, world: World) -> Script:
    a, b, c = d.number(2, 999), d.number(2, 999), d.number(2, 999)
    return _solve(d.question("add_three", a=a, b=b, c=c), f"{a} + {b} + {c}")


@intent("calculate", topic="arithmetic", weight=2.5)
def expression(d: Draw, world: World) -> Script:
    e = d.expression()
    return _solve(d.question("expression", e=e), e)


@intent("calculate", topic="arithmetic", weight=0.6)
def square_root(d: Draw, world: World) -> Script:
    n = d.integer(2, 9999)
    if d.chance(0.5):
        n = str(int(d.integer(2, 99)) ** 2)
    return _solve(d.question("square_root", n=n), f"sqrt({n})")


@intent("calculate", topic="arithmetic", weight=0.6)
def power(d: Draw, world: World) -> Script:
    a, b = d.integer(2, 30), str(d.rng.randint(2, 9))
    return _solve(d.question("power", a=a, b=b), f"{a} ^ {b}")


@intent("calculate", topic="arithmetic", weight=0.6)
def share(d: Draw, world: World) -> Script:
    b = d.integer(2, 12)
    n = d.number(10, 900) if d.chance(0.4) else str(int(b) * int(d.integer(2, 90)))
    return _solve(d.question("share", n=n, b=b), f"{n} / {b}", "Each gets {r}.")


@intent("calculate", topic="arithmetic", weight=0.8)
def rate(d: Draw, world: World) -> Script:
    a, b = d.number(2, 200), d.integer(2, 60)
    return _solve(d.question("rate", a=a, b=b), f"{a} * {b}")


def _convert(question: str, value: str, source: str, target: str) -> Script:
    yield Ask(question)
    seen = yield step(CONVERT, "convert_units", value=_json_number(value), from_unit=source, to_unit=target)
    if seen[0].error:
        return failed(seen[0], f"It cannot be converted: {seen[0].content}.")
    return End(f"{value} {source} is {seen[0].content}.", (seen[0].content.split(" ", 1)[0],))


def _json_number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


@intent("convert_units", topic="converting units", weight=4)
def convert(d: Draw, world: World) -> Script:
    source, target = d.units()
    if d.chance(0.06):  # two dimensions, or a unit nobody has: the tool says so
        target = d.rng.choice((d.units()[1], d.pseudo_word()))
    value = d.number(1, 3000)
    return _convert(d.question("convert", v=value, u1=source, u2=target), value, source, target)


@intent("convert_units", topic="converting units", weight=1)
def temperature(d: Draw, world: World) -> Script:
    source, target = d.rng.sample(list(names.UNITS["temperature"]), 2)
    value = d.number(1, 400)
    return _convert(d.question("temperature", v=value, u1=source, u2=target), value, source, target)


@intent("calculate", topic="arithmetic", weight=0.8)
def two_percents(d: Draw, world: World) -> Script:
    p, n, p2, n2 = d.percent(), d.number(20, 5000), d.percent(), d.number(20, 5000)
    first, second = f"{p}% * {n}", f"{p2}% * {n2}"
    yield Ask(d.question("two_percents", p=p, n=n, p2=p2, n2=n2))
    seen = yield Step(
        "Two sums at once with {tool}.",
        (Use("calculate", {"expression": first}), Use("calculate", {"expression": second})),
    )
    a, b = seen[0].content, seen[1].content
    return End(f"{first} = {a} and {second} = {b}", (a, b))


@intent("convert_units", topic="converting units", weight=0.8)
def two_conversions(d: Draw, world: World) -> Script:
    (u1, u2), (u3, u4) = d.units(), d.units()
    v, v2 = d.number(1, 900), d.number(1, 900)
    yield Ask(d.question("two_conversions", v=v, u1=u1, u2=u2, v2=v2, u3=u3, u4=u4))
    seen = yield Step(
        "Two conversions at once with {tool}.",
        (
            Use("convert_units", {"value": _json_number(v), "from_unit": u1, "to_unit": u2}),
            Use("convert_units", {"value": _json_number(v2), "from_unit": u3, "to_unit": u4}),
        ),
    )
    if seen[0].error or seen[1].error:
        broken = seen[0] if seen[0].error else seen[1]
        return failed(broken, f"It cannot be converted: {broken.content}.")
    a, b = seen[0].content, seen[1].content
    return End(f"{v} {u1} is {a} and {v2} {u3} is {b}.", (a.split(" ", 1)[0], b.split(" ", 1)[0]))


@intent("calculate", "convert_units", topic="arithmetic", weight=0.6)
def calc_and_convert(d: Draw, world: World) -> Script:
    e, v, (u1, u2) = d.expression(), d.number(1, 900), d.units()
    yield Ask(d.question("calc_and_convert", e=e, v=v, u1=u1, u2=u2))
    seen = yield Step(
        "A sum with {tool} and a conversion at once.",
        (
            Use("calculate", {"expression": e}),
            Use("convert_units", {"value": _json_number(v), "from_unit": u1, "to_unit": u2}),
        ),
    )
    if seen[0].error or seen[1].error:
        broken = seen[0] if seen[0].error else seen[1]
        return failed(broken, f"It cannot be done: {broken.content}.")
    a, b = seen[0].content, seen[1].content
    return End(f"{e} = {a} and {v} {u1} is {b}.", (a, b.split(" ", 1)[0]))


@intent("convert_units", "add_note", topic="converting units", weight=0.6)
def convert_then_note(d: Draw, world: World) -> Script:
    v, (u1, u2) = d.number(1, 900), d.units()
    yield Ask(d.question("convert_then_note", v=v, u1=u1, u2=u2))
    seen = yield step(CONVERT, "convert_units", value=_json_number(v), from_unit=u1, to_unit=u2)
    if seen[0].error:
        return failed(seen[0], f"It cannot be converted: {seen[0].content}.")
    result = seen[0].content
    yield step("Now I will save the result with {tool}.", "add_note", text=f"{v} {u1} is {result}")
    return End(f"{v} {u1} is {result}. I saved it as a note.", (result.split(" ", 1)[0],))


@intent("calculate", "add_note", topic="arithmetic", weight=0.6)
def calc_then_note(d: Draw, world: World) -> Script:
    e = d.expression()
    yield Ask(d.question("calc_then_note", e=e))
    seen = yield step(WORK_OUT, "calculate", expression=e)
    if seen[0].error:
        return failed(seen[0], f"It cannot be worked out: {seen[0].content}.")
    result = seen[0].content
    yield step("Now I will save the result with {tool}.", "add_note", text=f"{e} = {result}")
    return End(f"{e} = {result}. I saved it as a note.", (result,))


@intent("calculate", "write_file", topic="arithmetic", weight=0.5)
def calc_then_write(d: Draw, world: World) -> Script:
    e, path = d.expression(), d.file_name()
    yield Ask(d.question("calc_then_write", e=e, path=path))
    seen = yield step(WORK_OUT, "calculate", expression=e)
    if seen[0].error:
        return failed(seen[0], f"It cannot be worked out: {seen[0].content}.")
    result = seen[0].content
    wrote = yield step("Now I will save it with {tool}.", "write_file", path=path, content=f"{e} = {result}")
    if wrote[0].error:
        return failed(wrote[0], f"{path} was not written: {wrote[0].content}.")
    return End(f"{e} = {result}. I wrote it to {path}.", (result, path))
