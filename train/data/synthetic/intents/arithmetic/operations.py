"""Intents over `calculate`, with numbers in digits."""

from __future__ import annotations

from train.data.synthetic.actions import calculate, join_reasons
from train.data.synthetic.memory import Again, Memory, binary
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, give_up, intent, step
from train.data.synthetic.wording.spelling import number_words, with_separators
from train.data.synthetic.worlds.world import World


def amount(sample: Sampler, low: int, high: int) -> tuple[str, str, str]:
    """Return a number, sometimes with a comma between thousands; in digits; and that they are equal."""
    if high > 1000 and sample.chance(0.25):
        number = sample.rng.randint(1000, high)
        return with_separators(number), str(number), f"{with_separators(number)} is {number}"
    digits = sample.number(low, high)
    return digits, digits, ""


@intent("calculate", topic="arithmetic", weight=6)
def percent_of(sample: Sampler, world: World) -> Script:
    p, (said, n, why) = sample.percent(), amount(sample, 20, 9000)
    question = sample.question("percent_of", p=p, n=said)
    say = "That is {r}." if why else "{e} = {r}"
    return calculate(question, f"{p}% * {n}", say, why, Again("percent_of", {"p": p, "n": n}))


@intent("calculate", topic="arithmetic", weight=4.5)
def tip(sample: Sampler, world: World) -> Script:
    """The tip alone; the bill is an amount of money, often with cents."""
    p, n = sample.percent(), sample.price(400) if sample.chance(0.5) else sample.number(10, 400)
    return calculate(
        sample.question("tip", p=p, n=n),
        f"{p}% * {n}",
        "The tip is {r}.",
        f"the tip is {p}% of {n}",
        Again("percent_of", {"p": p, "n": n}),
    )


@intent("calculate", topic="arithmetic", weight=2)
def discount(sample: Sampler, world: World) -> Script:
    p, (said, n, why) = sample.percent(), amount(sample, 10, 2000)
    return calculate(
        sample.question("discount", p=p, n=said),
        f"{n} - {p}% * {n}",
        "The price is {r}.",
        join_reasons(why, f"{p}% off {n}"),
        Again("discount", {"p": p, "n": n}),
    )


@intent("calculate", topic="arithmetic", weight=3)
def raise_by(sample: Sampler, world: World) -> Script:
    p, (said, n, why) = sample.percent(), amount(sample, 10, 9000)
    return calculate(
        sample.question("raise_by", p=p, n=said),
        f"{n} + {p}% * {n}",
        "That makes {r}.",
        join_reasons(why, f"{p}% on top of {n}"),
        Again("raise_by", {"p": p, "n": n}),
    )


@intent("calculate", topic="arithmetic", weight=1.6)
def add(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 9999), sample.number(2, 9999)
    return calculate(sample.question("add", a=a, b=b), f"{a} + {b}", again=binary(a, "+", b))


@intent("calculate", topic="arithmetic", weight=2.4)
def subtract(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 9999), sample.number(2, 9999)
    return calculate(sample.question("subtract", a=a, b=b), f"{a} - {b}", again=binary(a, "-", b))


@intent("calculate", topic="arithmetic", weight=3)
def multiply(sample: Sampler, world: World) -> Script:
    a, b = sample.number(2, 999), sample.number(2, 999)
    return calculate(sample.question("multiply", a=a, b=b), f"{a} * {b}", again=binary(a, "*", b))


@intent("calculate", topic="arithmetic", weight=3)
def divide(sample: Sampler, world: World) -> Script:
    b = "0" if sample.chance(0.06) else sample.integer(2, 40)
    a = sample.number(2, 9999)
    if sample.chance(0.5) and b != "0":
        a = str(int(b) * int(sample.integer(2, 400)))
    return calculate(sample.question("divide", a=a, b=b), f"{a} / {b}", again=binary(a, "/", b))


@intent("calculate", topic="arithmetic", weight=1)
def add_three(sample: Sampler, world: World) -> Script:
    a, b, c = sample.number(2, 999), sample.number(2, 999), sample.number(2, 999)
    return calculate(sample.question("add_three", a=a, b=b, c=c), f"{a} + {b} + {c}", "The sum is {r}.")


@intent("calculate", topic="arithmetic", weight=2)
def expression(sample: Sampler, world: World) -> Script:
    e = sample.expression()
    return calculate(sample.question("expression", e=e), e)


