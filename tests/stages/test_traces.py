"""The patterns of stack traces: what they may cost, and that they find what they did."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.expression import steps
from pipeline.stages._traces import LANGUAGES, LOOKED_AT
from tests.suite.examples import examples


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


RULES = [
    (name, state, pattern)
    for name, language in LANGUAGES.items()
    for state, rules in language.states.items()
    for pattern, _ in rules
]


@settings(max_examples=examples(2000))
@given(st.data())
@pytest.mark.parametrize(("name", "state", "pattern"), RULES)
def test_a_line_that_a_rule_matches_is_looked_at(
    name: str, state: str, pattern: re.Pattern[bytes], data: st.DataObject
) -> None:
    language = LANGUAGES[name]
    line = data.draw(st.from_regex(rb"\A(?:" + pattern.pattern + rb")"))[:LOOKED_AT]
    assert not line or line[0] in language.begins
    if pattern.match(line):
        assert language.read([line], state)[0] == b"\1"


@pytest.mark.parametrize("name", [name for name in LANGUAGES if LANGUAGES[name].sure])
def test_what_surely_belongs_does_in_each_state(name: str) -> None:
    language = LANGUAGES[name]
    assert any(mark in language.sure for mark in language._marks)
    for state, rules in language.states.items():
        for byte in range(256):
            line = language.sure + bytes([byte])
            following = next((to for pattern, to in rules if pattern.match(line)), "")
            assert language.read([line], state) == (b"\1" if following else None, following)
            assert following or bytes([byte]).isspace()


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_caret_at_the_start_of_a_pattern_holds_for_all_of_it(name: str) -> None:
    for _, pattern, _ in LANGUAGES[name].heads:
        if pattern.pattern.startswith(b"^"):
            parts = re._parser.parse(pattern.pattern.decode())  # type: ignore[attr-defined]
            assert str(parts[0][1]) == "AT_BEGINNING"


LINES = st.lists(
    st.sampled_from(
        [
            b"2026 INFO x", b"2026 ERROR a.b.Gone: x", b"a.b.Gone: x", b"", b" ", b"Error: x",
            b"\tat a.B(C.java:1)", b"\tat  x", b"\tat ", b"  at x", b"Caused by: x", b"error",
            b"Traceback (most recent call last):", b"ValueError: x", b"panic: x", b"goroutine 1 [",
            b"  x", b"nested exception is:", b"... 3 more", b"x" * 2047 + b" Error", b"}",
        ]
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(max_examples=examples(2000))
@given(LINES)
@pytest.mark.parametrize("name", LANGUAGES)
def test_many_lines_are_told_as_one_by_one_in_c_and_in_python(
    name: str, lines: list[bytes]
) -> None:
    language = LANGUAGES[name]
    found = []
    for loops in (native.loops, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "loops", loops)
            for state in language.states:
                found.append(language.read(lines, state))
                belongs = []
                after = state
                for line in lines:
                    joins, after = language.read([line], after)
                    belongs.append(bool(joins))
                assert found[-1] == (bytes(belongs) if any(belongs) else None, after)
    assert found[: len(found) // 2] == found[len(found) // 2 :]
