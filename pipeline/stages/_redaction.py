"""What each kind of thing that `redact` replaces is made of, and patterns of the user's own.

A search takes time that grows with the length of the text and no more, whatever the text is. Texts
may be JSON as it was written: a thing may begin after `\\n` or `\\t` in one. `%40` is read as `@`;
`\\u0040` is, too, after `unescaped`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

MOST_PLACES: Final = 10_000
"""Places of one text where something is found, or may be. A text with more was made to keep the
agent busy: all of it behind the last place is replaced as one thing."""

Put = Callable[[str], str]
"""From a thing that was found to the text that replaces it. A thing has one spelling: a card is its
digits, an e-mail address is in small letters."""


class Kind(NamedTuple):
    """One kind of thing, such as e-mail addresses."""

    may_have: Callable[[str], object]
    """A quick test whether a text may have one. False only if there is none."""
    replace: Callable[[str, Put], str]
    """`replace(text, put)`: the text with `put(thing)` in place of each thing."""
    may_be_in: Callable[[bytes], object] | None = None
    """A quicker test of many texts at once, joined by anything or written as JSON. They are UTF-8,
    or whatever a container has written. False only if `may_have` is false for each of them; a text
    in which `unescaped` changes something has to be tested by itself. A user's own pattern has
    none."""
    numbers: bool = False
    """Whether a number in the fields of an entry can be one."""
    places_in: Callable[[Sequence[bytes]], list[int]] | None = None
    """The indexes of the texts for which `may_be_in` is true. Without it, each is asked for."""


def unescaped(text: str) -> str:
    """The text with `\\u00XX` replaced by its character, where JSON allows that character."""
    return _ESCAPED.sub(_character, text) if "\\u00" in text else text


def is_escaped(texts: bytes) -> bool:
    """Whether `unescaped` may change one of these texts, which are joined by anything, or digits in
    one run into those of an escape: then nothing can be said of what is written so."""
    return _BACKSLASH in texts and _ESCAPED_IN_BYTES.search(texts) is not None


def is_literal(texts: bytes) -> bool:
    """Whether each text that is written in this JSON stands in it as it is, but for quotation
    marks, backslashes, slashes and control characters."""
    return _BACKSLASH not in texts or _ESCAPED_CHARACTER.search(texts) is None


_BACKSLASH: Final = ord("\\")
_ESCAPED_IN_BYTES: Final = re.compile(rb"\\u00(?:[2-7]|[01][0-9][0-9])")
_ESCAPED_CHARACTER: Final = re.compile(rb"\\u(?!00[01])")
_ESCAPED: Final = re.compile(r"(?<!\\)\\++u00([2-7][0-9A-Fa-f])")
"""JSON inside of a string of JSON has two backslashes."""


def _character(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return found[0] if character in '"\\\x7f' else character


def replaced(
    pattern: re.Pattern[str], text: str, one: Callable[[re.Match[str]], str], put: Put
) -> str:
    """The text with `one(match)` in place of each match of the pattern.

    Behind `MOST_PLACES` matches all the rest becomes `put(rest)`.
    """
    end = 0

    def noting(found: re.Match[str]) -> str:
        nonlocal end
        end = found.end()
        return one(found)

    new, places = pattern.subn(noting, text, MOST_PLACES)
    behind = len(text) - end
    if places < MOST_PLACES or not behind:
        return new
    return new[:-behind] + put(text[end:])


def own(pattern: re.Pattern[str]) -> Kind:
    """The kind that a user's pattern matches. It must come from `compile_linear`."""

    def replace(text: str, put: Put) -> str:
        return replaced(pattern, text, lambda found: found[0] and put(found[0]), put)

    return Kind(pattern.search, replace, numbers=True)


def is_local(pattern: str) -> bool:
    """Whether the pattern matches a text wherever the text stands, with anything around it.

    Not so for patterns that look around the match (`^`, `$`, `\\b`, lookarounds) or have possessive
    repeats. False in doubt.
    """
    without_negation = re.sub(r"(?<!\\)\[\^", "[", pattern)
    return not re.search(r"[\^$]|\\[AZbB]|\(\?[^:P]|[*+?}]\+", without_negation)
