"""The order of severities: `at_least(level, "error")`, for every spelling of `encode.level`.

Texts and numbers have another order: "critical" is less than "error", pino's 50 is more severe than
30, syslog's 3 more severe than 6. So `<` and `>` on a level are refused, with what to write.
"""

from __future__ import annotations

import ast
from typing import Any, Final

from pipeline.encode.level import LEVELS, UNKNOWN, at_least, severity_of
from pipeline.expression.code import Code, Namespace
from pipeline.expression.syntax import Keys
from pipeline.model.errors import ConfigError
from pipeline.support.mistyped import meant
from pipeline.support.quoted import quoted

USAGE: Final = 'at_least(level, "error")'
NAMES: Final[tuple[Keys, ...]] = (("level",), ("log", "level"))
"""The names whose values have no order but that of severities."""

_LONGEST: Final = 40
"""Characters of a mistyped level that are compared with the right ones."""
_BELOW: Final = (ast.Lt, ast.LtE)
_WITHOUT_EQUAL: Final = (ast.Lt, ast.Gt)


class _AtLeast(dict[Any, bool]):
    """Whether a value is at least as severe as a level; a usual spelling costs one look-up."""

    def __init__(self, least: int) -> None:
        super().__init__(at_least(least))
        self._least = least

    def __missing__(self, value: Any) -> bool:
        return severity_of(value) <= self._least


def build(namespace: Namespace, arguments: tuple[Code, ...]) -> Code:
    """The code of a call of `at_least`. Raises `ConfigError` for a level that is none."""
    value, level = arguments
    if value.is_literal:
        raise ConfigError(f"the field comes first, then the level, as in {USAGE}")
    if not level.is_literal or isinstance(level.literal, tuple):
        raise ConfigError(f"the level is one text in quotes, as in {USAGE}")
    severity = severity_of(level.literal)
    if severity == UNKNOWN:
        near = meant(str(level.literal)[:_LONGEST], LEVELS)
        hint = f'did you mean "{near}"?' if near else f"there are {', '.join(LEVELS)}"
        raise ConfigError(f"there is no level {quoted(level.literal)}; {hint}")
    known = namespace.constant(_AtLeast(severity))
    x = namespace.fresh()  # 70 ns for a usual spelling, as much as for the whole column at once
    number = f"type({x}) in NUMBERS and {known}[{x}]"
    return Code(f"({known}[{x}] if type({x} := {value.source}) is str else {number})", "boolean")


def instead_of_order(name: str, operator: ast.cmpop, value: Any) -> str:
    """What to write for `name < value`, where `name` is that of a level.

    `value` is a literal, or None for anything else.
    """
    severity = UNKNOWN if value is None else severity_of(value)
    is_below, without_equal = isinstance(operator, _BELOW), isinstance(operator, _WITHOUT_EQUAL)
    if isinstance(value, (int, float)) and value < len(LEVELS):
        is_below = not is_below  # syslog's numbers: the smaller, the more severe
    if is_below is not without_equal:  # `<=` and `>` begin at the next more severe one
        severity = severity - 1 if 0 < severity < UNKNOWN else UNKNOWN
    if severity == UNKNOWN:
        return USAGE.replace("level", name)
    word = value if isinstance(value, str) and severity_of(value) == severity else LEVELS[severity]
    return f'{"not " if is_below else ""}at_least({name}, "{word}")'
