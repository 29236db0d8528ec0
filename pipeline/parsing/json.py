"""JSON: a line that is one object, as a whole."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pipeline.model.records import NOT_JSON, Fields

_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
"""Per line of 142 bytes 0.42 µs, where `orjson.loads` takes 0.50, and 0.44 for all lines joined to
one array; but then `[1` and `2]` have to be told from `[1,2]`, which costs what it saves (see
`benchmarks/bench_parse.py`). And it keeps the digits of integers beyond 64 bits."""

_BEFORE: Final = b" \t\r\n\xef\xbb\xbf"
"""White space, and the bytes of a byte order mark."""


def parse(lines: list[bytes]) -> list[Fields]:
    parsed: list[Fields] = []
    try:
        parsed.extend(map(_object, lines))
    except NOT_JSON:  # what came before is in the list
        parsed += [parse_one(line) for line in lines[len(parsed) :]]
    return parsed


def parse_one(line: bytes) -> Fields:
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
"""Bytes of a line that may take long."""
MOST_VALUES: Final = 20_000
"""Commas and opening brackets of a long line: each value takes up to half a microsecond here, and
as much again in each stage that looks at all of them."""


def is_heavy(line: bytes) -> bool:
    """Whether it is long, and has more values than anybody writes."""
    return len(line) > LONG and line.count(b",") + line.count(b"[") + line.count(b"{") > MOST_VALUES


def may_be(line: bytes) -> bool:
    """Whether it begins as JSON does."""
    return line[:64].lstrip(_BEFORE).startswith(b"{")
