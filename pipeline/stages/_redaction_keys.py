"""Values of names such as `password`, found in JSON, in `name=value` and in `name: value`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from pipeline import native
from pipeline.stages._redaction import MOST_PLACES, Kind, Put

MOST_TOKENS: Final = 50_000
"""Brackets and quotation marks of a value that is an object or a list. A value with more takes the
rest of the text."""

_KEY: Final = r"(?:(?<=\\[bfnrt])|(?<![\w-]))(?:{})(\\*+[\"']|)\s*+(?:=>|[:=]|%3[Dd])\s*+"
_OPENING: Final = re.compile(r"(?:[bru]|[br][br])?(\\*+)([\"'])", re.IGNORECASE)
"""Bytes are `b'…'` in Python."""
_QUOTES: Final = {quote: re.compile(rf"(?<!\\)(\\*+){quote}") for quote in "\"'"}
_STRUCTURE: Final = re.compile(r'(?<!\\)(\\*+)"|[{}\[\]]')
_CLOSES: Final = r"""[,;)\]}](?=[\s"'\\,;)\]}]|\Z)"""
_BACKSLASH: Final = r"""\\\\(?!\\{0,5}["'])|\\(?!\\{0,6}["']|[nrt\\])"""
"""A backslash that neither belongs to a quotation mark nor writes a line feed or tab in JSON."""
_BARE: Final = re.compile(
    rf"""(?:(?:bearer|basic|digest|token)\s++)?(?:(?!{_CLOSES})[^\s"'&\\]|{_BACKSLASH})++""",
    re.IGNORECASE,
)
"""A value without quotation marks: up to white space, a quotation mark, or a closing bracket."""


ASCII_IN_LOWER_CASE: Final = ("\u0130".encode(), "\u212a".encode())
"""The two characters beyond ASCII that have an ASCII letter in lower case: a dotted I and the sign
of the kelvin."""


def named(names: Sequence[str]) -> Kind:
    """The kind of the values that have one of these names, which are in small letters.

    Values are found in JSON, also in JSON inside a string of JSON, in `name=value` and in
    `name: value`. The case of a name doesn't matter.
    """
    longest_first = sorted(names, key=len, reverse=True)
    key = re.compile(_KEY.format("|".join(map(re.escape, longest_first))), re.IGNORECASE)

    def may_have(text: str) -> bool:
        small = text.lower()
        for name in names:  # noqa: SIM110 - `any` with a generator takes three times as long
            if name in small:
                return True
        return False

    plain = tuple(name.encode() for name in names if name.isascii())

    def may_be_in(texts: bytes) -> bool:
        if native.mentions(texts, plain):
            return True
        if texts.isascii():
            return False
        return len(plain) < len(names) or any(one in texts for one in ASCII_IN_LOWER_CASE)

    def places_in(texts: Sequence[bytes]) -> list[int]:
        mention = native.mentions if native.loops is None else native.loops.mentions
        return [
            place
            for place, text in enumerate(texts)
            if mention(text, plain) or (not text.isascii() and may_be_in(text))
        ]

    def replace(text: str, put: Put) -> str:
        pieces: list[str] = []
        done = places = 0
        end, last = _reach(text, names)
        while end <= last and (found := key.search(text, end)):
            end = found.end()
            if (places := places + 1) > MOST_PLACES:
                return "".join([*pieces, text[done:end], put(text[end:])])
            if found[1] and text[found.start() - 1 : found.start()] not in (found[1][-1], "."):
                continue  # the last word of a longer name
            start, end, is_quoted = _value(text, end)
            value = text[start:end]
            if value and (is_quoted or value != "null"):
                quote = "" if is_quoted else found[1]
                pieces += [text[done:start], quote, put(_read(value)), quote]
                done = end
        return "".join([*pieces, text[done:]])

    return Kind(may_have, replace, may_be_in, places_in=places_in)


def _reach(text: str, names: Sequence[str]) -> tuple[int, int]:
    """The first and the last place where one of the names may begin; -1 as the last for none. The
    pattern says exactly where, but takes its time at every character before and behind."""
    if not (text.isascii() and all(map(str.isascii, names))):
        return 0, len(text)  # `lower` could move something, or other letters be equal
    small = text.lower()
    places = [place for name in names if (place := small.find(name)) >= 0]
    return min(places, default=0), max(map(small.rfind, names))


def _value(text: str, start: int) -> tuple[int, int, bool]:
    """Start and end of the value at `start`, without quotation marks, and whether it has them.

    A value without an end takes the rest of the text.
    """
    if opening := _OPENING.match(text, start):
        depth = len(opening[1])
        for quote in _QUOTES[opening[2]].finditer(text, opening.end()):
            if _is_at(depth, quote[1]):
                return opening.end(), quote.end() - 1 - depth, True
        return opening.end(), len(text), True
    if text.startswith(("{", "["), start):
        return start, _end_of_structure(text, start), False
    bare = _BARE.match(text, start)
    return start, bare.end() if bare else start, False


def _read(value: str) -> str:
    """The value that JSON writes so, with its escapes resolved if they are valid."""
    try:
        return str(json.loads(f'"{value}"')) if "\\" in value else value
    except ValueError:
        return value


def _end_of_structure(text: str, start: int) -> int:
    depth, levels, inside = -1, 0, False
    for token in islice(_STRUCTURE.finditer(text, start), MOST_TOKENS):
        if token[1] is not None:
            depth = len(token[1]) if depth < 0 else depth
            inside ^= _is_at(depth, token[1])
        elif not inside:
            levels += 1 if token[0] in "{[" else -1
            if not levels:
                return token.end()
    return len(text)


def _is_at(depth: int, backslashes: str) -> bool:
    """Whether a quotation mark after these backslashes opens or ends a string at `depth`.

    `depth` is how many backslashes stand before the quotation marks of the JSON: 0; 1 in JSON
    inside a string; 3 in JSON inside a string of that.
    """
    return len(backslashes) % (2 * (depth + 1)) == depth
