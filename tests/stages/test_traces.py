"""The patterns of stack traces: what they may cost, and that they find what they did."""

from __future__ import annotations

import re
import time

import pytest

from pipeline import native
from pipeline.expression import steps
from pipeline.stages._traces import LANGUAGES, LOOKED_AT


def as_text(pattern: re.Pattern[bytes]) -> str:
    return f"(?a){pattern.pattern.decode()}"


@pytest.mark.parametrize("name", LANGUAGES)
def test_each_pattern_takes_time_that_grows_with_the_line_and_no_more(name: str) -> None:
    """By the estimate that decides about patterns of users."""
    language = LANGUAGES[name]
    heads = {pattern.pattern: steps.of_search(as_text(pattern)) for _, pattern, _ in language.heads}
    rest = {
        pattern.pattern: steps.of_search(rf"(?a)\A(?:{pattern.pattern.decode()})")
        for rules in language.states.values()
        for pattern, _ in rules
    }
    assert {text: cost for text, cost in (heads | rest).items() if cost > steps.LINEAR} == {}


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_literal_of_each_head_is_in_all_that_its_pattern_finds(name: str) -> None:
    for literal, pattern, _ in LANGUAGES[name].heads:
        text = literal.decode()
        assert text in re.sub(r"\\(.)", r"\1", pattern.pattern.decode())


@pytest.mark.fault(122)
@pytest.mark.parametrize("part", [b"A", b"A::", b"a:1:in ", b"A (", b"Error ", b"a.", b"panic: "])
def test_lines_made_to_take_long_do_not(part: bytes) -> None:
    """A line of 2 KiB of `A` took 130 ms with Ruby's."""
    lines = [(part * LOOKED_AT)[:LOOKED_AT], b"  " + part * LOOKED_AT + b"):"] * 20
    before = time.thread_time()
    for language in LANGUAGES.values():
        for state in ("", *language.states):
            language.read(lines, state)
    assert time.thread_time() - before < 1.5


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ruby", b"ActionView::Template::Error (undefined method `a' for nil:NilClass):"),
        ("ruby", b"F, [2026-01-31T00:00:00 #1] FATAL -- : [abc] Shop::Foo_1 (a (b) c):  "),
        ("ruby", b"[x]:Foo ():"),
        ("ruby", b"log: a.rb:1:in `b': no (RuntimeError)"),
        ("ruby", b"a.rb:12:in 'Shop#b'"),
        ("java", b'Exception in thread "main" a.b.Gone: no'),
        ("java", b"a.b$c.Gone"),
        ("java", b"2026 ERROR x java.lang.IllegalStateException: no"),
        ("go", b"2026/01/31 http: panic serving 1.2.3.4:5: no"),
        ("go", b"[x]panic: no"),
        ("go", b"goroutine 1 gp=0x1 m=0 [running]:"),
        ("node", b"/app/x.js:12"),
        ("dotnet", b"app-1 fail: X[0]"),
        ("dotnet", b"Unhandled exception. System.X"),
    ],
)
def test_a_head_is_told(name: str, line: bytes) -> None:
    assert LANGUAGES[name].read([line], "")[1]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ruby", b"a word (in brackets): and more"),
        ("ruby", b"a word (in brackets):"),
        ("ruby", b" :1:in `b'"),
        ("java", b"a.b.c"),
        ("java", b"x Exception in thread"),
        ("go", b"xpanic: no"),
        ("node", b"at x.js:1 y"),
    ],
)
def test_what_is_none_is_not(name: str, line: bytes) -> None:
    assert not LANGUAGES[name].read([line], "")[1]


@pytest.mark.parametrize("loops", [native.loops, None])
@pytest.mark.parametrize("name", LANGUAGES)
def test_the_marks_of_a_trace_are_found_in_c_and_in_python(
    name: str, loops: native.Loops | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "loops", loops)
    language = LANGUAGES[name]
    for mark in language._marks:
        assert language._may_have_trace([b"x", b"y" + mark + b"z"])
    assert not language._may_have_trace([b"x", b"no trace, but a line"])
