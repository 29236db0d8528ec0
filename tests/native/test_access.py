"""Lines of access logs that C reads have the fields that Python reads."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings

from pipeline import native
from pipeline.model.records import MISSING, MOST_NAMES
from pipeline.parsing import access
from pipeline.parsing.access_records import NAMES, NOWHERE, places_in
from tests.native.examples import examples
from tests.parsing.access_lines import ACCESS_LINES, CHANGED
from tests.parsing.test_access import COMBINED, COMMON, INGRESS

WHOLE = bytes(range(len(NAMES)))
FORWARDED = COMBINED.encode() + b' "198.51.100.2"'


def fields(c: native.Loops, line: bytes, others: bytes = b"") -> dict[str, Any] | None:
    """The fields of a line; None if it is left. Each is of the type that Python's is."""
    (row,), left = c.access([line], WHOLE, len(NAMES), MISSING, others)
    assert left == ([0] if row is None else [])
    if row is None:
        return None
    found = {name: value for name, value in zip(NAMES, row, strict=True) if value is not MISSING}
    assert repr(found) == repr({name: found[name] for name in access.certain(line)})
    return found


@settings(max_examples=examples(5000))
@given(ACCESS_LINES)
def test_what_is_read_is_what_python_reads(c: native.Loops, line: bytes) -> None:
    read = fields(c, line)
    assert read is None or read == access.certain(line)


@settings(max_examples=examples(1000))
@given(CHANGED)
def test_no_byte_behind_a_line_is_read(c: native.Loops, line: bytes) -> None:
    for end in range(len(line) + 1):
        read = fields(c, line[:end])
        assert read is None or read == access.certain(line[:end])


@pytest.mark.parametrize(
    "line",
    [
        COMMON.encode(),
        COMBINED.encode(),
        FORWARDED,
        FORWARDED + b' rt=0.003 uct="0.000" uht="0.002" urt="0.002"\r',
        COMBINED.encode() + b" 0.640 0.630",
        COMBINED.encode() + b' rt=0.010 urt="-"',
        COMMON.encode() + b" 0.640 -",
        b'::1 - a b [31/Jan/2026:23:59:59 +0000] "\xff\\"" - - "" "\xe2\x82"',
        b'::1 -  [31/Jan/2026:23:59:59 -0000] "-" 400 %b' % (b"9" * 18),
    ],
)
def test_usual_lines_are_read(c: native.Loops, line: bytes) -> None:
    assert fields(c, line) == access.certain(line) != {}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"text",
        INGRESS.encode(),
        COMBINED.encode() + b' "0.003"',
        COMBINED.encode() + b" rt=0.001, 0.002",
        COMBINED.encode() + b' "a" b',
        COMBINED.encode() + b" " * 1025,
        COMMON.replace("Oct", "Okt").encode(),
        COMMON.encode() + b'"',
    ],
)
def test_what_is_rare_is_left(c: native.Loops, line: bytes) -> None:
    assert fields(c, line) is None


def test_a_line_that_begins_like_others_is_left(c: native.Loops) -> None:
    assert fields(c, COMMON.encode(), b"{1") is None
    assert fields(c, COMMON.encode(), b"{2\0") == access.certain(COMMON.encode())


def test_values_stand_at_their_places_and_a_line_with_another_is_left(c: native.Loops) -> None:
    places = places_in(("size", "else", "client", "timestamp", "status", "request"))
    odd = b'::1 - - [31/Jan/2026:23:59:59 +0000] "x" 400 -'
    rows, left = c.access([odd, COMMON.encode(), b"text", odd], places, 6, MISSING, b"")
    row = (MISSING, MISSING, "::1", "2026-01-31T23:59:59Z", 400, "x")
    assert rows == [row, None, None, row]
    assert left == [1, 2]


def test_lines_share_what_they_have_in_common(c: native.Loops) -> None:
    lines = [COMBINED.encode(), FORWARDED, COMMON.encode(), COMBINED.encode()]
    rows, _ = c.access(lines, WHOLE, len(NAMES), MISSING, b"")
    first, second, third, last = (dict(zip(NAMES, row, strict=True)) for row in rows)
    assert first["agent"] is second["agent"] is last["agent"]
    assert [first["client"], third["client"], last["client"]] == [
        "203.0.113.7",
        "127.0.0.1",
        "203.0.113.7",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        (None, WHOLE, len(NAMES), MISSING, b""),
        (["text"], WHOLE, len(NAMES), MISSING, b""),
        ([b"a", None], WHOLE, len(NAMES), MISSING, b""),
        ([], WHOLE[1:], len(NAMES), MISSING, b""),
        ([], WHOLE, len(NAMES) - 1, MISSING, b""),
        ([], bytes(len(NAMES)), len(NAMES), MISSING, b""),
        ([], WHOLE, MOST_NAMES + 1, MISSING, b""),
        ([], bytes([NOWHERE] * len(NAMES)), -1, MISSING, b""),
        ([], WHOLE, len(NAMES), MISSING, "text"),
    ],
)
def test_what_is_of_another_type_is_an_error(c: native.Loops, odd: Any) -> None:
    with pytest.raises(TypeError):
        c.access(*odd)


def test_nothing_is_kept_of_what_was_read(c: native.Loops) -> None:
    lines = [COMBINED.encode(), FORWARDED + b" rt=0.003", COMMON.encode(), INGRESS.encode(), b"x"]

    def read_them() -> int:
        for _ in range(200):
            c.access(lines, WHOLE, len(NAMES), MISSING, b"")
            c.access(lines, places_in(("client", "timestamp")), 2, MISSING, b"")
        return sys.getallocatedblocks()

    read_them()
    first = read_them()
    assert max(read_them() - first, read_them() - first) < 100
