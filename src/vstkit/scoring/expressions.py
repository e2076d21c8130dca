r"""Whether two mathematical answers are the same: numbers and simple expressions, exactly, with their units.

Read are numbers, + - * / ^, brackets, \frac, \sqrt, pi, mixed numbers, percent signs and units of length, area, angle
and time. What is rational is compared as such, so that 0.1 + 0.2 is 0.3 and 0.33 is not 1/3; roots and pi to nine
digits. Anything else is compared as text. Nothing is evaluated by Python, and sizes are bounded.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import NamedTuple

from vstkit.scoring.numbers import UNITS, unit_after

Value = Fraction | float

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)|(?P<name>\\?(?:[dt]?frac|sqrt|pi)(?![a-z]))"
    r"|(?P<sign>\\cdot|\\times|\\div|\*\*|[-+*/^(){}×÷·√π]))"
)
_SAME = {"\\cdot": "*", "\\times": "*", "×": "*", "·": "*", "\\div": "/", "÷": "/", "**": "^", "√": "sqrt", "π": "pi"}
_MIXED = re.compile(r"(?<![\d.])(\d{1,9})\s+(\d{1,9})\s?/\s?(\d{1,9})(?![\d.])")
_DIGITS_OVER = re.compile(r"frac\s?(\d)\s?(\d)")  # \frac12
_LONGEST, _DEEPEST, _LARGEST_POWER = 300, 40, 32


class Quantity(NamedTuple):
    """A value and its unit; "" where there is none."""

    value: Value
    unit: str


class _NoExpression(Exception):
    """What was read is no expression."""


def equal(predicted: str, truth: str) -> bool:
    """Whether a model's answer is the true one.

    A unit that one of them leaves out is taken to be the other's; different units are converted, and those of other
    kinds, such as "5 m" and "5 s", are not equal. Of "x = 3" and "1 + 2 = 3" the right side counts.
    """
    right = quantity(truth)
    if right is None:
        return _bare(predicted) == _bare(truth)
    given = quantity(predicted)
    return given is not None and _same(given, right)


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text[:4096].lower()).strip(".$")


def _same(a: Quantity, b: Quantity) -> bool:
    x, y = a.value, b.value
    if a.unit and b.unit and a.unit != b.unit:
        if "%" in (a.unit, b.unit) or UNITS[a.unit][0] != UNITS[b.unit][0]:
            return False
        x, y = _scaled(a), _scaled(b)
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x == y
    return math.isclose(x, y, rel_tol=1e-9)


def _scaled(quantity: Quantity) -> Value:
    scale = UNITS[quantity.unit][1]
    return quantity.value * (scale if quantity.unit == "rad" else Fraction(repr(scale)))


def quantity(text: str) -> Quantity | None:
    """The value of an expression with or without a unit; None for what is none. Never raises."""
    body = text[-_LONGEST:].rpartition("=")[2] if "=" in text[-_LONGEST:] else text
    body = body.strip().strip("$").rstrip(".").strip()
    if not body or len(body) > _LONGEST:
        return None
    reader = _Reader(_DIGITS_OVER.sub(r"frac{\1}{\2}", _MIXED.sub(r"(\1+\2/\3)", body)))
    try:
        value = reader.sum(0)
    except (_NoExpression, ArithmeticError, ValueError):
        return None
    rest = re.sub(
        r"\\[,;! ]|\^\s?(?:\\circ|\{\s?\\circ\s?\})", lambda m: "°" if "circ" in m[0] else " ", reader.text[reader.at :]
    )
    unit, end = ("%", len(rest)) if rest.strip() in ("%", "\\%", "percent") else unit_after(rest)
    return Quantity(value, unit) if not rest[end:].strip() else None


class _Reader:
    """Reads an expression by recursive descent; `at` is how far it got."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def peek(self) -> tuple[str, str]:
        """Kind and text of the next token; "" where there is none."""
        found = _TOKEN.match(self.text, self.at)
        if not found or not found.lastgroup:
            return "", ""
        written = found[found.lastgroup]
        return found.lastgroup, _SAME.get(written, written.lstrip("\\"))

    def take(self) -> str:
        found = _TOKEN.match(self.text, self.at)
        if not found:
            raise _NoExpression
        _, written = self.peek()
        self.at = found.end()
        return written

    def sum(self, depth: int) -> Value:
        value = self.product(depth)
        while self.peek()[1] in ("+", "-"):
            sign = self.take()
            other = self.product(depth)
            value = _checked(value + other if sign == "+" else value - other)
        return value

    def product(self, depth: int) -> Value:
        value = self.power(depth)
        while True:
            kind, token = self.peek()
            if token in ("*", "/"):
                self.take()
            elif not (kind == "name" or token in ("(", "sqrt", "pi")):
                return value
            other = self.power(depth)
            value = _checked(value / other if token == "/" else value * other)

    def power(self, depth: int) -> Value:
        value = self.atom(depth)
        before = self.at
        if self.peek()[1] != "^":
            return value
        self.take()
        if self.text[self.at :].lstrip(" {").startswith("\\circ"):  # a degree sign, which is a unit
            self.at = before
            return value
        exponent = self.atom(depth + 1)
        if math.fabs(exponent) > _LARGEST_POWER or (value < 0 and exponent != int(exponent)):
            raise _NoExpression
        if exponent != int(exponent):
            return _checked(math.pow(value, exponent))
        whole = int(exponent)
        return _checked(value**whole if isinstance(value, float) else Fraction(value**whole))

    def atom(self, depth: int) -> Value:
        if depth > _DEEPEST:
            raise _NoExpression
        kind, token = self.peek()
        self.take()
        if kind == "number" and len(token) <= 40:
            return Fraction(token.replace(",", "").removesuffix("."))
        if token in ("-", "+"):
            value = self.power(depth + 1)
            return -value if token == "-" else value
        if token in ("(", "{"):
            value = self.sum(depth + 1)
            if self.take() != {"(": ")", "{": "}"}[token]:
                raise _NoExpression
            return value
        if token.endswith("frac"):
            above = self.atom(depth + 1)
            return _checked(above / self.atom(depth + 1))
        if token == "sqrt":
            return _root(self.atom(depth + 1))
        if token == "pi":
            return math.pi
        raise _NoExpression


def _checked(value: Value) -> Value:
    """The value, where it is not too large to go on with."""
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > 1 << 12:
            raise _NoExpression
    elif not math.isfinite(value):
        raise _NoExpression
    return value


def _root(value: Value) -> Value:
    if value < 0:
        raise _NoExpression
    if isinstance(value, Fraction):
        exact = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if exact * exact == value:
            return exact
    return math.sqrt(value)
