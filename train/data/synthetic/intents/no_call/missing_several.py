"""Intents with several missing arguments, which are asked for."""

from __future__ import annotations

from datetime import timedelta

from train.data.synthetic.actions import change_units, days_from_to
from train.data.synthetic.intents.no_call.missing_arguments import ask_for, asked
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Question, Script, intent
from train.data.synthetic.worlds.world import World


@intent("write_file", topic="writing files", weight=4)
def missing_all(sample: Sampler, world: World) -> Script:
    yield Question(sample.question("missing_all"))
    back = ("What shall I write, and into which file?", "Which text, and what should the file be called?")
    return ask_for("The text and the file", sample.rng.choice(back))


@intent("days_between", topic="dates", weight=5.5)
def missing_until(sample: Sampler, world: World) -> Script:
    date = sample.format_date(world.now.date() + timedelta(days=sample.rng.randint(2, 500)))
    back = ("Until which date?", "Which date do you mean?")
    given = sample.question("given_date", date=date)
    rest = days_from_to("today", date, relative=True, say="It is {days}.")
    return asked(sample, "missing_until", "The date", back, given, rest)


@intent("convert_units", topic="converting units", weight=3.6)
def missing_value(sample: Sampler, world: World) -> Script:
    v, (u1, u2) = sample.number(2, 900), sample.units()
    back = (f"What shall I convert to {u2}?", f"How much of which unit, in {u2}?")
    given = sample.question("given_value", v=v, u1=u1)
    return asked(sample, "missing_value", "The amount", back, given, change_units(v, u1, u2), u2=u2)
