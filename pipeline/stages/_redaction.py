"""What is personal or secret in a text, found and replaced. Each search takes time that grows with
the text and no more, whatever the text is.

Texts may be JSON as it was written, so what follows `\\n` or `\\t` in one begins there, and what
stands as `%40` or `\\u0040` is read as well (the latter by `unescaped`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address
from itertools import accumulate, islice
from typing import Final, Literal, NamedTuple

What = Literal["email", "card", "ip", "jwt", "aws_key", "bearer"]

MOST_PLACES: Final = 10_000
"""Of one text, where something is found or may be."""
MOST_DIGITS: Final = 64 << 10
"""Of one text, in runs of digits among which numbers of cards may be. A text with more of either
was made to keep the agent busy: all of it behind that is replaced as one thing."""

MOST_TOKENS: Final = 50_000
"""Brackets and quotation marks of a value that is an object or a list. One with more takes all that
there is."""

Put = Callable[[str], str]
"""What stands for a thing that was found. It is given in one spelling: a card as its digits."""


class Kind(NamedTuple):
    """One kind of thing."""

    may_have: Callable[[str], object]
    """Whether a text can have one: a quick look, false only where there is none. That of our own
    kinds (see `KINDS`) may be asked about many texts at once, joined by anything or in JSON."""
    replace: Callable[[str, Put], str]
    """The text without any of them."""
    numbers: bool = False
    """A number can be one."""


def unescaped(text: str) -> str:
    """The same JSON without `\\u00XX` where the character itself can stand."""
    return _ESCAPED.sub(_character, text) if "\\u00" in text else text


_ESCAPED: Final = re.compile(r"(?<!\\)\\++u00([2-7][0-9A-Fa-f])")
"""JSON inside of a string of JSON has two backslashes."""


def _character(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return found[0] if character in '"\\\x7f' else character


def _replaced(
    pattern: re.Pattern[str], text: str, one: Callable[[re.Match[str]], str], put: Put
) -> str:
    """The text with `one` of each match in its place, and a bound to how many there may be."""
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
    """What a pattern matches; it must be one of `compile_linear`."""

    def replace(text: str, put: Put) -> str:
        return _replaced(pattern, text, lambda found: found[0] and put(found[0]), put)

    return Kind(pattern.search, replace, numbers=True)


def is_local(pattern: str) -> bool:
    """Whether what it matches in a text it also matches where more text stands around that. Not so
    for all that looks beyond the match, or never gives back. In doubt it is not."""
    without_negation = re.sub(r"(?<!\\)\[\^", "[", pattern)
    return not re.search(r"[\^$]|\\[AZbB]|\(\?[^:P]|[*+?}]\+", without_negation)


# ------------------------------------------------------------------------- values of names

_KEY: Final = r"(?:(?<=\\[bfnrt])|(?<![\w-]))(?:{})(\\*+[\"']|)\s*+(?:=>|[:=]|%3[Dd])\s*+"
_OPENING: Final = re.compile(r"(?:[bru]|[br][br])?(\\*+)([\"'])", re.IGNORECASE)
"""Python writes `b'…'` for bytes."""
_QUOTES: Final = {quote: re.compile(rf"(?<!\\)(\\*+){quote}") for quote in "\"'"}
_STRUCTURE: Final = re.compile(r'(?<!\\)(\\*+)"|[{}\[\]]')
_CLOSES: Final = r"""[,;)\]}](?=[\s"'\\,;)\]}]|\Z)"""
_BACKSLASH: Final = r"""\\\\(?!\\{0,5}["'])|\\(?!\\{0,6}["']|[nrt\\])"""
"""Not one of those before a quotation mark, nor of a line feed or tab in JSON."""
_BARE: Final = re.compile(
    rf"""(?:(?:bearer|basic|digest|token)\s++)?(?:(?!{_CLOSES})[^\s"'&\\]|{_BACKSLASH})++""",
    re.IGNORECASE,
)
"""Without quotation marks: up to white space, one of those, or what closes what is around it."""


def named(names: Sequence[str]) -> Kind:
    """The values of these names (in small letters) in JSON, also in
    JSON inside of a string of it, in `name=value` and in `name: value`."""
    longest_first = sorted(names, key=len, reverse=True)
    key = re.compile(_KEY.format("|".join(map(re.escape, longest_first))), re.IGNORECASE)

    def may_have(text: str) -> bool:
        small = text.lower()
        return any(name in small for name in names)

    def replace(text: str, put: Put) -> str:
        pieces: list[str] = []
        done = end = places = 0
        while found := key.search(text, end):
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

    return Kind(may_have, replace)


def _value(text: str, start: int) -> tuple[int, int, bool]:
    """Where the value that begins there is, without its quotation marks, if it has some. One that
    does not end takes all that there is."""
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
    """Without the backslashes that JSON has in a text."""
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
    """Whether a quotation mark after those opens or ends a text of JSON whose own ones have `depth`
    of them: 0, or 1 in JSON inside of a text, or 3 in one inside of that."""
    return len(backslashes) % (2 * (depth + 1)) == depth


# --------------------------------------------------------------------------------- e-mail

_BEGIN: Final = r"(?:(?<=\\[bfnrt])|(?<![\w.%+-])(?<!\\(?=[bfnrt])))"
_EMAIL: Final = re.compile(_BEGIN + r"[\w.%+-]+(?:@|%40)(?:[\w-]+\.){1,127}[^\W\d_]{2,}")
_DOMAIN: Final = re.compile(r"@[\w-]+\.")
"""Starts with a literal, which `re` looks for quickly, as do all of these that are for looking."""


def _emails(text: str, put: Put) -> str:
    return _replaced(_EMAIL, text, lambda found: put(found[0].replace("%40", "@").lower()), put)


# ---------------------------------------------------------------------------------- cards

_LIKE_CARD: Final = re.compile(r"[2-6][0-9 -]{12}")
"""Takes a fifth of the time of the next one, which most texts are spared by it."""
_MAYBE_CARD: Final = re.compile(r"[2-6](?:[ -]?[0-9]){12}")
_RUN: Final = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,}+")
_DIGITS: Final = re.compile(r"[0-9]+")
_ISSUERS: Final = re.compile(
    r"220[0-4]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"
    r"|30[0-59]|3[46789]|352[89]|35[3-8]|[456]"
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DOUBLED_CODES: Final = bytes.maketrans(b"0123456789", "".join(map(str, _DOUBLED)).encode())
"""The same for their characters."""


def _may_have_card(text: str) -> object:
    return _LIKE_CARD.search(text) and _MAYBE_CARD.search(text)


def _cards(text: str, put: Put) -> str:
    pieces: list[str] = []
    done = length = 0
    for found in _RUN.finditer(text):
        run = found[0]
        if run.isdigit() and not (len(run) <= 19 and _ISSUERS.match(run)):
            continue
        length += len(run)
        if length > MOST_DIGITS:
            return "".join([*pieces, text[done : found.start()], put(text[found.start() :])])
        if run.isdigit() and not _is_checked(run):
            continue
        pieces += [text[done : found.start()], _without_cards(put, found)]
        done = found.end()
    return "".join([*pieces, text[done:]])


def _is_checked(digits: str) -> bool:
    """Luhn's check. Most numbers that look like cards end here, in a third of the time."""
    codes = digits.encode()
    total = sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED_CODES))
    return (total - ord("0") * len(codes)) % 10 == 0


