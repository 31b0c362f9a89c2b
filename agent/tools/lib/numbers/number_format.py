"""Numbers as text."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

MAX_DIGITS = 60
"""Maximum number of digits of an integer that is written in full."""
SIGNIFICANT_DIGITS = 10
"""Significant digits of other numbers."""


def format_number(value: Fraction | float) -> str:
    """Return `value` in decimal: integers in full, others with about ten significant digits."""
    exact = Fraction(value)
    if exact.denominator == 1 and isinstance(value, Fraction) and abs(exact) < 10**MAX_DIGITS:
        return str(exact.numerator)
    whole_digits = len(str(int(abs(exact)))) if abs(exact) < 10**15 else 0
    many = whole_digits > SIGNIFICANT_DIGITS - 2
    digits = max(SIGNIFICANT_DIGITS, min(whole_digits + 2, 15)) if many else SIGNIFICANT_DIGITS
    return format_significant(exact, digits)


def format_significant(value: Fraction, digits: int) -> str:
    """Return `value` rounded to `digits` significant digits, without an exponent from 1e-15 up to 1e15."""
    rounding = Context(prec=digits, Emax=999_999, Emin=-999_999)
    number = rounding.divide(Decimal(value.numerator), Decimal(value.denominator))
    if number == 0:
        return "0"
    if not -15 <= number.adjusted() < 15:
        mantissa = _strip_zeros(f"{number.scaleb(-number.adjusted(), rounding):f}")
        return f"{mantissa}e{number.adjusted()}"
    return _strip_zeros(f"{number:f}")


def _strip_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
