"""JSON: lines that are one object each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pipeline import native
from pipeline.model.records import NOT_JSON, Fields

_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
"""Decodes an object and keeps integers beyond 64 bits. Measured with `benchmarks/bench_parse.py`: a
line of 142 bytes takes 0.42 µs, with `orjson.loads` 0.50; joining the lines to one array saves
nothing, since `[1` and `2]` must not become `[1,2]`."""

_BEFORE: Final = b" \t\r\n\xef\xbb\xbf"
"""White space, and the bytes of a byte order mark."""


def parse(lines: list[bytes]) -> list[Fields]:
    """The fields of each line that is a JSON object; none for other lines."""
    parsed: list[Fields] = []
    try:
        parsed.extend(map(_object, lines))
    except NOT_JSON:  # the lines before are in the list already
        parsed += [parse_one(line) for line in lines[len(parsed) :]]
    return parsed


def parse_one(line: bytes) -> Fields:
    """The fields of a line that is a JSON object, with `U+FFFD` for what is not UTF-8.

    None for any other line. White space and a byte order mark may come first.
    """
    line = line.lstrip(_BEFORE)
    if not line.startswith(b"{"):
        return {}
    try:
        return _object(line)
    except UnicodeDecodeError:
        return parse_one(line.decode("utf-8", "replace").encode())
    except NOT_JSON:
        return {}


LONG: Final = 64 << 10
"""Bytes above which a line is checked for its number of values."""
MOST_VALUES: Final = 20_000
"""Commas and opening brackets of a long line at most: a value takes up to half a microsecond here,
and as much again in each stage that looks at all values."""


def is_heavy(line: bytes) -> bool:
    """Whether parsing the line could block the event loop: it is long and has too many values."""
    return len(line) > LONG and native.occurrences([line], b",[{") > MOST_VALUES


def may_be(line: bytes) -> bool:
    """Whether the line begins like a JSON object."""
    return line[:64].lstrip(_BEFORE).startswith(b"{")
