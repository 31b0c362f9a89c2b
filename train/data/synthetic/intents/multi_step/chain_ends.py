"""Second steps of chains: what is done with what the first one found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from train.data.synthetic.actions import change_units, days_from_to, join_reasons, shift, work_out
from train.data.synthetic.intents.files.composing import new_path
from train.data.synthetic.intents.multi_step.chain_parts import End, Found, Next, Started
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Script, give_up, step
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World


def _few(sample: Sampler, most: int = 12) -> tuple[str, str, str]:
    """Return a small number as a question says it, in digits, and that both are equal where in words."""
    count = sample.rng.randint(2, most)
    words = number_words(count)
    return (words, str(count), f"{words} is {count}") if sample.chance(0.3) else (str(count), str(count), "")


def _shared(sample: Sampler, world: World, start: Started) -> Next:
    said, count, why = _few(sample)

    def finish(found: Found) -> Script:
        because = join_reasons(found.lead, why, f"shared by {count}")
        return work_out(f"{found.value} / {count}", f"For each of {said} that is {{r}}.", because)

    return Next("next_shared", {"b": said}, f"divide by {count}", finish)


def _times(sample: Sampler, world: World, start: Started) -> Next:
    said, count, why = _few(sample)

    def finish(found: Found) -> Script:
        because = join_reasons(found.lead, why)
        return work_out(f"{found.value} * {count}", f"Times {said} that is {{r}}.", because)

    return Next("next_times", {"n": said}, f"multiply by {count}", finish)


_PERCENT = {
    "percent": ("{p}% * {v}", "work out {p}% of it", "{p}% of it is {{r}}."),
    "percent_off": ("{v} - {p}% * {v}", "take {p}% off", "With {p}% off it is {{r}}."),
    "percent_on": ("{v} + {p}% * {v}", "put {p}% on top", "With {p}% on top it is {{r}}."),
}


def _percent(kind: str) -> Callable[[Sampler, World, Started], Next]:
    expression, plan, say = _PERCENT[kind]

    def draw(sample: Sampler, world: World, start: Started) -> Next:
        p = sample.percent()

        def finish(found: Found) -> Script:
            formed = expression.format(p=p, v=found.value)
            return work_out(formed, say.format(p=p), found.lead)

        return Next(f"next_{kind}", {"p": p}, plan.format(p=p), finish)

    return draw


def _plus(sample: Sampler, world: World, start: Started) -> Next:
    n = sample.integer(2, 90)

    def finish(found: Found) -> Script:
        return work_out(f"{found.value} + {n}", f"With {n} more it is {{r}}.", found.lead)

    return Next("next_plus", {"n": n}, f"add {n}", finish)


def _minus(sample: Sampler, world: World, start: Started) -> Next:
    n = sample.integer(2, 30)

    def finish(found: Found) -> Script:
        if float(found.value) < float(n):
            raise ValueError(n)
        return work_out(f"{found.value} - {n}", f"Without {n} it is {{r}}.", found.lead)

    return Next("next_minus", {"n": n}, f"take {n} off", finish)


def _unit(sample: Sampler, world: World, start: Started) -> Next:
    unit = sample.rng.choice(start.units)

    def finish(found: Found) -> Script:
        return change_units(found.value, found.unit, unit, found.lead)

    return Next("next_unit", {"u2": unit}, f"convert it to {unit}", finish)


def _weeks(sample: Sampler, world: World, start: Started) -> Next:
    def finish(found: Found) -> Script:
        return change_units(found.value, "days", "weeks", found.lead)

    return Next("next_weeks", {}, "convert it to weeks", finish)


def _kept(found: Found, verb: str, text: str) -> str:
    """Return how a thought begins that saves what was found."""
    return f"{found.said} - I will {verb} it" if found.asked else f"{found.said}: I will {verb} {text}"


def _written(sample: Sampler, world: World, start: Started) -> Next:
    path = new_path(sample, world)
    if path in world.documents:
        raise ValueError(path)

    def finish(found: Found) -> Script:
        seen = yield step(
            f"{_kept(found, 'write', found.text)} to {path} with {{tool}}.",
            "write_file",
            path=path,
            content=found.text,
        )
        if seen[0].error:
            return give_up(f"{path} was not written: {seen[0].content}.")
        return Outcome(
            f"I wrote it to {path}.",
            (path,),
            thought=f"{path} is written.",
            memory=Memory(Again("write", {"path": path}), path=path, text=found.text),
        )

    return Next("next_written", {"path2": path}, f"write it to {path}", finish, saves=True)


def _noted(sample: Sampler, world: World, start: Started) -> Next:
    def finish(found: Found) -> Script:
        act = f"{_kept(found, 'save', found.note)} with {{tool}}."
        yield step(act, "add_note", text=found.note)
        return Outcome(
            "I saved it as a note.",
            thought="The note is saved.",
            memory=Memory(Again("note", {"text": found.note}), path=found.path),
        )

    return Next("next_noted", {}, "save it as a note", finish, saves=True)


def _until(sample: Sampler, world: World, start: Started) -> Next:
    def finish(found: Found) -> Script:
        return days_from_to("today", found.value, found.lead, relative=True)

    return Next("next_until", {}, "count the days from today", finish)


def _weekday(sample: Sampler, world: World, start: Started) -> Next:
    def finish(found: Found) -> Script:
        because = f"{found.lead}, 0 days tell the weekday"
        outcome = yield from shift(found.value, 0, because, say="That is a {weekday}.")
        return replace(outcome, memory=Memory(day=outcome.memory.day if outcome.memory else ""))

    return Next("next_weekday", {}, "tell the weekday", finish)


NEXTS: dict[str, End] = {
    "shared": End(("calculate",), "", _shared),
    "times": End(("calculate",), "", _times),
    **{kind: End(("calculate",), "", _percent(kind)) for kind in _PERCENT},
    "plus": End(("calculate",), "", _plus),
    "minus": End(("calculate",), "", _minus),
    "unit": End(("convert_units",), "", _unit),
    "weeks": End(("convert_units",), "", _weeks),
    "written": End(("write_file",), "writing files", _written),
    "noted": End(("add_note",), "saving notes", _noted),
    "until": End(("days_between",), "", _until),
    "weekday": End(("add_days",), "", _weekday),
}
