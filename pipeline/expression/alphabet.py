"""Sets of characters, as the bits of an integer, of what one item of a parsed pattern matches.

A bit stands for each ASCII character, and one for each kind of the others. A set is never smaller
than what the item matches, so two that do not overlap have no character in common.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any, Final

_LETTERS: Final = [*map(chr, range(128)), "é", "٣", "\u2003", "☃"]
"""ASCII; and a word character, a digit, a space and a character of no class for all others."""

EVERY: Final = (1 << len(_LETTERS)) - 1
_OTHERS: Final = EVERY & ~((1 << 128) - 1)
_OTHER_WORD: Final = 1 << 128
_ALIKE: Final = sum(1 << ord(letter) for letter in "IKSiks")
"""Also match another letter where case does not matter: k the Kelvin sign, i a dotless one, s the
long one."""
_NEWLINE: Final = 1 << ord("\n")

TEXT_END: Final = 1 << len(_LETTERS)
"""Not a character: where `$` may match."""
DONE: Final = TEXT_END << 1
"""Not a character: the end of the pattern."""
CONDITION: Final = DONE << 1
"""Not a character: a condition on the place, such as a word boundary."""
LINE_END: Final = _NEWLINE | TEXT_END

SINGLE: Final = frozenset((sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY))
"""Items that match one character."""

_CATEGORIES: Final = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}


def characters(operation: Any, argument: Any, flags: int) -> int:
    """What an item of `SINGLE` matches."""
    if operation is sre.ANY:
        return EVERY if flags & re.DOTALL else EVERY & ~_NEWLINE
    if operation is sre.LITERAL:
        return _one_of([(operation, argument)], flags)
    if operation is sre.NOT_LITERAL:
        return EVERY & ~_wholly([(sre.LITERAL, argument)], flags)
    if argument[0][0] is sre.NEGATE:
        return EVERY & ~_wholly(argument[1:], flags)
    return _one_of(argument, flags)


def others(operation: Any, argument: Any, flags: int) -> int:
    """What an item of `SINGLE` does not match."""
    if operation is sre.ANY:
        return 0 if flags & re.DOTALL else _NEWLINE
    if operation is sre.LITERAL:
        return characters(sre.NOT_LITERAL, argument, flags)
    if operation is sre.NOT_LITERAL:
        return characters(sre.LITERAL, argument, flags)
    if argument[0][0] is sre.NEGATE:
        return _one_of(argument[1:], flags)
    return characters(sre.IN, [(sre.NEGATE, None), *argument], flags)


def _one_of(items: list[Any], flags: int) -> int:
    """At least all that one of the items matches."""
    found = _wholly(items, flags)
    for operation, argument in items:
        if operation is sre.LITERAL and argument > 127:
            found |= _kind(chr(argument))
        elif operation is sre.RANGE and argument[1] > 127:
            found |= _OTHERS
    if flags & re.IGNORECASE:
        folded = [ord(chr(code).swapcase()) for code in range(128) if found >> code & 1]
        found |= sum({1 << code for code in folded})
        found |= _OTHER_WORD * bool(found & _ALIKE) | _OTHERS * bool(found & _OTHERS)
    return found


def _wholly(items: list[Any], flags: int) -> int:
    """At most what one of the items matches, bits for many characters only where all match."""
    found = 0
    for operation, argument in items:
        if operation is sre.CATEGORY:
            found |= _category(_CATEGORIES[argument], flags)
        elif operation is sre.RANGE:
            low, high = argument
            found |= sum(1 << code for code in range(low, min(high, 127) + 1))
        elif argument <= 127:
            found |= 1 << argument
    return found


def _category(escape: str, flags: int) -> int:
    matches = re.compile(escape, flags & re.ASCII).match
    return sum(1 << bit for bit, letter in enumerate(_LETTERS) if matches(letter))


def _kind(letter: str) -> int:
    """The bit of a character that is not ASCII."""
    for bit, escape in enumerate((r"\d", r"\w", r"\s")):
        if re.match(escape, letter):
            return 1 << 128 + (1, 0, 2)[bit]
    return 1 << 131