def _without_cards(put: Put, found: re.Match[str]) -> str:
    """A run of digits, single spaces and dashes between them, without the numbers of cards: 13 to
    19 digits from one separator to another, of a known issuer, with Luhn's check digit."""
    run, text = found[0], found.string
    groups = [group.span() for group in _DIGITS.finditer(run)]
    if _is_part_of_more(text[max(0, found.start() - 2) : found.start()]):
        del groups[0]
    behind = text[found.end() : found.end() + 2]
    if groups and (behind[:1].isalpha() or (behind[:1] == "." and behind[1:].isdigit())):
        del groups[-1]
    digits = run.replace(" ", "").replace("-", "")
    values = list(map(int, digits))
    sums = [
        [0, *accumulate(_DOUBLED[v] if i % 2 == odd else v for i, v in enumerate(values))]
        for odd in (0, 1)
    ]
    places = dict(zip(_places(run), range(len(digits)), strict=True))
    pieces, done, first = [], 0, 0
    while first < len(groups):
        start, last = groups[first][0], None
        at = places[start]
        if _ISSUERS.match(digits, at):
            for index in range(first, min(first + 19, len(groups))):
                end = places[groups[index][1] - 1] + 1
                if end - at > 19:
                    break
                if end - at >= 13 and (sums[end % 2][end] - sums[end % 2][at]) % 10 == 0:
                    last = index
        if last is None:
            first += 1
            continue
        stop = groups[last][1]
        number = digits[at : places[stop - 1] + 1]
        pieces += [run[done:start], put(number)]
        done, first = stop, last + 1
    return "".join([*pieces, run[done:]])


