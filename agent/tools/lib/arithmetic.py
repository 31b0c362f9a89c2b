"""Arithmetic expressions, parsed and worked out exactly where that is possible.

Nothing is ever evaluated as Python. Numbers are fractions until a root, a logarithm or an angle makes them
floats, so 0.1 + 0.2 is 0.3. Length, depth and the size of every result are limited: no expression takes
long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction

from agent.errors import ToolError

Number = Fraction | float

MAX_CHARACTERS = 1000
MAX_DEPTH = 40
MAX_BITS = 16_384
"""Bits of a numerator or denominator, about 4,900 digits."""
MAX_DIGITS = 60
"""Digits of an integer that is shown in full."""
SIGNIFICANT = 10
"""Digits shown of a number that is no integer."""

_GROUPED = r"\d{1,3}(?:,\d{2,3})*,\d{3}(?![\d,])(?:\.\d+)?"
_PLAIN = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4}(?!\w))?"
_TOKENS = re.compile(rf"\s*(?:({_GROUPED})|({_PLAIN})|(log10|log2|[^\W\d_]+)|(\*\*|[-+*/^%(),°]))")
_SPELLED = str.maketrans(
    {
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{SQUARE ROOT}": " sqrt ",
        "\N{GREEK SMALL LETTER PI}": " pi ",
    }
)
_CURRENCY = str.maketrans("", "", "$€£¥")


def work_out(expression: str) -> Number:
    """The value of `expression`. Raises ToolError that says what is wrong with it."""
    if len(expression) > MAX_CHARACTERS:
        raise ToolError(f"the expression is longer than {MAX_CHARACTERS} characters")
    text = expression.translate(_SPELLED).translate(_CURRENCY).strip().rstrip("=? ")
    if not text:
        raise ToolError("the expression is empty")
    try:
        return _Parser(_tokens(text)).whole()
    except ZeroDivisionError:
        raise ToolError("division by zero") from None
    except OverflowError:
        raise ToolError("the result is too large") from None


def show(value: Number) -> str:
    """The number as people write it: integers in full, others with at most ten significant digits."""
    exact = Fraction(value)
    if exact.denominator == 1 and isinstance(value, Fraction) and abs(exact) < 10**MAX_DIGITS:
        return str(exact.numerator)
    whole_digits = len(str(int(abs(exact)))) if abs(exact) < 10**15 else 0
    digits = max(SIGNIFICANT, min(whole_digits + 2, 15)) if whole_digits > SIGNIFICANT - 2 else SIGNIFICANT
    return plain(exact, digits)


def plain(value: Fraction, digits: int) -> str:
    """`value` to that many significant digits, without exponent from 1e-15 up to 1e15."""
    rounding = Context(prec=digits, Emax=999_999, Emin=-999_999)
    number = rounding.divide(Decimal(value.numerator), Decimal(value.denominator))
    if number == 0:
        return "0"
    if not -15 <= number.adjusted() < 15:
        mantissa = _trimmed(f"{number.scaleb(-number.adjusted(), rounding):f}")
        return f"{mantissa}e{number.adjusted()}"
    return _trimmed(f"{number:f}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _tokens(text: str) -> list[str | Fraction]:
    """Numbers as fractions, the rest as strings. A comma divides thousands, except between arguments."""
    found: list[str | Fraction] = []
    several: list[bool] = []
    at = 0
    while at < len(text):
        token = _TOKENS.match(text, at)
        if token and token[1] and several and several[-1]:
            token = re.compile(rf"\s*(\0)?({_PLAIN})(\0)?(\0)?").match(text, at)
        if not token:
            raise ToolError(f"cannot read '{text[at:].strip()[:20]}' in the expression")
        grouped, number, word, sign = token.groups()
        at = token.end()
        if grouped or number:
            found.append(_checked_fraction((grouped or number).replace(",", "")))
            continue
        piece = word.lower() if word else sign
        if piece == "(":
            several.append(bool(found) and found[-1] in _SEVERAL)
        elif piece == ")" and several:
            several.pop()
        found.append(piece)
    return found


def _checked_fraction(text: str) -> Fraction:
    exponent = re.search(r"[eE]([+-]?\d+)$", text)
    if exponent and abs(int(exponent[1])) > 1000:
        raise OverflowError
    return Fraction(text)


class _Parser:
    """Recursive descent: sum, product, sign, power, postfix, atom."""

    def __init__(self, tokens: list[str | Fraction]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    def whole(self) -> Number:
        value = self.sum()
        if self.at < len(self.tokens):
            raise self.unexpected()
        return value

    def peek(self, ahead: int = 0) -> str | Fraction | None:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else None

    def take(self, *signs: str) -> str | None:
        token = self.peek()
        if isinstance(token, str) and token in signs:
            self.at += 1
            return token
        return None

    def unexpected(self) -> ToolError:
        token = self.peek()
        if token is None:
            return ToolError("the expression is not complete")
        if isinstance(token, str) and token.isalpha() and not _starts_operand(token):
            return ToolError(f"unknown word '{token[:20]}' in the expression")
        shown = token if isinstance(token, str) else show(token)
        hint = "; write decimals with a point" if token == "," else ""
        return ToolError(f"unexpected '{shown}' in the expression{hint}")

    def sum(self) -> Number:
        value = self.product()
        while sign := self.take("+", "-"):
            right = self.product()
            value = _sum(value, right if sign == "+" else -right)
        return value

    def product(self) -> Number:
        value = self.signed()
        while True:
            if sign := self.take("*", "x", "/", "%", "mod", "of"):
                right = self.signed()
                if sign in ("*", "x", "of"):
                    value = _kept(value * right)
                else:
                    value = _kept(value / right if sign == "/" else value % right)
            elif self.peek() == "(" or (isinstance(self.peek(), str) and _starts_operand(self.peek())):
                value = _kept(value * self.power())
            else:
                return value

    def signed(self) -> Number:
        sign = self.take("+", "-")
        if not sign:
            return self.power()
        value = self.deeper(self.signed)
        return -value if sign == "-" else value

    def power(self) -> Number:
        base = self.postfix()
        if self.take("^", "**"):
            return _power(base, self.deeper(self.signed))
        return base

    def postfix(self) -> Number:
        value = self.atom()
        while True:
            # Before another operand, % is the remainder.
            if self.peek() == "%" and not _starts_operand(self.peek(1)):
                value = _kept(value / 100)
            elif self.peek() == "°":
                value = float(value) * math.pi / 180
            else:
                return value
            self.at += 1

    def atom(self) -> Number:
        token = self.peek()
        if isinstance(token, Fraction):
            self.at += 1
            return token
        if self.take("("):
            value = self.deeper(self.sum)
            self.close()
            return value
        if token in _CONSTANTS:
            self.at += 1
            return _CONSTANTS[str(token)]
        if token in _FUNCTIONS:
            self.at += 1
            return self.call(str(token))
        raise self.unexpected()

    def call(self, name: str) -> Number:
        if not self.take("("):
            return _apply(name, [self.deeper(self.power)])
        arguments = [self.deeper(self.sum)]
        while self.take(","):
            arguments.append(self.deeper(self.sum))
        self.close()
        return _apply(name, arguments)

    def close(self) -> None:
        if not self.take(")"):
            raise ToolError("a parenthesis is not closed") if self.peek() is None else self.unexpected()

    def deeper(self, part: Callable[[], Number]) -> Number:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ToolError(f"the expression is nested more than {MAX_DEPTH} deep")
        value = part()
        self.depth -= 1
        return value


def _starts_operand(token: str | Fraction | None) -> bool:
    return isinstance(token, Fraction) or token == "(" or token in _CONSTANTS or token in _FUNCTIONS


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _sum(left: Number, right: Number) -> Number:
    total = _kept(left + right)
    # What is left of two floats that cancel is rounding: sqrt(2)^2 - 2 is 0.
    if isinstance(total, float) and abs(total) < 1e-14 * abs(left):
        return Fraction(0)
    return total


def _kept(value: Number) -> Number:
    """`value`, as a float where the exact fraction grows too long. Raises OverflowError at infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError
    if isinstance(value, Fraction) and _bits(value) > MAX_BITS:
        if value.denominator == 1:
            raise OverflowError
        return float(value)
    return value


