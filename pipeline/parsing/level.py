"""Finds the level of a message that isn't parsed: by a prefix, a key, or a word in brackets or in
capitals, in its first 128 bytes; or because it is a stack trace. The stage `level` lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipeline import native
from pipeline.encode.level import SPELLINGS, UNKNOWN, WORDS, severity_of

_HEAD: Final = 128
"""Bytes of the message that are searched. After time, thread and logger comes prose."""

_ESCAPE: Final = 0x1B
_NEWLINE: Final = 0x0A
"""Numbers: `bytes` finds one in a tenth of the time that it needs for a text of one byte."""
_ERROR: Final = 3
_TRACE: Final = re.compile(
    rb"(?:Uncaught )?"
    rb"(?:(?:[A-Za-z_$][\w$]*+\.)++[A-Z][\w$]*+|(?:[A-Z][a-z0-9]*+)*?(?:Error|Exception))"
    rb"(?::|[ \t\r]*(?=\n))(?s:.*?)\n[ \t]+at \S[^\n]*[(:/]"
)
"""A stack trace that has been joined: the exception's name in the first line, then frames. What
else is in the first line is the exception's message, and may have any words in capitals."""
_BEGINS: Final = (
    b"Traceback (most recent call last):",
    b"  + Exception Group Traceback (most recent call last):",
    b'Exception in thread "',
)
"""How a stack trace begins that can be told by its first line."""
_TRACED: Final = 2048
"""Bytes of the message in which a trace has to have its first frame."""

_COLOUR: Final = re.compile(rb"\x1b\[[\d;]*m")


class LevelInText:
    """Finds the severity that a message tells."""

    def __init__(self, own: Mapping[str, int] | None = None) -> None:
        """`own`: severities of further words, or of words that mean another one here, in lower
        case."""
        self._own = own or {}
        self._begin, self._inside = patterns(self._own)

    def __call__(self, line: bytes) -> int:
        """The severity that a message tells; `UNKNOWN` if it tells none."""
        head = line[:_HEAD]
        if _ESCAPE in head:
            head = _COLOUR.sub(b"", line[: 2 * _HEAD])[:_HEAD]
        if (found := self._begin.match(head)) is not None:
            word = found[found.lastindex or 0].decode()
            if found.lastgroup == "priority":
                return int(word) % 8 if int(word) < 192 else UNKNOWN  # RFC 5424, 6.2.1
            return self._severity(word)
        if line.startswith(_BEGINS) or (_NEWLINE in line and _TRACE.match(line[:_TRACED])):
            return _ERROR
        found = self._inside.search(head)
        while found is not None:
            before = head[: found.start()][-1:]
            if found.lastgroup == "bracketed" or before not in (
                _WITHIN if found.lastgroup is None else _WORD
            ):
                return self._severity(found[found.lastindex or 0].decode("ascii", "replace"))
            found = self._inside.search(head, found.start() + 1)
        return UNKNOWN

    def of_each(self, lines: list[bytes]) -> list[int]:
        """The severity that each message tells. If none of them has a word or a sign of a level,
        as in access logs, one look at all says so."""
        if native.loops is not None and not self._own:
            found = native.loops.levels(lines, _TEXTS, _SEVERITIES, _USES, _BEGINS)
            if _ASK not in found:
                return list(found)
            pairs = zip(found, lines, strict=True)
            return [self(line) if one == _ASK else one for one, line in pairs]
        if self._own or self._may_tell(lines):
            return [self(line) for line in lines]
        return [UNKNOWN] * len(lines)

    def _may_tell(self, lines: Sequence[bytes]) -> bool:
        heads = [line[:_HEAD] for line in lines]
        if not _BEGINNINGS.isdisjoint([head[:1] for head in heads]):
            return True
        if any(_NEWLINE in line for line in lines):
            return True
        joined = b"\n".join(heads)
        return _ESCAPE in joined or native.mentions(joined, _SIGNS)

    def _severity(self, word: str) -> int:
        own = self._own.get(word.strip().lower()) if self._own else None
        return severity_of(word) if own is None else own


