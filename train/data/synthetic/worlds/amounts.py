"""Lines of files and notes that give a number of things, or a quantity with its unit."""

from __future__ import annotations

from dataclasses import dataclass

from train.data.phrasings import names
from train.data.synthetic.sampler import Sampler

QUANTITIES: dict[str, tuple[str, ...]] = {
    "distance": ("km", "miles"),
    "way to work": ("km", "miles"),
    "length of the rope": ("metres", "feet", "yards"),
    "height of the shelf": ("cm", "inches"),
    "garden": ("square meters", "square feet"),
    "field": ("hectares", "acres"),
    "tank": ("litres", "gallons"),
    "barrel": ("litres", "gallons"),
    "milk": ("ml", "cups"),
    "flour": ("g", "ounces"),
    "suitcase": ("kg", "pounds"),
    "parcel": ("kg", "lbs"),
    "top speed": ("km/h", "mph"),
    "wind": ("knots", "km/h"),
    "film": ("minutes", "seconds"),
    "oven": ("celsius", "fahrenheit"),
    "freezer": ("celsius", "fahrenheit"),
    "engine": ("kilowatts", "horsepower"),
    "tyre pressure": ("bar", "psi"),
    "archive": ("GB", "MB"),
    "stage to the pass": ("km", "miles", "metres"),
    "hike": ("km", "miles"),
    "cable": ("metres", "feet"),
    "attic": ("square metres", "square feet"),
    "bucket": ("litres", "gallons", "pints"),
    "sack of rice": ("kg", "pounds"),
    "dose": ("ml", "teaspoons"),
    "lecture": ("minutes", "hours"),
}
"""What a file or note of quantities may name, with the units that it may be given in."""


@dataclass(frozen=True)
class Counted:
    """A number of things: what it is about, the thing in the singular and the plural, and the number."""

    topic: str
    one: str
    many: str
    number: str
    line: str


def draw_counted(sample: Sampler, count: int) -> tuple[Counted, ...]:
    """Return `count` different numbers of things, all written in the same form."""
    form = sample.rng.choice(
        ("{topic}: {n} {many}", "{topic}: {n}", "{topic} - {n} {many}", "{topic} {n}", "{topic} = {n}")
    )
    found = []
    for line in sample.rng.sample(list(names.COUNTED), count):
        topic, one, many = line.split(" | ")
        number = sample.integer(3, 400)
        found.append(Counted(topic, one, many, number, form.format(topic=topic, n=number, many=many)))
    return tuple(found)


def draw_quantities(sample: Sampler, count: int) -> tuple[tuple[str, str], ...]:
    """Return `count` different things, each with a quantity and its unit."""
    things = sample.rng.sample(list(QUANTITIES), count)
    return tuple(
        (thing, f"{sample.number(2, 900)} {sample.rng.choice(QUANTITIES[thing])}") for thing in things
    )