def _places(run: str) -> list[int]:
    """Where the digits are."""
    return [place for place, character in enumerate(run) if character not in " -"]


def _is_part_of_more(before: str) -> bool:
    """Whether the digits after that belong to a word, or are the decimals of a number."""
    if before[-1:].isalpha():
        return not re.fullmatch(r"\\[bfnrt]", before)
    return before[-1:] == "." and before[:1].isdigit()


# ------------------------------------------------------------------------------ addresses

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_IPV4: Final = (
    r"(?=[0-9]{1,3}\.)(?:(?<![0-9A-Za-z.])|(?<=\\[bfnrt]))"
    rf"{_OCTET}(?:\.{_OCTET}){{3}}(?![0-9A-Za-z]|\.[0-9])"
)
_IPV6: Final = (
    r"(?<![0-9.])(?:(?<![0-9A-Za-z_:.])|(?<=[A-Za-z_]:)(?!:)|(?<=\\[bfnrt]))"
    r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,9}(?:\.[0-9]{1,3}){0,3}(?![0-9A-Za-z])"
)
_ADDRESS: Final = re.compile(f"(?=[0-9A-Fa-f:])(?:{_IPV6}|{_IPV4})")
_MAYBE_IPV4: Final = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_MAYBE_IPV6: Final = re.compile(r":[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")


def _may_have_address(text: str) -> object:
    return "::" in text or _MAYBE_IPV4.search(text) or _MAYBE_IPV6.search(text)


def _addresses(text: str, put: Put) -> str:
    def without(found: re.Match[str]) -> str:
        return _without_ipv6(found[0], put) if ":" in found[0] else put(found[0])

    return _replaced(_ADDRESS, text, without, put)


def _without_ipv6(text: str, put: Put) -> str:
    """What has the form of an address, perhaps with a colon behind it, a port, or a colon before,
    with or without a word. Between words, `:::` is no part of one."""
    behind = ":" if text.endswith(":") and not text.endswith("::") else ""
    text = text.removesuffix(behind)
    if _is_ipv6(text):
        return put(text) + behind
    front, _, port = text.rpartition(":")
    if port.isdigit() and front.count(":") == 7 and _is_ipv6(front):
        return f"{put(front)}:{port}{behind}"
    before, _, rest = text.partition(":")
    if (not before or ":::" not in text) and _is_ipv6(rest):
        return f"{before}:{put(rest)}{behind}"
    return text + behind


def _is_ipv6(text: str) -> bool:
    if ":::" in text or ("::" not in text and text.count(":") not in (6, 7)):
        return False  # 2 µs spared
    try:
        return IPv6Address(text).packed != bytes(16)  # `::` stands for no address, and is code
    except ValueError:
        return False


# ----------------------------------------------------------------------------- credentials

_JWT: Final = re.compile(
    r"(?<![\w-])(?>[\w-]*?eyJ)[\w-]++(?:\.[\w-]*+){2,4}",
    re.ASCII,
)
_AWS_KEY: Final = re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])")
_BEARER: Final = re.compile(
    r"""(bearer(?:\\[nrt]|[\s:="'\\]|%20){1,6})(?=[\w.~+/\\-]*[0-9]|[\w.~+/\\-]{20})([\w.~+/\\-]+=*)""",
    re.ASCII | re.IGNORECASE,
)
_AWS_PREFIXES: Final = ("AKIA", "ASIA", "ABIA", "ACCA")


def _may_have_aws_key(text: str) -> bool:
    return any(prefix in text for prefix in _AWS_PREFIXES)


def _jwts(text: str, put: Put) -> str:
    def without(found: re.Match[str]) -> str:
        before, token = found[0].split("eyJ", 1)
        return before + put("eyJ" + token)

    return _replaced(_JWT, text, without, put)


def _may_have_bearer(text: str) -> bool:
    return "earer" in text.lower()


KINDS: Final[dict[What, Kind]] = {
    "bearer": Kind(
        _may_have_bearer,
        lambda text, put: _replaced(_BEARER, text, lambda found: found[1] + put(found[2]), put),
    ),
    "jwt": Kind(lambda text: "eyJ" in text, _jwts),
    "aws_key": Kind(
        _may_have_aws_key,
        lambda text, put: _replaced(_AWS_KEY, text, lambda found: put(found[0]), put),
    ),
    "email": Kind(lambda text: _DOMAIN.search(text) or "%40" in text, _emails),
    "card": Kind(_may_have_card, _cards, numbers=True),
    "ip": Kind(_may_have_address, _addresses),
}
"""In the order in which they are looked for: of a token that holds an address, all is replaced."""