@intent("calculate", topic="arithmetic", weight=0.6)
def square_root(sample: Sampler, world: World) -> Script:
    n = sample.integer(2, 9999)
    if sample.chance(0.5):
        n = str(int(sample.integer(2, 99)) ** 2)
    return calculate(
        sample.question("square_root", n=n), f"sqrt({n})", "The square root of " + n + " is {r}."
    )


@intent("calculate", topic="arithmetic", weight=0.6)
def power(sample: Sampler, world: World) -> Script:
    a, b = sample.integer(2, 30), str(sample.rng.randint(2, 9))
    return calculate(sample.question("power", a=a, b=b), f"{a} ^ {b}")


@intent("calculate", topic="arithmetic", weight=13)
def share(sample: Sampler, world: World) -> Script:
    """An amount that several people share; their number is in words sometimes."""
    b = sample.integer(2, 12)
    said, n, why = amount(sample, 10, 5000)
    if sample.chance(0.5):
        said = n = str(int(b) * int(sample.integer(2, 400)))
        why = ""
    people = number_words(int(b)) if sample.chance(0.35) else b
    because = join_reasons(why, "" if people == b else f"{people} is {b}", f"{n} shared by {b}")
    question = sample.question("share", n=said, b=people)
    return calculate(question, f"{n} / {b}", "Each gets {r}.", because, binary(n, "/", b))


@intent("calculate", topic="arithmetic", weight=5)
def rate(sample: Sampler, world: World) -> Script:
    a, b = sample.price(200) if sample.chance(0.4) else sample.number(2, 200), sample.integer(2, 60)
    count = number_words(int(b)) if sample.chance(0.3) else b
    because = join_reasons("" if count == b else f"{count} is {b}", f"{b} times {a}")
    question = sample.question("rate", a=a, b=count)
    return calculate(question, f"{b} * {a}", "That makes {r}.", because, binary(b, "*", a))


@intent("calculate", topic="arithmetic", weight=1.8)
def two_percents(sample: Sampler, world: World) -> Script:
    p, n, p2, n2 = sample.percent(), sample.number(20, 5000), sample.percent(), sample.number(20, 5000)
    first, second = f"{p}% * {n}", f"{p2}% * {n2}"
    yield Question(sample.question("two_percents", p=p, n=n, p2=p2, n2=n2))
    observations = yield Step(
        f"I will work out {first} and {second} at once with {{tool}}.",
        (ToolCall("calculate", {"expression": first}), ToolCall("calculate", {"expression": second})),
    )
    a, b = observations[0].content, observations[1].content
    return Outcome(
        f"{first} = {a} and {second} = {b}", (a, b), thought=f"The results are {a} and {b}.", memory=Memory()
    )


@intent("calculate", "add_note", topic="arithmetic", weight=0.6)
def calc_then_note(sample: Sampler, world: World) -> Script:
    e = sample.expression()
    yield Question(sample.question("calc_then_note", e=e))
    observations = yield step(
        f"I will work out {e} with {{tool}}, then save it as a note.", "calculate", expression=e
    )
    if observations[0].error:
        return give_up(f"It cannot be worked out: {observations[0].content}.")
    result = observations[0].content
    text = f"{e} = {result}"
    yield step(f"The result is {result}: I will save {text} with {{tool}}.", "add_note", text=text)
    return Outcome(
        f"{text}. I saved it as a note.",
        (result,),
        thought=f"The result is {result}, and the note is saved.",
        memory=Memory(Again("expression", {"e": e}), number=result),
    )


@intent("calculate", "write_file", topic="arithmetic", weight=0.5)
def calc_then_write(sample: Sampler, world: World) -> Script:
    e, path = sample.expression(), sample.file_name()
    yield Question(sample.question("calc_then_write", e=e, path=path))
    observations = yield step(
        f"I will work out {e} with {{tool}}, then write it to {path}.", "calculate", expression=e
    )
    if observations[0].error:
        return give_up(f"It cannot be worked out: {observations[0].content}.")
    result = observations[0].content
    wrote = yield step(
        f"The result is {result}: I will write {result} to {path} with {{tool}}.",
        "write_file",
        path=path,
        content=result,
    )
    if wrote[0].error:
        return give_up(f"{path} was not written: {wrote[0].content}.")
    return Outcome(
        f"{e} = {result}. I wrote it to {path}.",
        (result, path),
        thought=f"The result is {result}, and {path} is written.",
        memory=Memory(number=result, path=path),
    )
