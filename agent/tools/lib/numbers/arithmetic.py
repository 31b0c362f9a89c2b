"""Evaluation of arithmetic expressions, exact where possible, without Python's `eval`.

Numbers are fractions until a root, a logarithm or an angle turns them into floats, so 0.1 + 0.2 is 0.3. The
length and depth of an expression and the size of every intermediate result are bounded, so that no expression
takes long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

from agent.errors import ToolError
from agent.tools.lib.numbers.arithmetic_functions import (
    CONSTANTS,
    FUNCTIONS,
    Number,
    add,
    apply_function,
    check_size,
    power,
)
from agent.tools.lib.numbers.number_format import format_number
from agent.tools.lib.time_limit import check_time

MAX_CHARACTERS = 1000
MAX_DEPTH = 40
"""Maximum number of nested parentheses, signs and powers."""

_GROUPED = r"\d{1,3}(?:,\d{2,3})*,\d{3}(?![\d,])(?:\.\d+)?"
_UNGROUPED = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4}(?!\w))?"
_TOKEN = re.compile(rf"\s*(?:({_GROUPED})|({_UNGROUPED})|(log10|log2|[^\W\d_]+)|(\*\*|[-+*/^%(),°]))")
_ARGUMENT_TOKEN = re.compile(rf"\s*(\0)?({_UNGROUPED})(\0)?(\0)?")
"""As `_TOKEN`, for the arguments of a function that takes several: there a comma never groups digits."""
_SYMBOLS = str.maketrans(
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
_CURRENCY_SIGNS = str.maketrans("", "", "$€£¥")


_VARIADIC = {name for name, (_, _, most) in FUNCTIONS.items() if most > 1}


def evaluate(expression: str) -> Number:
    """Return the value of `expression`. Raise ToolError with the reason if it has none."""
    if len(expression) > MAX_CHARACTERS:
        raise ToolError(f"the expression is longer than {MAX_CHARACTERS} characters")
    text = expression.translate(_SYMBOLS).translate(_CURRENCY_SIGNS).strip().rstrip("=? ")
    if not text:
        raise ToolError("the expression is empty")
    try:
        return _Parser(_tokenize(text)).parse()
    except ZeroDivisionError:
        raise ToolError("division by zero") from None
    except OverflowError:
        raise ToolError("the result is too large") from None


def _tokenize(text: str) -> list[str | Fraction]:
    """Return numbers as fractions and everything else as lower-case strings.

    A comma groups digits, except within the arguments of a function that takes several.
    """
    tokens: list[str | Fraction] = []
    commas_separate: list[bool] = []
    """For each open parenthesis, whether commas in it separate arguments."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match and match[1] and commas_separate and commas_separate[-1]:
            match = _ARGUMENT_TOKEN.match(text, position)
        if not match:
            raise ToolError(f"cannot read '{text[position:].strip()[:20]}' in the expression")
        grouped, number, word, operator = match.groups()
        position = match.end()
        if grouped or number:
            tokens.append(_parse_number((grouped or number).replace(",", "")))
            continue
        token = word.lower() if word else operator
        if token == "(":
            commas_separate.append(bool(tokens) and tokens[-1] in _VARIADIC)
        elif token == ")" and commas_separate:
            commas_separate.pop()
        tokens.append(token)
    return tokens


def _parse_number(text: str) -> Fraction:
    """Return the value of a decimal number. Raise OverflowError for an exponent beyond 1000."""
    exponent = re.search(r"[eE]([+-]?\d+)$", text)
    if exponent and abs(int(exponent[1])) > 1000:
        raise OverflowError
    return Fraction(text)


class _Parser:
    """A recursive-descent parser that evaluates while it parses, one method a level of precedence.

    From the loosest to the tightest: sum, product, sign, power, postfix, operand.
    """

    def __init__(self, tokens: list[str | Fraction]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    def parse(self) -> Number:
        value = self.sum()
        if self.position < len(self.tokens):
            raise self.syntax_error()
        return value

    def peek(self, ahead: int = 0) -> str | Fraction | None:
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def take(self, *operators: str) -> str | None:
        token = self.peek()
        if isinstance(token, str) and token in operators:
            self.position += 1
            return token
        return None

    def syntax_error(self) -> ToolError:
        token = self.peek()
        if token is None:
            return ToolError("the expression is not complete")
        if isinstance(token, str) and token.isalpha() and not _starts_operand(token):
            return ToolError(f"unknown word '{token[:20]}' in the expression")
        shown = token if isinstance(token, str) else format_number(token)
        hint = "; write decimals with a point" if token == "," else ""
        return ToolError(f"unexpected '{shown}' in the expression{hint}")

    def sum(self) -> Number:
        value = self.product()
        while operator := self.take("+", "-"):
            right = self.product()
            value = add(value, right if operator == "+" else -right)
        return value

    def product(self) -> Number:
        value = self.sign()
        while True:
            if operator := self.take("*", "x", "/", "%", "mod", "of"):
                right = self.sign()
                if operator in ("*", "x", "of"):
                    value = check_size(value * right)
                else:
                    value = check_size(value / right if operator == "/" else value % right)
            elif self.peek() == "(" or (isinstance(self.peek(), str) and _starts_operand(self.peek())):
                value = check_size(value * self.power())
            else:
                return value

    def sign(self) -> Number:
        operator = self.take("+", "-")
        if not operator:
            return self.power()
        value = self.nested(self.sign)
        return -value if operator == "-" else value

    def power(self) -> Number:
        base = self.postfix()
        if self.take("^", "**"):
            return power(base, self.nested(self.sign))
        return base

    def postfix(self) -> Number:
        value = self.operand()
        while True:
            # Before another operand, % is the remainder.
            if self.peek() == "%" and not _starts_operand(self.peek(1)):
                value = check_size(value / 100)
            elif self.peek() == "°":
                value = float(value) * math.pi / 180
            else:
                return value
            self.position += 1

    def operand(self) -> Number:
        check_time()
        token = self.peek()
        if isinstance(token, Fraction):
            self.position += 1
            return token
        if self.take("("):
            value = self.nested(self.sum)
            self.closing_parenthesis()
            return value
        if token in CONSTANTS:
            self.position += 1
            return CONSTANTS[str(token)]
        if token in FUNCTIONS:
            self.position += 1
            return self.call(str(token))
        raise self.syntax_error()

    def call(self, name: str) -> Number:
        if not self.take("("):
            return apply_function(name, [self.nested(self.power)])
        arguments = [self.nested(self.sum)]
        while self.take(","):
            arguments.append(self.nested(self.sum))
        self.closing_parenthesis()
        return apply_function(name, arguments)

    def closing_parenthesis(self) -> None:
        if not self.take(")"):
            raise ToolError("a parenthesis is not closed") if self.peek() is None else self.syntax_error()

    def nested(self, rule: Callable[[], Number]) -> Number:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ToolError(f"the expression is nested more than {MAX_DEPTH} deep")
        value = rule()
        self.depth -= 1
        return value


def _starts_operand(token: str | Fraction | None) -> bool:
    return isinstance(token, Fraction) or token == "(" or token in CONSTANTS or token in FUNCTIONS
