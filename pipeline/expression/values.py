"""How values compare, convert and read, while an expression runs.

The rules, for the values that JSON has and for `MISSING`:

- A comparison with what is missing is false, whatever the operator.
- Text is compared with a number as the number that it spells (`"503" >= 500`), and with a truth
  value as the word (`"true" == True`). Two texts compare as texts.
- A truth value is no number. Null equals null and nothing else. A list or an object equals
  nothing.
- What has no order, has no sum or cannot be converted gives false or `MISSING`, never an exception.

Generated code calls these only where its own quick comparison does not apply.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.model.records import MISSING

NUMBERS: Final = frozenset((int, float))
"""Types that are numbers; `bool` is not one."""

LARGEST: Final = 2**64
"""Whole numbers of a larger magnitude go on as floating point, so that no product can grow."""

_SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_SPELLED: Final = re.compile(r"\s*[-+]?\d{1,30}(\.\d{0,30})?([eE][-+]?\d{1,3})?\s*", re.ASCII)


# ----------------------------------------------------------------------------- comparisons


def equal(a: Any, b: Any) -> bool:
    kind, other = type(a), type(b)
    if kind is other:
        return kind in _SCALARS and bool(a == b)
    if kind in NUMBERS and other in NUMBERS:
        return bool(a == b)
    if kind is str:
        return _spells(a, b)
    return other is str and _spells(b, a)


def unequal(a: Any, b: Any) -> bool:
    return a is not MISSING and b is not MISSING and not equal(a, b)


def less(a: Any, b: Any) -> bool:
    pair = _ordered(a, b)
    return pair is not None and pair[0] < pair[1]


def at_most(a: Any, b: Any) -> bool:
    pair = _ordered(a, b)
    return pair is not None and pair[0] <= pair[1]


def greater(a: Any, b: Any) -> bool:
    return less(b, a)


def at_least(a: Any, b: Any) -> bool:
    return at_most(b, a)


def _spells(text: str, value: Any) -> bool:
    if type(value) is bool:
        return text.lower() == ("true" if value else "false")
    return type(value) in NUMBERS and number(text) == value


def _ordered(a: Any, b: Any) -> tuple[Any, Any] | None:
    """The two as values that have an order."""
    if type(a) is str and type(b) is str:
        return a, b
    a, b = number(a), number(b)
    return None if a is None or b is None else (a, b)


# ------------------------------------------------------------------------------ membership


def contains(container: Any, item: Any) -> bool:
    """Whether a text has the part, a list the item, an object the key."""
    if type(container) is str or isinstance(container, Mapping):
        return type(item) is str and item in container
    return type(container) is list and any(equal(one, item) for one in container)


def lacks(container: Any, item: Any) -> bool:
    """The opposite of `contains`; false where that makes no sense."""
    if item is MISSING or not isinstance(container, (str, list, Mapping)):
        return False
    return not contains(container, item)


def one_of(value: Any, options: tuple[Any, ...]) -> bool:
    return any(equal(value, option) for option in options)


def none_of(value: Any, options: tuple[Any, ...]) -> bool:
    return value is not MISSING and not one_of(value, options)


# -------------------------------------------------------------------------------- numbers


def number(value: Any) -> int | float | None:
    """The number that a value is or spells; None for all else, "inf" and "nan" included."""
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
    found = number(value)
    return MISSING if found is None else int(found)


def to_float(value: Any) -> Any:
    return multiply(value, 1.0)


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The operation on two numbers; `MISSING` without them, or without a finite result."""

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
    return subtract(0, value)


# ----------------------------------------------------------------------------------- texts


def length(value: Any) -> Any:
    return len(value) if isinstance(value, (str, list, Mapping)) else MISSING


def lower(value: Any) -> Any:
    return value.lower() if type(value) is str else MISSING


def upper(value: Any) -> Any:
    return value.upper() if type(value) is str else MISSING


def startswith(value: Any, prefix: Any) -> bool:
    return type(value) is str and type(prefix) is str and value.startswith(prefix)


def endswith(value: Any, suffix: Any) -> bool:
    return type(value) is str and type(suffix) is str and value.endswith(suffix)
