"""Units of measure by name: the quantity that each measures and its size in base units."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True)
class Unit:
    """A unit of the quantity `kind`: a value is `(value + offset) * factor` base units."""

    kind: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# Quantity -> {size in base units: names}. The plural endings s and es are implied.
_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "1": "m, meter, metre",
        "1000": "km, kilometer, kilometre",
        "0.1": "dm, decimeter, decimetre",
        "0.01": "cm, centimeter, centimetre",
        "0.001": "mm, millimeter, millimetre",
        "0.000001": "um, μm, micrometer, micrometre, micron",
        "0.000000001": "nm, nanometer, nanometre",
        "0.0254": 'in, inch, "',
        "0.3048": "ft, foot, feet, '",
        "0.9144": "yd, yard",
        "1609.344": "mi, mile",
        "1852": "nmi, nautical mile",
        "9460730472580800": "ly, light year, lightyear",
        "149597870700": "au, astronomical unit",
    },
    "mass": {
        "1": "kg, kilo, kilogram, kilogramme",
        "0.001": "g, gram, gramme",
        "0.000001": "mg, milligram",
        "0.000000001": "ug, μg, mcg, microgram",
        "1000": "t, tonne, metric ton, metric tonne",
        "0.45359237": "lb, pound, lbm",
        "0.028349523125": "oz, ounce",
        "6.35029318": "st, stone",
        "907.18474": "ton, us ton, short ton",
        "1016.0469088": "long ton, imperial ton, uk ton",
        "0.0002": "ct, carat",
    },
    "volume": {
        "1": "l, liter, litre",
        "0.1": "dl, deciliter, decilitre",
        "0.01": "cl, centiliter, centilitre",
        "0.001": "ml, milliliter, millilitre, cc",
        "3.785411784": "gal, gallon, us gallon",
        "4.54609": "imperial gallon, uk gallon",
        "0.946352946": "qt, quart, us quart",
        "0.473176473": "pt, pint, us pint",
        "0.56826125": "imperial pint, uk pint",
        "0.2365882365": "cup, us cup",
        "0.0295735295625": "fl oz, floz, fluid ounce, us fluid ounce",
        "0.01478676478125": "tbsp, tablespoon",
        "0.00492892159375": "tsp, teaspoon",
        "158.987294928": "bbl, barrel",
    },
    "time": {
        "1": "s, sec, second",
        "0.001": "ms, millisecond",
        "0.000001": "us, μs, microsecond",
        "0.000000001": "ns, nanosecond",
        "60": "min, minute",
        "3600": "h, hr, hour",
        "86400": "d, day",
        "604800": "wk, week",
        "1209600": "fortnight",
        "2628000": "mo, month",
        "31536000": "y, yr, year",
        "315360000": "decade",
        "3153600000": "century, centuries",
    },
    "length/time": {
        "0.44704": "mph",
        "5/18": "kph, kmh, kmph",
        "463/900": "kn, kt, knot",
        "0.3048": "fps",
        "1": "mps",
        "299792458": "speed of light",
    },
    "area": {
        "10000": "ha, hectare",
        "4046.8564224": "ac, acre",
        "1": "sqm",
        "0.09290304": "sqft",
        "1000000": "sqkm",
    },
    "data": {
        "1": "B, byte",
        "1000": "kB, KB, kilobyte",
        "1000000": "MB, megabyte",
        "1000000000": "GB, gigabyte",
        "1000000000000": "TB, terabyte",
        "1000000000000000": "PB, petabyte",
        "1024": "KiB, kibibyte",
        "1048576": "MiB, mebibyte",
        "1073741824": "GiB, gibibyte",
        "1099511627776": "TiB, tebibyte",
        "1/8": "bit",
        "125": "kbit, kilobit, Kb",
        "125000": "Mbit, megabit, Mb",
        "125000000": "Gbit, gigabit, Gb",
    },
    "data/time": {"125": "kbps", "125000": "Mbps", "125000000": "Gbps", "1/8": "bps"},
    "energy": {
        "1": "J, joule",
        "1000": "kJ, kilojoule",
        "1000000": "MJ, megajoule",
        "3600": "Wh, watt hour",
        "3600000": "kWh, kilowatt hour",
        "3600000000": "MWh, megawatt hour",
        "4.184": "cal, calorie",
        "4184": "kcal, kilocalorie",
        "1055.05585262": "btu, british thermal unit",
        "0.0000000000000000001602176634": "eV, electronvolt, electron volt",
    },
    "power": {
        "1": "W, watt",
        "1000": "kW, kilowatt",
        "1000000": "MW, megawatt",
        "0.001": "mW, milliwatt",
        "745.69987158227022": "hp, horsepower",
    },
    "pressure": {
        "1": "Pa, pascal",
        "100": "hPa, hectopascal, mbar, millibar",
        "1000": "kPa, kilopascal",
        "1000000": "MPa, megapascal",
        "100000": "bar",
        "101325": "atm, atmosphere",
        "6894.757293168": "psi, pounds per square inch",
        "133.322387415": "mmHg, millimeters of mercury",
        "101325/760": "torr",
        "3386.389": "inHg, inches of mercury",
    },
    "angle": {
        "1": "deg, degree",
        "180/3.14159265358979323846": "rad, radian",
        "1/60": "arcmin, arcminute",
        "1/3600": "arcsec, arcsecond",
        "0.9": "grad, gradian, gon",
        "360": "turn, revolution",
    },
}
_SCALES = {
    "c, celsius, centigrade": (Fraction(1), Fraction("273.15")),
    "f, fahrenheit": (Fraction(5, 9), Fraction("459.67")),
    "k, kelvin": (Fraction(1), Fraction(0)),
}
_POWERS = (
    ("area", 2, Fraction(1), r"(?:square |sq ?)(.+)|(.+?) ?(?:\^2|2| squared)"),
    ("volume", 3, Fraction(1000), r"(?:cubic |cu )(.+)|(.+?) ?(?:\^3|3| cubed)"),
)


def unit_names() -> list[str]:
    """Return the names of the units of the table, without plurals."""
    return sorted(_units_by_name()[0])


def find_unit(name: str) -> Unit | None:
    """Return the unit called `name`, or None.

    Plurals, powers (`square feet`, `m^3`) and quotients (`km/h`, `miles per hour`) are recognized.
    """
    text = unicodedata.normalize("NFKC", name[:80]).replace("°", " ").replace("_", " ").replace("-", " ")
    return _find_compound(" ".join(text.replace("µ", "μ").replace(".", "").split()))


def _find_compound(text: str) -> Unit | None:
    if found := _find_named(text):
        return found
    for kind, power, base_units, pattern in _POWERS:
        if (match := re.fullmatch(pattern, text, re.IGNORECASE)) and (
            side := _find_named(match[1] or match[2])
        ):
            return Unit(kind, side.factor**power * base_units) if side.kind == "length" else None
    above, slash, below = re.sub(r"\s*(?:/|\bper\b)\s*", "/", text, count=1).partition("/")
    if slash and (top := _find_named(above)) and (bottom := _find_named(below)):
        return Unit(f"{top.kind}/{bottom.kind}", top.factor / bottom.factor)
    return None


def _find_named(text: str) -> Unit | None:
    """Return a unit of the table: an exact match first, then one in any case, then the singular."""
    exact, folded = _units_by_name()
    if text in exact:
        return exact[text]
    text = text.lower()
    scale = folded.get(re.sub(r"^(?:degrees?|deg) (?=\w)", "", text))
    if scale and (scale.kind == "temperature" or scale is folded.get(text)):
        return scale
    for ending in ("es", "s"):
        # Of symbols too: people write kms, lbs, hrs.
        if text.endswith(ending) and len(singular := text.removesuffix(ending)) > 1 and singular in folded:
            return folded[singular]
    return None


@lru_cache(maxsize=1)
def _units_by_name() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Return the units by name, and by lower-case name (of names that differ in case only, the first)."""
    exact: dict[str, Unit] = {}
    for kind, sizes in _TABLE.items():
        for size, names in sizes.items():
            above, _, below = size.partition("/")
            unit = Unit(kind, Fraction(above) / Fraction(below or 1))
            exact |= dict.fromkeys(names.split(", "), unit)
    for names, (factor, offset) in _SCALES.items():
        exact |= dict.fromkeys(names.split(", "), Unit("temperature", factor, offset))
    folded: dict[str, Unit] = {}
    for name, unit in exact.items():
        folded.setdefault(name.lower(), unit)
    return exact, folded