def _power(base: Number, exponent: Number) -> Number:
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 2 and exponent.numerator == 1 and base >= 0:
            return _root(base)
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


def _root(value: Number) -> Number:
    if value < 0:
        raise ToolError("a negative number has no square root")
    if isinstance(value, Fraction):
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def _logarithm(value: Number, base: Number = Fraction(10)) -> Number:
    if value <= 0 or base <= 0 or base == 1:
        raise ToolError("that logarithm is not defined")
    if base == 10:
        return _log_of(value, math.log10)
    if base == 2:
        return _log_of(value, math.log2)
    return _log_of(value, math.log) / _log_of(base, math.log)


def _log_of(value: Number, log: Callable[[float], float]) -> float:
    # Integers of any size have a logarithm; as floats they would overflow.
    if isinstance(value, Fraction):
        return log(value.numerator) - (log(value.denominator) if value.denominator != 1 else 0)
    return log(value)


def _natural(value: Number) -> Number:
    return _logarithm(value, math.e)


def _rounded(value: Number, places: Number = Fraction(0)) -> Number:
    if places != int(places) or abs(places) > 50:
        raise ToolError("round takes a whole number of places")
    scale = Fraction(10) ** int(places)
    # Half goes away from zero, as at school.
    scaled = math.floor(abs(Fraction(value)) * scale + Fraction(1, 2))
    return Fraction(scaled if value >= 0 else -scaled) / scale


def _angle(function: Callable[[float], float]) -> Callable[[Number], Number]:
    # Fifteen places: sin(pi) is 0 and not 1.2e-16.
    return lambda value: round(function(float(value)), 15)


def _tangent(value: Number) -> Number:
    if abs(math.cos(value)) < 1e-15:
        raise ToolError("that tangent is not defined")
    return round(math.tan(value), 15)


_CONSTANTS: dict[object, float] = {"pi": math.pi, "e": math.e}
_FUNCTIONS: dict[object, tuple[Callable[..., Number], int, int]] = {
    "sqrt": (_root, 1, 1),
    "abs": (lambda value: abs(value), 1, 1),
    "round": (_rounded, 1, 2),
    "floor": (lambda value: Fraction(math.floor(value)), 1, 1),
    "ceil": (lambda value: Fraction(math.ceil(value)), 1, 1),
    "sin": (_angle(math.sin), 1, 1),
    "cos": (_angle(math.cos), 1, 1),
    "tan": (_tangent, 1, 1),
    "log": (_logarithm, 1, 2),
    "log10": (_logarithm, 1, 1),
    "log2": (lambda value: _logarithm(value, Fraction(2)), 1, 1),
    "ln": (_natural, 1, 1),
    "exp": (lambda value: math.exp(value), 1, 1),
    "min": (lambda *values: min(values), 1, 100),
    "max": (lambda *values: max(values), 1, 100),
}
_SEVERAL = {name for name, (_, _, most) in _FUNCTIONS.items() if most > 1}


def _apply(name: str, arguments: list[Number]) -> Number:
    function, least, most = _FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise ToolError(f"{name} takes {least if least == most else f'{least} or {most}'} numbers")
    return _kept(function(*arguments))