_ALONE_NEVER: Final = frozenset(("log", "fail", "failure", "fine"))
"""Words that are none of a level by themselves, in capitals."""


def _use(text: str) -> int:
    """As `Loops.levels` has it."""
    if text not in _ALL_WORDS:
        return 0
    if len(text) < 3:
        return 1
    return 2 if text in _ALONE_NEVER else 3


_BEGINNINGS: Final = frozenset((b"<", b"I", b"W", b"E", b"F"))
"""First bytes of a message that begins with a priority, or as klog writes it."""
_ALL_WORDS: Final = [word for some in WORDS.values() for word in some.split()]
_USUAL: Final = ("info", "error", "warn", "debug")
_SPELLINGS: Final = (
    *_USUAL,
    *sorted({one.lower() for one in SPELLINGS if isinstance(one, str)}.difference(_USUAL)),
)
_TEXTS: Final = tuple(text.encode() for text in _SPELLINGS)
_SEVERITIES: Final = bytes([severity_of(text) for text in _SPELLINGS])
_USES: Final = bytes([_use(text) for text in _SPELLINGS])
_ASK: Final = 9
"""What `Loops.levels` says of a message that it doesn't know."""
_SIGNS: Final = (
    *(word.encode() for word in _USUAL),
    *(word.encode() for word in _ALL_WORDS if len(word) > 2),
    *(b"[" + word.encode() for word in _ALL_WORDS if len(word) < 3),
    *(b"[" + space for space in (b" ", b"\t", b"\r", b"\v", b"\f")),
    *(b"level", b"lvl", b"severity", b"traceback (", b"exception"),
)
"""One of these, in either case, is in each message of one line that tells a level, unless it begins
as above."""
_WORD: Final = frozenset(bytes([byte]) for byte in range(128) if chr(byte).isalnum() or byte == 95)
_WITHIN: Final = _WORD | {b".", b"=", b"/", b"-"}
"""Bytes before a key or a word in capitals that make it a part of another word."""


def patterns(own: Iterable[str]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """The patterns of what may stand at the beginning, and of what may stand anywhere.

    A group has the word, or the whole match is the word. Each alternative of the second pattern
    begins with one character, so `re` skips all others at once: a text without a level takes 3 µs
    instead of 17.
    """
    extra = [word for word in own if re.fullmatch(r"[a-z][a-z0-9_]*", word)]
    long = [word for word in _ALL_WORDS if len(word) > 2]
    alone = [word for word in long if word not in _ALONE_NEVER]
    every, ends = _either(extra + _ALL_WORDS), _either(extra + long)
    begin = (
        r"<(?P<priority>\d{1,3})>"
        r"|([IWEF])\d{4} \d\d:\d\d:\d\d"
        rf"|(?i:({ends}))(?=:\s|:\Z)"
        rf"|<(?i:({ends}))>"
    )
    value = r"[\"']?\s?[=:]\s?[\"']?(?P<value>\w+)"
    names = {"l": r"(?:og[._]?level|evelname|evel|vl)", "s": "everity"}
    keys = "|".join(
        f"{first}(?i:{rest}){value.replace('value', f'value{first}')}"
        for low, rest in names.items()
        for first in (low, low.upper())
    )
    capitals = [f"{word.upper()}(?=:\\s)" for word in _longest_first(extra + long)]
    capitals += [f"{word.upper()}(?![\\w.=/-])" for word in _longest_first(extra + alone)]
    inside = "|".join([keys, rf"\[\s?(?P<bracketed>(?i:{every}))\s*\]", *capitals])
    return re.compile(begin.encode()), re.compile(inside.encode())


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(set(words), key=lambda word: (-len(word), word))


def _either(words: Iterable[str]) -> str:
    return "|".join(_longest_first(words))
