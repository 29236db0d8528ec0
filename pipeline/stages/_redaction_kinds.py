"""Personal data and credentials: how each kind is recognized in a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv6Address
from itertools import accumulate
from typing import Final, Literal

from pipeline import native
from pipeline.stages._redaction import MOST_PLACES, Kind, Put, replaced

What = Literal["email", "card", "ip", "jwt", "aws_key", "bearer"]
"""The names of the kinds."""

MOST_DIGITS: Final = 64 << 10
"""Digits of one text, in runs that may have numbers of cards. A text with more was made to keep the
agent busy: all of it behind them is replaced as one thing."""

# --------------------------------------------------------------------------------- e-mail

_BEGIN: Final = r"(?:(?<=\\[bfnrt])|(?<![\w.%+-])(?<!\\(?=[bfnrt])))"
_EMAIL: Final = re.compile(_BEGIN + r"[\w.%+-]+(?:@|%40)(?:[\w-]+\.){1,127}[^\W\d_]{2,}")
_DOMAIN: Final = re.compile(r"@[\w-]+\.")
"""For the quick test. Such patterns start with a literal, which `re` finds quickly."""
_DOMAIN_IN_BYTES: Final = re.compile(rb"@[\w\x80-\xff-]+\.")
_AT, _PERCENT = b"@%"
"""As numbers, which are found in bytes five times as fast as bytes are."""


def _may_have_email(text: str) -> object:
    return ("@" in text and _DOMAIN.search(text)) or "%40" in text


def _may_be_email_in(texts: bytes) -> object:
    return (_AT in texts and _DOMAIN_IN_BYTES.search(texts)) or (
        _PERCENT in texts and b"%40" in texts
    )


def _places_of_emails(texts: Sequence[bytes]) -> list[int]:
    has_domain = _DOMAIN_IN_BYTES.search
    return [
        place
        for place, text in enumerate(texts)
        if (_AT in text and has_domain(text)) or (_PERCENT in text and b"%40" in text)
    ]


def _emails(text: str, put: Put) -> str:
    """Searches from the word on in which the first `@` stands, and not behind the last: the pattern
    is slow everywhere."""
    ats = [place for sign in ("@", "%40") if (place := text.find(sign)) >= 0]
    if not ats:
        return text
    first, last = min(ats), max(text.rfind("@"), text.rfind("%40"))
    start = max(text.rfind(" ", 0, first), text.rfind('"', 0, first)) + 1
    pieces: list[str] = []
    done = places = 0
    while start <= last and places < MOST_PLACES and (found := _EMAIL.search(text, start)):
        start = found.end()
        pieces += [text[done : found.start()], put(found[0].replace("%40", "@").lower())]
        done, places = start, places + 1
    rest = text[done:]
    return "".join([*pieces, put(rest) if rest and places == MOST_PLACES else rest])


# ---------------------------------------------------------------------------------- cards

_LIKE_CARD: Final = re.compile(r"[2-6][0-9 -]{12}")
"""Five times as fast as the next one, and enough for most texts."""
_MAYBE_CARD: Final = re.compile(r"[2-6](?:[ -]?[0-9]){12}")
_RUN: Final = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,}+")
_DIGITS: Final = re.compile(r"[0-9]+")
_ISSUERS: Final = re.compile(
    r"220[0-4]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"
    r"|30[0-59]|3[46789]|352[89]|35[3-8]|[456]"
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DOUBLED_CODES: Final = bytes.maketrans(b"0123456789", "".join(map(str, _DOUBLED)).encode())
"""The same for the characters of digits."""


def _may_have_card(text: str) -> object:
    like = _LIKE_CARD.search(text)
    return like and _MAYBE_CARD.search(text, like.start())


_LIKE_CARD_IN_BYTES: Final = re.compile(_LIKE_CARD.pattern.encode())
_RUN_IN_BYTES: Final = re.compile(_RUN.pattern.encode())
_MAYBE_CARD_IN_BYTES: Final = re.compile(_MAYBE_CARD.pattern.encode())


def _may_be_card_in(texts: bytes) -> bool:
    """Looks at each run of digits as `_cards` does, but for what stands around it."""
    if native.loops is not None:
        return native.loops.cards(texts)
    return bool(_LIKE_CARD_IN_BYTES.search(texts)) and runs_may_be_cards(texts)


def _places_of_cards(texts: Sequence[bytes]) -> list[int]:
    may_be = _may_be_card_in if native.loops is None else native.loops.cards
    return [place for place, text in enumerate(texts) if may_be(text)]


def runs_may_be_cards(texts: bytes) -> bool:
    """The loop in Python for `Loops.cards`."""
    without = 0
    for found in _RUN_IN_BYTES.finditer(texts):
        run = found[0]
        if run.isdigit():
            if len(run) > 19 or run[0] not in b"23456":
                continue
            if _is_checked(run):
                return True
        elif _MAYBE_CARD_IN_BYTES.search(run):
            return True
        without += len(run)
        if without > MOST_DIGITS:
            return True
    return False


def _cards(text: str, put: Put) -> str:
    pieces: list[str] = []
    done = length = 0
    for found in _RUN.finditer(text) if len(text) > MOST_DIGITS else _runs(text):
        run = found[0]
        has_only_digits = run.isdigit()
        if has_only_digits and not (len(run) <= 19 and _ISSUERS.match(run)):
            continue
        length += len(run)
        if length > MOST_DIGITS:
            return "".join([*pieces, text[done : found.start()], put(text[found.start() :])])
        if has_only_digits and not _is_checked(run.encode()):
            continue
        pieces += [text[done : found.start()], _without_cards(put, found)]
        done = found.end()
    return "".join([*pieces, text[done:]])


def _runs(text: str) -> Iterator[re.Match[str]]:
    """The runs that may have a card: `_LIKE_CARD` matches somewhere in each. `_RUN` is slow."""
    end = 0
    while like := _LIKE_CARD.search(text, end):
        before = text[end : like.start()].rstrip("0123456789 -")
        found = _RUN.search(text, end + len(before))
        if found is None:
            return
        yield found
        end = found.end()


def _is_checked(codes: bytes) -> bool:
    """Whether Luhn's check digit of these digits is right. Three times as fast as the search for
    groups."""
    total = sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED_CODES))
    return (total - ord("0") * len(codes)) % 10 == 0


def _without_cards(put: Put, found: re.Match[str]) -> str:
    """A run of digits with single spaces and dashes, without the numbers of cards.

    A card has 13 to 19 digits between two separators, a known issuer, and the right check digit.
    """
    run, text = found[0], found.string
    digits = run.replace(" ", "").replace("-", "")
    before = text[max(0, found.start() - 2) : found.start()]
    behind = text[found.end() : found.end() + 2]
    goes_on = behind[:1].isalpha() or (behind[:1] == "." and behind[1:].isdigit())
    is_alone = not (goes_on or _is_part_of_more(before))
    if is_alone and len(digits) <= 19 and _ISSUERS.match(digits) and _is_checked(digits.encode()):
        return put(digits)
    groups = [group.span() for group in _DIGITS.finditer(run)]
    if _is_part_of_more(before):
        del groups[0]
    if groups and goes_on:
        del groups[-1]
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
    """The indexes of the digits."""
    return [place for place, character in enumerate(run) if character not in " -"]


def _is_part_of_more(before: str) -> bool:
    """Whether digits after `before` belong to a word, or are the decimals of a number."""
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

    return replaced(_ADDRESS, text, without, put)


def _without_ipv6(text: str, put: Put) -> str:
    """Replaces the address in a text of its form, keeping what stands around it.

    That may be a colon or a port behind it, or a colon before it, with or without a word. `:::`
    between words is no part of an address.
    """
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
        return False  # saves 2 µs
    try:
        return IPv6Address(text).packed != bytes(16)  # `::` alone is no address: code has it
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

    return replaced(_JWT, text, without, put)


def _may_have_bearer(text: str) -> bool:
    return "earer" in text.lower()


def _mention(*words: bytes) -> Callable[[bytes], bool]:
    return lambda texts: native.mentions(texts, words)


def _may_be_address_in(texts: bytes) -> object:
    return _may_have_address(texts.decode("utf-8", "surrogateescape"))


KINDS: Final[dict[What, Kind]] = {
    "bearer": Kind(
        _may_have_bearer,
        lambda text, put: replaced(_BEARER, text, lambda found: found[1] + put(found[2]), put),
        _mention(b"earer"),
    ),
    "jwt": Kind(lambda text: "eyJ" in text, _jwts, _mention(b"eyj")),
    "aws_key": Kind(
        _may_have_aws_key,
        lambda text, put: replaced(_AWS_KEY, text, lambda found: put(found[0]), put),
        _mention(*(prefix.lower().encode() for prefix in _AWS_PREFIXES)),
    ),
    "email": Kind(_may_have_email, _emails, _may_be_email_in, places_in=_places_of_emails),
    "card": Kind(_may_have_card, _cards, _may_be_card_in, True, _places_of_cards),
    "ip": Kind(_may_have_address, _addresses, _may_be_address_in),
}
"""In the order of the search: a token that contains an address is replaced as a whole."""
