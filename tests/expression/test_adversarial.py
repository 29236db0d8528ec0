"""Thousands of hostile expressions: none runs, none crashes, each is an error with a place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import ConfigErrors
from pipeline.config.file import parse
from pipeline.expression import (
    compile_container,
    compile_predicate,
    compile_template,
    compile_value,
)
from pipeline.expression.code import Namespace
from pipeline.model.errors import ConfigError
from pipeline.testing.builders import batch, container
from pipeline.testing.stage_kit import FIELDS, LINES
from tests.expression.adversarial import (
    EXPRESSIONS,
    HARMLESS,
    TEMPLATES,
    costly_patterns,
    endless_patterns,
)
from tests.expression.test_hostile import HOSTILE
from tests.suite.examples import examples

ENTRIES = batch(*LINES[: len(FIELDS)], fields=FIELDS)


def refused(compiler: Callable[[str], Any], text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        compiler(text)
        pytest.fail(f"accepted: {text[:100]!a}")
    error = caught.value
    assert error.message.isprintable()
    assert len(error.message) <= ConfigError.LONGEST
    assert error.column is not None
    assert 0 <= error.column <= len(text)
    return error


@pytest.fixture
def nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is generated last of all, after everything was checked."""
    monkeypatch.setattr(Namespace, "function", lambda *_: pytest.fail("it was compiled"))


def test_there_are_thousands() -> None:
    assert len(EXPRESSIONS) > 4000


@pytest.mark.usefixtures("nothing_is_compiled")
@pytest.mark.parametrize("compiler", [compile_predicate, compile_container, compile_value])
def test_every_hostile_expression_is_refused_with_a_place(compiler: Callable[[str], Any]) -> None:
    for text in (*EXPRESSIONS, *HOSTILE):
        refused(compiler, text)


@pytest.mark.usefixtures("nothing_is_compiled")
def test_every_hostile_template_is_refused_with_a_place() -> None:
    for text in TEMPLATES:
        refused(compile_template, text)


@pytest.mark.parametrize("text", HARMLESS, ids=ascii)
def test_what_looks_like_a_way_out_but_only_compares_gives_true_or_false(text: str) -> None:
    assert {*map(type, compile_predicate(text)(ENTRIES))} == {bool}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x == 1 and y.__class__ == 2", "y.__class__"),
        ("x == 1 and open('/etc/passwd')", "open"),
        ("x in (1, 2) and (z := 3) == 3", "z := 3"),
        ("level == 'a'\n and [y for y in x]", "[y"),
        ("level == 'a'\r and [y for y in x]", "[y"),
        ("level == 'a'\r\n and [y for y in x]", "[y"),
        ("level == 'é☃' and ｘ == 1", "ｘ"),
        ("level == 'a' and y ** 9 > 1", "y **"),
        ("level == 'a' and x == 1e999", "1e999"),
        ("level == 'a' and x\x00 == 1", "\x00"),
        ("level == 'a' and x == '\ud800'", "\ud800"),
        ("level == 'a' and\n x == '\\d'", "\\d"),
        ("level == 'a' and\r\n x ? 1", "?"),
        ("level == 'a' and matches(x, r'(a+)+$')", "r'(a+)+$'"),
    ],
    ids=ascii,
)
def test_the_place_is_that_of_the_trick(text: str, place: str) -> None:
    assert refused(compile_predicate, text).column == text.index(place)


def test_check_shows_each_with_a_caret_on_its_line() -> None:
    """As a basic string of TOML, which can hold every character but half a surrogate pair."""
    texts = [text for text in EXPRESSIONS[::7] if text.isascii() or text.encode(errors="ignore")]
    texts = [text for text in texts if not any("\ud800" <= letter <= "\udfff" for letter in text)]
    stages = ",\n".join(f"{{ keep = {_toml(text)} }}" for text in texts)
    with pytest.raises(ConfigErrors) as caught:
        parse(f'[routes.r]\nto = ["console"]\nstages = [\n{stages}\n]\n', {}, "f")
    assert len(caught.value.problems) == len(texts)
    for number, problem in enumerate(caught.value.problems):
        head, excerpt, caret = problem.lines("f")
        assert head.startswith(f"f:{number + 4}: routes.r.stages[{number}].keep: ")
        assert caret.strip() == "^"
        assert 4 <= caret.index("^") <= len(excerpt)
        assert excerpt.isprintable()


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@pytest.mark.parametrize("family", [endless_patterns, costly_patterns])
def test_every_catastrophic_pattern_is_refused(family: Callable[[], Any]) -> None:
    patterns = list(family())
    assert len(patterns) > 200
    for pattern in patterns:
        refused(compile_predicate, f"matches(x, {pattern!r})")


TOKENS = (
    'x', 'y', 'message', 'container', 'fields', 'labels', 'name', '.', ',', '(', ')', '[', ']',
    '{', '}', "'", '"', "'a'", '""', '0', '1', '-1', '1.5', '1e308', '9e999', '==', '!=', '<',
    '>=', 'in', 'not', 'and', 'or', '+', '-', '*', '/', '//', '%', '**', 'is', 'if', 'else',
    'for', 'lambda', ':', ':=', ';', '#', '\\', '\r', '\n', '\t', '\x00', '\x0c', 'lower', 'len',
    'int', 'matches', "r'a*'", 'ip_in', "'::/0'", 'startswith', '__class__', 'ℓ', 'ｘ', '\ud800',
    'é', '\u2028',
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=40), st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join)
) | st.lists(st.sampled_from(TOKENS), max_size=8).map("".join)


@settings(max_examples=examples(1000))
@given(TEXTS)
def test_any_text_is_refused_or_never_raises(text: str) -> None:
    for compiler, argument in (
        (compile_predicate, ENTRIES),
        (compile_template, ENTRIES),
        (compile_value, ENTRIES),
        (compile_container, container()),
    ):
        try:
            run: Callable[[Any], Any] = compiler(text)
        except ConfigError as error:
            assert error.message.isprintable()
            assert error.column is None or 0 <= error.column <= len(text)
        else:
            run(argument)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(max_examples=examples(300))
@given(st.sampled_from(HARMLESS), st.fixed_dictionaries({}, optional=dict.fromkeys("xyz", JSON)))
def test_what_is_accepted_never_raises_whatever_an_entry_holds(
    text: str, fields: dict[str, Any]
) -> None:
    entries = batch(b"\xff\0", fields=[fields])
    assert {*map(type, compile_predicate(text)(entries))} == {bool}
    assert {*map(type, compile_template("{" + text + "}")(entries))} == {str}
