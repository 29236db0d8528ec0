"""Whatever a line is for certain."""

from __future__ import annotations

import random

import pytest

from pipeline.parsing import access, auto, json, klog, logfmt, syslog
from pipeline.testing.stage_kit import LINES
from tests.parsing import test_access, test_syslog

EACH = {
    b'{"a":1}': json.parse_one,
    b"I0131 23:59:59.000000 1 a.go:10] x": klog.certain,
    test_syslog.DATA + b"text": syslog.certain,
    b"<34>Oct 11 22:14:15 mymachine su: a=1 b=2": syslog.certain,
    test_access.COMBINED.encode(): access.certain,
    test_access.COMMON.encode(): access.certain,
    b"level=info msg=x": logfmt.certain,
}


def test_each_unmistakable_format_is_found_among_others() -> None:
    lines = [*EACH, b"text", *reversed(EACH)]
    expected = [EACH[line](line) if line in EACH else {} for line in lines]
    assert auto.Auto().parse(lines) == expected
    assert all(fields for line, fields in zip(lines, expected, strict=True) if line != b"text")


def test_no_line_is_of_two_formats() -> None:
    formats = {json.parse_one, klog.certain, syslog.certain, access.certain, logfmt.certain}
    for line in (*EACH, *LINES):
        assert sum(bool(certain(line)) for certain in formats) <= 1, line


def test_a_line_has_the_fields_that_it_has_alone_whatever_came_before() -> None:
    choose = random.Random(5)
    pool = [*EACH, *LINES]
    alone = {line: auto.Auto().parse([line])[0] for line in pool}
    remembering = auto.Auto()
    for _ in range(200):
        lines = choose.choices(pool, k=8)
        assert remembering.parse(lines) == [alone[line] for line in lines]


def test_the_format_that_fitted_last_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = auto.Auto()
    line = test_access.COMMON.encode()
    reader.parse([line])
    monkeypatch.setattr(auto.Auto, "_guess", lambda self, line: {})
    assert reader.parse([line]) == [access.certain(line)]
