"""The set of characters that one item of a parsed pattern matches, as bits of an integer.

There is a bit for each ASCII character, and one for each class of other characters. A set has at
least the characters that the item matches, so two sets that do not overlap share no character.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any, Final

_LETTERS: Final = [*map(chr, range(128)), "é", "٣", "\u2003", "☃"]
"""The character of each bit: ASCII, then a word character, a digit, a space, and one of no class,
each for all others of its class."""

EVERY: Final = (1 << len(_LETTERS)) - 1
"""The set of all characters."""
_OTHERS: Final = EVERY & ~((1 << 128) - 1)
_OTHER_WORD: Final = 1 << 128
_ALIKE: Final = sum(1 << ord(letter) for letter in "IKSiks")
"""Letters that also match another one if case is ignored: k the Kelvin sign, i the dotless i, s the
long s."""
_NEWLINE: Final = 1 << ord("\n")

TEXT_END: Final = 1 << len(_LETTERS)
"""The bit for the end of the text, where `$` may match."""
DONE: Final = TEXT_END << 1
"""The bit for the end of the pattern."""
CONDITION: Final = DONE << 1
"""The bit for a condition on the position, such as a word boundary."""
LINE_END: Final = _NEWLINE | TEXT_END
"""The set of a newline and the end of the text."""

SINGLE: Final = frozenset((sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY))
"""Operations of items that match exactly one character."""

_CATEGORIES: Final = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}


def characters(operation: Any, argument: Any, flags: int) -> int:
    """The set of characters that an item matches; its operation is one of `SINGLE`.

    `operation` and `argument` are the item's in `re`'s parsed pattern, `flags` those of `re`.
    """
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
    """The set of characters that an item does not match; its operation is one of `SINGLE`."""
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
    """A set with at least the characters that any of the items matches."""
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
    """A set with at most the characters that any of the items matches.

    The bit of a class of characters is only set if all of them match.
    """
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
