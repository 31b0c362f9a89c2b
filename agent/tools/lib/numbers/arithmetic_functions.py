"""The operators, functions and constants of arithmetic expressions, on fractions and floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from agent.errors import ToolError

Number = Fraction | float

MAX_BITS = 16_384
"""Maximum size of a numerator or denominator in bits, about 4,900 digits."""


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def add(left: Number, right: Number) -> Number:
    """Return the sum; exactly 0 where two floats cancel up to rounding, so that sqrt(2)^2 - 2 is 0."""
    total = check_size(left + right)
    if isinstance(total, float) and abs(total) < 1e-14 * abs(left):
        return Fraction(0)
    return total


def check_size(value: Number) -> Number:
    """Return `value`, as a float if the exact fraction is longer than `MAX_BITS`.

    Raise OverflowError for an integer longer than that and for an infinite float.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError
    if isinstance(value, Fraction) and _bits(value) > MAX_BITS:
        if value.denominator == 1:
            raise OverflowError
        return float(value)
    return value


def power(base: Number, exponent: Number) -> Number:
    """Return `base` to the power of `exponent`, exact for whole exponents and exact square roots."""
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 2 and exponent.numerator == 1 and base >= 0:
            return square_root(base)
        times = abs(exponent.numerator)
        if exponent.denominator == 1 and (abs(base) in (0, 1) or _bits(base) * times <= MAX_BITS):
            return base**exponent.numerator
        if exponent.denominator == 1 and base.denominator == 1 and exponent > 0:
            raise OverflowError
    if base < 0 and float(exponent) != int(exponent):
        raise ToolError("a negative number has no such power")
    value = float(base) ** float(exponent)
    if value == 0 and base != 0:
        raise ToolError("the result is too small")
    return value


def square_root(value: Number) -> Number:
    """Return the square root, exact for the square of a fraction."""
    if value < 0:
        raise ToolError("a negative number has no square root")
    if isinstance(value, Fraction):
        numerator, denominator = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if numerator**2 == value.numerator and denominator**2 == value.denominator:
            return Fraction(numerator, denominator)
    return math.sqrt(value)


def logarithm(value: Number, base: Number = Fraction(10)) -> Number:
    """Return the logarithm of `value` to `base`."""
    if value <= 0 or base <= 0 or base == 1:
        raise ToolError("that logarithm is not defined")
    if base == 10:
        return _log(value, math.log10)
    if base == 2:
        return _log(value, math.log2)
    return _log(value, math.log) / _log(base, math.log)


def _log(value: Number, log: Callable[[float], float]) -> float:
    # Taken of the integers, of any size: converted to a float, a large one would overflow.
    if isinstance(value, Fraction):
        return log(value.numerator) - (log(value.denominator) if value.denominator != 1 else 0)
    return log(value)


def natural_logarithm(value: Number) -> Number:
    """Return the logarithm of `value` to base e."""
    return logarithm(value, math.e)


def round_half_away(value: Number, places: Number = Fraction(0)) -> Number:
    """Return `value` rounded to `places` decimals, halves away from zero."""
    if places != int(places) or abs(places) > 50:
        raise ToolError("round takes a whole number of places")
    scale = Fraction(10) ** int(places)
    scaled = math.floor(abs(Fraction(value)) * scale + Fraction(1, 2))
    return Fraction(scaled if value >= 0 else -scaled) / scale


def _trigonometric(function: Callable[[float], float]) -> Callable[[Number], Number]:
    # Rounded to 15 places, so that sin(pi) is 0 and not 1.2e-16.
    return lambda value: round(function(float(value)), 15)


def tangent(value: Number) -> Number:
    """Return the tangent of `value` in radians. Raise ToolError at odd multiples of pi / 2."""
    if abs(math.cos(value)) < 1e-15:
        raise ToolError("that tangent is not defined")
    return round(math.tan(value), 15)


CONSTANTS: dict[object, float] = {"pi": math.pi, "e": math.e}
FUNCTIONS: dict[object, tuple[Callable[..., Number], int, int]] = {
    "sqrt": (square_root, 1, 1),
    "abs": (lambda value: abs(value), 1, 1),
    "round": (round_half_away, 1, 2),
    "floor": (lambda value: Fraction(math.floor(value)), 1, 1),
    "ceil": (lambda value: Fraction(math.ceil(value)), 1, 1),
    "sin": (_trigonometric(math.sin), 1, 1),
    "cos": (_trigonometric(math.cos), 1, 1),
    "tan": (tangent, 1, 1),
    "log": (logarithm, 1, 2),
    "log10": (logarithm, 1, 1),
    "log2": (lambda value: logarithm(value, Fraction(2)), 1, 1),
    "ln": (natural_logarithm, 1, 1),
    "exp": (lambda value: math.exp(value), 1, 1),
    "min": (lambda *values: min(values), 1, 100),
    "max": (lambda *values: max(values), 1, 100),
}
"""Name -> (function, minimum number of arguments, maximum number of arguments)."""


def apply_function(name: str, arguments: list[Number]) -> Number:
    """Return the value of a function of `FUNCTIONS`. Raise ToolError for a wrong number of arguments."""
    function, least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise ToolError(f"{name} takes {least if least == most else f'{least} or {most}'} numbers")
    return check_size(function(*arguments))
