"""What an entry says, for people: its level, its text, and the fields that are not in that text.

`ERROR   POST /orders  status=500 duration_ms=12` is how a JSON line is shown that was parsed. Its
text is the first of `TEXTS`. A message that is nothing but its fields is not shown beside them, and
a level in capitals at its beginning not twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from pipeline.encode.harmless import RESET, harmless
from pipeline.encode.level import KEYS, LEVELS, UNKNOWN, severity_of
from pipeline.encode.pairs import pairs
from pipeline.model.records import NOT_JSON, RESERVED
from pipeline.model.utf8 import without_surrogates

TEXTS: Final = ("message", "msg", "@m", "event")
"""Fields of a parsed entry in which libraries write the text, in the order in which they count."""

LEVEL_COLOURS: Final = (b"1;31", b"1;31", b"1;31", b"31", b"33", b"36", b"32", b"2")
"""Colours of the levels (SGR parameters), by severity."""
_DIM: Final = b"\x1b[2m"
_WIDTH: Final = len("WARNING")

MOST_LINES: Final = 1000
"""Lines of one entry that are shown as lines; what follows is on the last of them."""
_LONGEST_JSON: Final = 64 << 10
"""Bytes of a message above which it is shown as it is, without looking for JSON in it."""

_MOST_SEARCHED: Final = 1 << 20
"""Fields times bytes of a message above which fields are not looked for in it."""

_FIRST_WORD: Final = re.compile(rb"\[?([A-Z]+)\]?:? +(?=\S)")

_object: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Readable:
    """Entries as text, for a terminal in colours or plain. Reused for any number of entries."""

    def __init__(self, *, color: bool) -> None:
        """`color`: for a terminal. Otherwise each entry is one line without colours, in which `\\n`
        stands for a line feed."""
        self._color = color
        words = [word.upper().encode() for word in LEVELS]
        self._levels = [
            b"\x1b[%bm%b%b " % (colour, word.ljust(_WIDTH), RESET) if color else word + b" "
            for colour, word in zip(LEVEL_COLOURS, words, strict=True)
        ] + [b""]

    def lines(
        self, message: bytes, fields: Mapping[Any, Any] | None = None, severity: int = UNKNOWN
    ) -> list[bytes]:
        """The lines to show, at least one, without line feeds. Safe to print.

        `message`: any bytes; empty if the entry has none. `severity`: an index into `LEVELS`, or
        `UNKNOWN`. Of the fields, those that tell this level aren't shown.
        """
        rest = b""
        if fields:
            message, rest = _told(message, fields, severity)
            rest = harmless(rest, color=False)
        if severity != UNKNOWN:
            message = _without_level(message, severity)
        first, *more = self._split(message)
        if rest:
            rest = b"%b%b%b" % (_DIM, rest, RESET) if self._color else rest
            first = b"%b  %b" % (first, rest) if first else rest
        return [self._levels[severity] + first, *more]

    def of_json(self, entry: Mapping[str, Any]) -> list[bytes]:
        """The lines of an entry that was read back from what a JSON sink writes (see
        `pipeline.encode.json`)."""
        fields = {name: value for name, value in entry.items() if name not in RESERVED}
        moved, log = entry.get("fields"), entry.get("log")
        if isinstance(moved, dict):
            fields |= moved
        severity = severity_of(log.get("level")) if isinstance(log, dict) else UNKNOWN
        message = without_surrogates(str(entry.get("message", "")))
        return self.lines(message.encode(), fields, severity)

    def _split(self, message: bytes) -> list[bytes]:
        if b"\n" not in message:
            return [harmless(message, color=self._color)]
        if not self._color:
            return [harmless(message.replace(b"\n", b"\\n"), color=False)]
        lines = message.rstrip(b"\n").split(b"\n", MOST_LINES - 1)
        return [harmless(line, color=True) for line in lines]


def _told(message: bytes, fields: Mapping[Any, Any], severity: int) -> tuple[bytes, bytes]:
    """The text to show, and what has to be shown of the fields beside it."""
    whole = False
    if told := _object_in(message):
        whole = told.keys() <= fields.keys()
        if not whole:
            fields = {name: one for name, one in fields.items() if told.get(name, told) != one}
    left = pairs(fields)
    if not told and b"=" in message:
        known = _inside(message, left)
        whole = bool(known) and sum(map(len, known.values())) + len(known) == len(message) + 1
        if not whole:
            left = {name: text for name, text in left.items() if name not in known}
    if whole:
        message = b""
        for name in TEXTS:
            if type(text := fields.get(name)) is str and text:
                message = without_surrogates(text).encode()
                del left[name]
                break
    if severity != UNKNOWN:
        _leave_out_level(left, fields, severity)
    return message, " ".join(left.values()).encode()


def _object_in(message: bytes) -> Mapping[str, Any]:
    """The message as an object, if it is one in JSON; else an empty one."""
    if len(message) <= _LONGEST_JSON and message[:64].lstrip().startswith(b"{"):
        with suppress(*NOT_JSON):
            return _object(message)
    return {}


def _inside(message: bytes, pairs: Mapping[str, str]) -> dict[str, bytes]:
    """The pairs that stand in the message as in logfmt, and how they do: a word alone is true."""
    if len(pairs) * len(message) > _MOST_SEARCHED:
        return {}
    words, found = b" %b " % message, {}
    for name, text in pairs.items():
        for written in (text.encode(), text.removesuffix("=true").encode()):
            if b" %b " % written in words:
                found[name] = written
                break
    return found


def _leave_out_level(pairs: dict[str, str], fields: Mapping[Any, Any], severity: int) -> None:
    """Removes the fields that tell this level."""
    for name in KEYS:
        if name in fields and severity_of(fields[name]) == severity:
            pairs.pop(name, None)
    log = fields.get("log")
    if type(log) is dict and severity_of(log.get("level")) == severity:
        pairs.pop("log.level", None)


def _without_level(message: bytes, severity: int) -> bytes:
    """The message without this level in capitals at its beginning."""
    found = _FIRST_WORD.match(message)
    if found is None or severity_of(found[1].decode()) != severity:
        return message
    return message[found.end() :]
