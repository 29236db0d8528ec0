"""Texts with expressions in braces."""

from __future__ import annotations

import pytest

from pipeline.expression import compile_template, has_placeholders
from pipeline.model.errors import ConfigError
from pipeline.testing.builders import batch, container


def test_placeholders_are_filled_in_for_each_entry() -> None:
    render = compile_template("{container.name}-{stream}: {level}")
    entries = batch("a", "b", streams="out err", fields=[{"level": "info"}, {"level": 3}])
    assert render(entries) == ["api-1-stdout: info", "api-1-stderr: 3"]


def test_a_text_that_is_the_same_for_the_whole_batch_is_repeated() -> None:
    assert compile_template("{container.name}")(batch("a", "b")) == ["api-1", "api-1"]
    assert compile_template("")(batch("a", "b")) == ["", ""]
    assert compile_template("")(batch()) == []


def test_doubled_braces_are_braces() -> None:
    assert compile_template("{{{level}}} {{}} }}{{")(batch("a", fields=[{"level": "x"}])) == [
        "{x} {} }{"
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\x00☃", "a\x00☃"), (5, "5"), (0.5, "0.5"), (True, "true"), (False, "false"), (None, ""),
        ([1, "a", None], '[1,"a",null]'), ({"a": {"b": []}}, '{"a":{"b":[]}}'),
        (10**400, str(10**400)),
    ],
)  # fmt: skip
def test_values_read_as_json_but_texts_as_themselves_and_null_as_nothing(value, text) -> None:
    assert compile_template("<{x}>")(batch("a", fields=[{"x": value}])) == [f"<{text}>"]


def test_what_is_missing_gives_nothing() -> None:
    render = compile_template("<{missing}{a.b}{container.labels.x}{int(level)}>")
    assert render(batch("a", fields=[{"level": "x"}])) == ["<>"]


def test_a_placeholder_holds_any_expression_with_braces_and_quotes_in_its_texts() -> None:
    entries = batch("a", fields=[{"status": 503, "weird}key": "w", "level": "INFO"}])
    assert compile_template("{status // 100}xx")(entries) == ["5xx"]
    assert compile_template("""{fields["weird}key"]}-{lower(level)}""")(entries) == ["w-info"]
    assert compile_template("{ level == 'INFO' }{'}{'}{'a\\'}b'}")(entries) == ["true}{a'}b"]


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{ }", "a}", "{a", "{{a}", "{a}}", "{a:>5}", "{a!r}", "{a{b}}", "{'a}"]
)
def test_a_brace_that_makes_no_sense_is_refused(text: str) -> None:
    assert has_placeholders(text)
    with pytest.raises(ConfigError):
        compile_template(text)


@pytest.mark.parametrize(
    ("text", "column"), [('{"text": "{x}"}', 0), ('{{"a": { "b" : 1}}}', 7), ('x {"a":1}', 2)]
)
def test_a_single_brace_of_json_is_told_from_an_expression(text: str, column: int) -> None:
    with pytest.raises(ConfigError, match="braces of JSON are doubled") as raised:
        compile_template(text)
    assert raised.value.column == column


def test_a_template_is_bounded() -> None:
    compile_template("{a}" * 100)
    for text in ("{a}" * 101, "a" * 8193):
        with pytest.raises(ConfigError):
            compile_template(text)


def test_the_message_is_decoded_and_labels_come_from_the_container() -> None:
    of = container(labels={"team": "shop"})
    assert compile_template("{container.labels.team}/{message}")(batch(b"\xff!", of=of)) == [
        "shop/\ufffd!"
    ]


def test_only_a_text_with_braces_has_placeholders() -> None:
    assert not has_placeholders("prod")
    assert has_placeholders("{env}") and has_placeholders("}}")


def test_what_placeholders_give_can_be_cleaned_and_the_text_around_them_stays() -> None:
    render = compile_template("a/{x}/{container.name}/{1 + 1}", lambda text: text.upper() + "!")
    entries = batch("1", "2", fields=[{"x": "b/c"}, {}])
    assert render(entries) == ["a/B/C!/API-1!/2!", "a/!/API-1!/2!"]
