"""What is said of an expression without an entry is true of every entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.expression import compile_container, compile_predicate
from pipeline.expression.truth import never_true, opposite
from pipeline.testing.builders import batch, container
from tests.suite.examples import examples

NEVER = (
    "False", "1 > 2", "'a' in 'b'", "not True", "0", "lower('A') == 'A'", "x == 1 and x == 2",
    "x == 'a' and x == 'b'", "x == 'a' and y == 1 and x in ('b', 'c')", "x and not x",
    "status >= 500 and status < 400", "500 <= status < 500", "x == 'a' and x != 'a'",
    "x == 'a' and not (x == 'a')", "x == 'error' and x > 5", "'a' == x == 'b'",
    "x in (1, 2) and 3 < x",
    "lower(x) == 'a' and lower(x) == 'b'", "(x == 1 and x == 2) or False",
    "x.startswith('a') and x == 'b'",
    "startswith(x, ('a', 'b')) and x.startswith('c')", "x.endswith('a') and x.endswith('b')",
    "message == '1' and message == '1.0'", "x == 1 and (y == 1 and x == 2)", "x >= 7 and x < 7",
    "at_least(x, 'error') and x == 'info'", "at_least(x, 'error') and x in ('warn', 'loud')",
    "at_least(x, 'error') and not at_least(x, 'warning')",
    "not at_least(x, 'error') and x == 'ERR'",
    "http.a == 'b' and http['a'] == 'c'", "x == 'a' and x not in ('a', 'b')",
)  # fmt: skip
SOMETIMES = (
    "True", "x", "x == 1 or x == 2", "x == '5' and x == '5.0'", "x == 'true' and x == 'TRUE'",
    "x == 'a' and y == 'b'", "(x == 1 and x == 2) or y", "500 <= status <= 500",
    "x != 1 and x != 2",
    "x >= 6 and x < 7 and x <= 6", "x.startswith('a') and x.startswith('ab')",
    "x == None and x == 1",
    "'a' in x and 'b' in x", "x == '1' and x == 1", "x == 'a' and 'a' == x",
    "x in ('a', 'b') and x == 'b'",
    "x == 1 and x == True", "contains(x, 'a') and x == 'b'", "x > 'a' and x < 'b'",
    "x == y and x == 1", "at_least(x, 'error') and x in ('info', 'Fatal')",
    "at_least(x, 'warning') and not at_least(x, 'error')", "not at_least(x, 'debug')",
    "at_least(x, 'error') and at_least(x, 'debug')", "at_least(x, 'error') and x == 50",
    "not at_least(x, 'error') and x == 'loud'", "not (at_least(x, 'error') and y)",
)  # fmt: skip


@pytest.mark.parametrize("text", NEVER)
def test_what_nothing_can_make_true_is_found(text: str) -> None:
    assert never_true(text)
    assert never_true(opposite(opposite(text)))


@pytest.mark.parametrize("text", SOMETIMES)
def test_what_something_may_make_true_is_not(text: str) -> None:
    assert not never_true(text)


def test_a_fact_of_a_container_is_always_text() -> None:
    assert never_true("name == '1' and name == '2'", containers=True)
    assert never_true("labels['a.b'] == '1' and labels.a.b == '2'", containers=True)
    assert never_true("name == 'a'", "name == 'b'", containers=True)
    assert not never_true("name == 'a'", "name == 'a' or service == 'b'", containers=True)


VALUES = (
    "'ERR'",
    "'info'",
    "'a'",
    "'ab'",
    "'b'",
    "'1'",
    "'1.0'",
    "'true'",
    "''",
    "1",
    "1.0",
    "2",
    "-1",
    "True",
    "None",
)
ATOMS = st.one_of(
    st.builds(
        "x {} {}".format,
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(VALUES),
    ),
    st.builds(
        "{1} {0} x".format, st.sampled_from(["==", "!=", "<", "<="]), st.sampled_from(VALUES)
    ),
    st.builds(
        "x {} ({}, {})".format, st.sampled_from(["in", "not in"]), *[st.sampled_from(VALUES)] * 2
    ),
    st.builds(
        "x.{}({})".format, st.sampled_from(["startswith", "endswith"]), st.sampled_from(VALUES[:3])
    ),
    st.builds(
        "{} <= x < {}".format, st.sampled_from(["0", "1", "2"]), st.sampled_from(["1", "2", "'b'"])
    ),
    st.builds("at_least(x, {})".format, st.sampled_from(["'error'", "'info'", "'alert'", "2"])),
    st.sampled_from(["x", "True", "1 == 1", "x == x", "'a' in x"]),
)
TEXTS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        inner.map("not ({})".format),
    ),
    max_leaves=6,
)
FIELDS: list[dict[str, Any]] = [
    {}, {"x": None}, {"x": True}, {"x": False}, {"x": []}, {"x": ["a"]}, {"x": {"a": 1}},
    *({"x": number} for number in (-1, 0, 1, 1.0, 1.5, 2, 3)),
    *({"x": text} for text in ("", "a", "ab", "aba", "b", "1", "1.0", "-1", "2", "true", "TRUE")),
    *({"x": level} for level in ("error", "WARN", "info", "debug", "alert", "loud", 50, 30, 7)),
]  # fmt: skip


@settings(max_examples=examples(1000))
@given(TEXTS)
@example("x >= 1 and x < 2 and x <= 1")
def test_what_is_said_to_be_never_true_is_true_of_no_entry(text: str) -> None:
    entries = batch(*["line"] * len(FIELDS), fields=FIELDS)
    truth = compile_predicate(text)(entries)
    assert not (never_true(text) and any(truth))
    assert not (never_true(opposite(text)) and not all(truth))
    of_name = text.replace("x", "name")
    found = [
        compile_container(of_name)(container(fields.get("x", "")))
        for fields in FIELDS
        if type(fields.get("x")) is str
    ]
    assert not (never_true(of_name, containers=True) and any(found))
