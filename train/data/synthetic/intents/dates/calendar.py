"""Intents over dates and spans of time as people say them: weeks, months and years, weekdays, feast days."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from agent.tools.lib.output import pluralize
from train.data.synthetic.actions import (
    DAYS_PATTERN,
    count_days,
    direction,
    join_reasons,
    shifted_date,
)
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Outcome, Question, Script, give_up, intent, step
from train.data.synthetic.wording.spelling import number_words, ordinal
from train.data.synthetic.worlds.world import World

UNIT_DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "year": 365}
"""`add_days` takes days only: a month is counted as 30 of them, a year as 365."""
FEASTS = {
    "Christmas": "25 December",
    "christmas": "25 December",
    "Christmas Day": "25 December",
    "Christmas Eve": "24 December",
    "christmas eve": "24 December",
    "xmas": "25 December",
    "Boxing Day": "26 December",
    "New Year's Eve": "31 December",
    "new years eve": "31 December",
    "Halloween": "31 October",
    "halloween": "31 October",
    "Valentine's Day": "14 February",
    "valentines day": "14 February",
    "St Patrick's Day": "17 March",
    "April Fools": "1 April",
    "April Fool's Day": "1 April",
    "May Day": "1 May",
    "Bastille Day": "14 July",
    "the Fourth of July": "4 July",
    "All Saints' Day": "1 November",
    "St Nicholas' Day": "6 December",
    "X-mas": "25 December",
    "Christmas eve": "24 December",
    "the second day of Christmas": "26 December",
    "New Year's Day": "1 January",
    "Epiphany": "6 January",
    "Groundhog Day": "2 February",
    "Women's Day": "8 March",
    "Labour Day on the first of May": "1 May",
    "Europe Day": "9 May",
    "Midsummer's Day": "24 June",
    "Guy Fawkes Night": "5 November",
    "Bonfire Night": "5 November",
    "Veterans Day": "11 November",
    "Silvester": "31 December",
}


def span(sample: Sampler) -> tuple[str, int, str]:
    """Return a span of time in words, its length in days, and how that follows."""
    unit = sample.rng.choices(list(UNIT_DAYS), (3, 6, 0.5, 2.5, 1.2))[0]
    most = {"day": 120, "week": 30, "fortnight": 4, "month": 18, "year": 12}[unit]
    if unit == "day" and sample.chance(0.2):
        most = 1000
    count = 1 if sample.chance(0.18) else sample.rng.randint(2, most)
    each = UNIT_DAYS[unit]
    days = count * each
    if count == 1:
        text = sample.rng.choice((f"a {unit}", f"one {unit}", f"1 {unit}"))
    else:
        spelled = sample.chance(0.5 if count < 13 or count % 10 == 0 else 0.2)
        text = f"{number_words(count) if spelled else count} {unit}s"
    if unit == "day":
        return text, days, f"{text} is {days}" if count == 1 else f"{text} are {days}"
    sum_ = f"{count} * {each} = {days}"
    return text, days, f"{text}, a {unit} counted as {each} days, is {sum_} days"


@intent("add_days", topic="dates", weight=4.5)
def span_after(sample: Sampler, world: World) -> Script:
    day, (text, days, why) = sample.written_date(), span(sample)
    question = sample.question("span_after", span=text, date=day.text)
    because = join_reasons(day.why, why, direction(question, days))
    return shifted_date(question, day.value, days, because, relative=day.relative)


@intent("add_days", topic="dates", weight=3)
def span_before(sample: Sampler, world: World) -> Script:
    day, (text, days, why) = sample.written_date(), span(sample)
    question = sample.question("span_before", span=text, date=day.text)
    because = join_reasons(day.why, why, direction(question, -days))
    return shifted_date(question, day.value, -days, because, relative=day.relative)


@intent("add_days", topic="dates", weight=2)
def span_from_today(sample: Sampler, world: World) -> Script:
    text, days, why = span(sample)
    question = sample.question("span_from_today", span=text)
    because = join_reasons(why, direction(question, days))
    return shifted_date(question, "today", days, because, relative=True)


@intent("add_days", topic="dates", weight=1.2)
def span_ago(sample: Sampler, world: World) -> Script:
    text, days, why = span(sample)
    question = sample.question("span_ago", span=text)
    because = join_reasons(why, direction(question, -days))
    return shifted_date(question, "today", -days, because, relative=True)


@intent("add_days", topic="dates", weight=15)
def weekday_of(sample: Sampler, world: World) -> Script:
    """The weekday of a date is what `add_days` says of it with 0 days."""
    day = sample.written_date()
    if sample.chance(0.3):
        day = sample.write(date(1880, 1, 1) + timedelta(days=sample.rng.randrange(90_000)))
    return shifted_date(
        sample.question("weekday_of", date=day.text),
        day.value,
        0,
        join_reasons(day.why, "0 days tell the weekday"),
        say="{day} is a {weekday}." if day.value[:4].isdigit() else "That is a {weekday}.",
        relative=day.relative,
        slots={"kind": "weekday"},
    )


@intent("add_days", topic="dates", weight=2.5)
def near_day(sample: Sampler, world: World) -> Script:
    """Tomorrow, yesterday, the day after tomorrow, the day before yesterday."""
    word, days = sample.rng.choice(
        (
            ("tomorrow", 1),
            ("tmrw", 1),
            ("yesterday", -1),
            ("the day after tomorrow", 2),
            ("the day before yesterday", -2),
        )
    )
    because = f"{word} is {pluralize(days, 'day')} from today"
    return shifted_date(sample.question("near_day", day=word), "today", days, because, relative=True)


@intent("days_between", topic="dates", weight=8)
def days_since(sample: Sampler, world: World) -> Script:
    past = world.now.date() - timedelta(days=sample.rng.randint(2, sample.rng.choice((400, 9000, 30_000))))
    day = sample.write(sample.day() if sample.is_test else past)
    because = join_reasons(day.why, "since runs up to today")
    return count_days(
        sample.question("days_since", date=day.text), day.value, "today", because, relative=True
    )


@intent("days_between", topic="dates", weight=2.2)
def days_to_feast(sample: Sampler, world: World) -> Script:
    names = [name for name, day in FEASTS.items() if _falls(day, world.now.year) > world.now.date()]
    name = sample.pick(names or ["New Year's Eve"])
    day = FEASTS[name]
    return count_days(
        sample.question("days_to_feast", feast=name), "today", day, f"{name} is {day}", relative=True
    )


def _falls(day: str, year: int) -> date:
    number, month = day.split(" ")
    return datetime.strptime(f"{number} {month} {year}", "%d %B %Y").date()


@intent("add_days", topic="dates", weight=2)
def feast_weekday(sample: Sampler, world: World) -> Script:
    name = sample.pick(list(FEASTS))
    return shifted_date(
        sample.question("feast_weekday", feast=name),
        FEASTS[name],
        0,
        f"{name} is {FEASTS[name]}, 0 days tell the weekday",
        say="That is a {weekday}.",
        relative=True,
    )


@intent("days_between", "calculate", topic="dates", weight=1.5)
def weeks_between(sample: Sampler, world: World) -> Script:
    """Weeks from today or a date to another: the days, then a division."""
    first = sample.day()
    second = first + timedelta(days=sample.rng.randint(7, 700))
    start, end, relative = sample.format_date(first), sample.format_date(second), False
    if sample.chance(0.5):
        start, relative = "today", True
        if not sample.is_test:
            end = sample.format_date(world.now.date() + timedelta(days=sample.rng.randint(7, 700)))
        yield Question(sample.question("weeks_until", date=end))
    else:
        yield Question(sample.question("weeks_between", d1=start, d2=end))
    seen = yield step(
        f"I will count the days from {start} to {end} with {{tool}}, then make weeks of them.",
        "days_between",
        start=start,
        end=end,
    )
    if seen[0].error:
        return give_up(f"It cannot be counted: {seen[0].content}.")
    days = seen[0].content.split(" ")[0]
    observations = yield step(
        f"A week is 7 days: I will work out {days} / 7 with {{tool}}.",
        "calculate",
        expression=f"{days} / 7",
    )
    weeks = observations[0].content
    return Outcome(
        f"It is {weeks} weeks ({seen[0].content}).",
        (DAYS_PATTERN if relative else weeks,),
        thought=f"It is {weeks} weeks.",
        memory=Memory(Again("days_between", {"start": start, "end": end}), number=weeks, unit="weeks"),
    )


@intent("days_between", topic="dates", weight=0.7)
def days_before_feast(sample: Sampler, world: World) -> Script:
    """Days from a day of the month without a year to another."""
    first = sample.day()
    second = first + timedelta(days=sample.rng.randint(3, 60))
    if second.year != first.year:
        first, second = date(2025, 5, 3), date(2025, 6, 1)
    start, end = (f"{ordinal(day.day)} of {day:%B}" for day in (first, second))
    return count_days(sample.question("days_between", d1=start, d2=end), start, end, relative=True)


@intent("days_between", topic="dates", weight=1.6)
def days_of_year(sample: Sampler, world: World) -> Script:
    """How many days the year still has, or has had."""
    if sample.chance(0.6):
        question, because = sample.question("year_left"), "the year ends on 31 December"
        return count_days(question, "today", "31 December", because, relative=True)
    question, because = sample.question("year_gone"), "the year began on 1 January"
    return count_days(question, "1 January", "today", because, relative=True)
