"""Comparison, arithmetic and conversion of values in a running expression.

The rules for JSON's values and `MISSING`:

- A comparison with a missing value is false, whatever the operator.
- A text is compared with a number as a number (`"503" >= 500`), and with a boolean as the word
  (`"true" == True`). Two texts compare as texts.
- A boolean is not a number. None equals only None. Lists and objects equal nothing.
- Values without an order, a sum or a conversion give false or `MISSING`, never an exception.

Generated code calls these functions only if its own fast comparison does not apply.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.model.records import MISSING
from pipeline.model.timestamps import whole_seconds

NUMBERS: Final = frozenset((int, float))
"""The types of numbers; `bool` is not one."""

LARGEST: Final = 2**64
"""Larger whole numbers become floating point, so that products cannot grow without limit."""

_SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z", re.ASCII)
_SPELLED: Final = re.compile(r"\s*[-+]?\d{1,30}(\.\d{0,30})?([eE][-+]?\d{1,3})?\s*", re.ASCII)


# ----------------------------------------------------------------------------- comparisons


def equal(a: Any, b: Any) -> bool:
    """`a == b` by the rules above."""
    kind, other = type(a), type(b)
    if kind is other:
        return kind in _SCALARS and bool(a == b)
    if kind in NUMBERS and other in NUMBERS:
        return bool(a == b)
    if kind is str:
        return _spells(a, b)
    return other is str and _spells(b, a)


def unequal(a: Any, b: Any) -> bool:
    """`a != b`: false if either is missing."""
    return a is not MISSING and b is not MISSING and not equal(a, b)


def less(a: Any, b: Any) -> bool:
    """`a < b`: false for values without an order."""
    pair = _ordered(a, b)
    return pair is not None and pair[0] < pair[1]


def at_most(a: Any, b: Any) -> bool:
    """`a <= b`: false for values without an order."""
    pair = _ordered(a, b)
    return pair is not None and pair[0] <= pair[1]


def greater(a: Any, b: Any) -> bool:
    """`a > b`: false for values without an order."""
    return less(b, a)


def at_least(a: Any, b: Any) -> bool:
    """`a >= b`: false for values without an order."""
    return at_most(b, a)


def _spells(text: str, value: Any) -> bool:
    if type(value) is bool:
        return text.lower() == ("true" if value else "false")
    return type(value) in NUMBERS and number(text) == value


def _ordered(a: Any, b: Any) -> tuple[Any, Any] | None:
    """Both values in a form that can be ordered: two texts or two numbers; None if neither fits."""
    if type(a) is str and type(b) is str:
        return a, b
    a, b = number(a), number(b)
    return None if a is None or b is None else (a, b)


# ------------------------------------------------------------------------------ membership


def contains(container: Any, item: Any) -> bool:
    """Whether a text contains the substring, a list the item, or an object the key."""
    if type(container) is str or isinstance(container, Mapping):
        return type(item) is str and item in container
    return type(container) is list and any(equal(one, item) for one in container)


def lacks(container: Any, item: Any) -> bool:
    """`not in`: the opposite of `contains`, but false for missing items and other containers."""
    if item is MISSING or not isinstance(container, (str, list, Mapping)):
        return False
    return not contains(container, item)


def one_of(value: Any, options: tuple[Any, ...]) -> bool:
    """Whether the value equals one of the options."""
    return any(equal(value, option) for option in options)


def none_of(value: Any, options: tuple[Any, ...]) -> bool:
    """Whether the value is present and equals none of the options."""
    return value is not MISSING and not one_of(value, options)


# -------------------------------------------------------------------------------- numbers


def number(value: Any) -> int | float | None:
    """A number, or a text that is one, as a number; None for anything else, "inf" and "nan" too."""
    kind = type(value)
    if kind is str:
        found = _SPELLED.fullmatch(value)
        if not found:
            return None
        value = float(value) if found[1] or found[2] else int(value)
    elif kind not in NUMBERS:
        return None
    return None if type(value) is float and not math.isfinite(value) else value


def to_int(value: Any) -> Any:
    """A number, or a text that is one, as a whole number, truncated; otherwise `MISSING`."""
    found = number(value)
    return MISSING if found is None else int(found)


def to_float(value: Any) -> Any:
    """A number, or a text that is one, as floating point; otherwise `MISSING`."""
    return multiply(value, 1.0)


def epoch(value: Any) -> Any:
    """Seconds since 1970 of a time as `time` has it, in UTC; otherwise `MISSING`."""
    found = type(value) is str and _MOMENT.fullmatch(value)
    if not found:
        return MISSING
    try:
        return whole_seconds(found[1].encode()) + float(found[2] or 0)
    except (ValueError, OverflowError):
        return MISSING


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operation on two numbers; its result is `MISSING` for other values, or if not finite."""

    def run(a: Any, b: Any) -> Any:
        if type(a) not in NUMBERS or type(b) not in NUMBERS:
            a, b = number(a), number(b)
            if a is None or b is None:
                return MISSING
        try:
            result = operation(a, b)
            if -LARGEST <= result <= LARGEST:
                return result
            result = float(result)
        except (ZeroDivisionError, OverflowError):
            return MISSING
        return result if math.isfinite(result) else MISSING

    return run


add = _arithmetic(operator.add)
subtract = _arithmetic(operator.sub)
multiply = _arithmetic(operator.mul)
divide = _arithmetic(operator.truediv)
floor_divide = _arithmetic(operator.floordiv)
remainder = _arithmetic(operator.mod)


def negative(value: Any) -> Any:
    """`-value`, or `MISSING` for anything but a number."""
    return subtract(0, value)


# ----------------------------------------------------------------------------------- texts


def length(value: Any) -> Any:
    """The length of a text, list or object; otherwise `MISSING`."""
    return len(value) if isinstance(value, (str, list, Mapping)) else MISSING


def lower(value: Any) -> Any:
    """A text in lower case; otherwise `MISSING`."""
    return value.lower() if type(value) is str else MISSING


def upper(value: Any) -> Any:
    """A text in upper case; otherwise `MISSING`."""
    return value.upper() if type(value) is str else MISSING


def startswith(value: Any, prefix: Any) -> bool:
    """Whether both are texts, and `value` starts with `prefix`."""
    return type(value) is str and type(prefix) is str and value.startswith(prefix)


def endswith(value: Any, suffix: Any) -> bool:
    """Whether both are texts, and `value` ends with `suffix`."""
    return type(value) is str and type(suffix) is str and value.endswith(suffix)
