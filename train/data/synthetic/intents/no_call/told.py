"""Intents that begin with a statement of the user, which needs no call; the next question relies on it."""

from __future__ import annotations

from datetime import timedelta

from train.data.phrasings import QUESTIONS, names
from train.data.synthetic.actions import days_from_to, shift, time_answer, work_out
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.intents.files.reading import read_or_find, short_path
from train.data.synthetic.memory import Again, binary
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, Step, ToolCall, intent
from train.data.synthetic.worlds.world import World

TOLD_THOUGHT = "That is told, not asked; no tool is needed."
_REPLIES = (
    "Good to know. What would you like to know?",
    "All right, I'll keep that in mind.",
    "Okay. What can I do with it?",
    "Understood.",
    "Thanks for telling me. How can I help?",
    "Noted for this conversation.",
)


_REPLIES_TO_SELF = (
    "Thank you for telling me. What can I do for you?",
    "Good to know. What shall I do?",
    "I see. Can I help with something?",
    "Nice to hear from you. What do you need?",
    "All right. Tell me if there is something to do.",
)


def _heard(sample: Sampler) -> Outcome:
    return Outcome(sample.rng.choice(_REPLIES), thought=TOLD_THOUGHT)


@intent("calculate", topic="arithmetic", weight=0.7)
def told_amount(sample: Sampler, world: World) -> Script:
    thing, n = sample.pick(QUESTIONS["amount_things"], HELD_OUT_PHRASINGS), sample.number(20, 9000)
    yield Question(sample.question("told_amount", thing=thing, n=n))
    yield _heard(sample)
    if sample.chance(0.6):
        p = sample.percent()
        yield Question(sample.question("percent_of_told", thing=thing, p=p))
        again = Again("percent_of", {"p": p, "n": n})
        return (yield from work_out(f"{p}% * {n}", "That is {r}.", f"the {thing} is {n}", again))
    parts = str(sample.rng.randint(2, 12))
    yield Question(sample.question("told_split", thing=thing, n=parts))
    again = binary(n, "/", parts)
    return (yield from work_out(f"{n} / {parts}", "That is {r}.", f"the {thing} is {n}", again))


@intent("current_time", topic="the time", weight=0.5)
def told_place(sample: Sampler, world: World) -> Script:
    place = sample.pick([spoken for spoken, _ in names.CITIES])
    yield Question(sample.question("told_place", city=place))
    yield _heard(sample)
    yield Question(sample.question("time_of_told"))
    turns = yield Step(
        f"There is {place}: I will look at the clock in {place} with {{tool}}.",
        (ToolCall("current_time", {"timezone": place}),),
    )
    return time_answer(turns[0], place)


@intent("days_between", "add_days", topic="dates", weight=0.35)
def told_day(sample: Sampler, world: World) -> Script:
    event = sample.pick(QUESTIONS["events"], HELD_OUT_PHRASINGS)
    date = sample.format_date(world.now.date() + timedelta(days=sample.rng.randint(2, 500)))
    yield Question(sample.question("told_day", event=event, date=date))
    yield _heard(sample)
    if sample.chance(0.6):
        yield Question(sample.question("days_to_told"))
        because = f"{event} is on {date}"
        return (yield from days_from_to("today", date, because, relative=True, say="It is {days}."))
    yield Question(sample.question("weekday_of_told"))
    because = f"{event} is on {date}, 0 days tell the weekday"
    return (yield from shift(date, 0, because, say="That is a {weekday}."))


@intent(topic="small talk", weight=1.6)
def told_self(sample: Sampler, world: World) -> Script:
    """Something about the person, after which another request comes."""
    yield Question(sample.question("told_self"))
    return Outcome(sample.rng.choice(_REPLIES_TO_SELF), thought=TOLD_THOUGHT)


@intent(topic="small talk", weight=0.4)
def told_name(sample: Sampler, world: World) -> Script:
    name = sample.person()
    yield Question(sample.question("told_name", name=name))
    yield Outcome(
        sample.rng.choice((f"Hello {name}! What can I do for you?", f"Nice to meet you, {name}.")),
        thought=TOLD_THOUGHT,
    )
    yield Question(sample.question("name_of_told"))
    return Outcome(f"You are {name}.", (name,), thought=f"They told me: {name}.")


@intent("read_file", "find_files", topic="reading files", weight=0.35)
def told_file(sample: Sampler, world: World) -> Script:
    path = short_path(sample, world)
    yield Question(sample.question("told_file", path=path))
    yield _heard(sample)
    yield Question(sample.question("read_told"))
    return (yield from read_or_find(path))
