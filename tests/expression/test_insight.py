"""Where expressions read fields, and what they compare them with, is found with its place."""

from __future__ import annotations

from pipeline.expression.insight import fields_of_template, fields_read
from pipeline.model.component import Compared, FieldUse


def test_fields_are_found_with_their_places() -> None:
    text = "stream == 'é' and http.status > 1 and lower(q).startswith(fields['a.b'])"
    assert fields_read(text, "when") == [
        FieldUse(
            "http", "http.status", "when", text.index("http"), (Compared(">", 1, text.index("1")),)
        ),
        FieldUse("q", "q", "when", text.index("q)")),
        FieldUse("a.b", "a.b", "when", text.index("fields")),
    ]


def test_names_of_ours_and_questions_for_a_field_read_none() -> None:
    assert fields_read("container.labels['a'] == message or 'level' not in fields") == []


def test_fields_of_a_template_are_found_with_their_places() -> None:
    text = "{{no}} {container.name} é {level}-{upper(a.b)}"
    assert fields_of_template(text) == [
        FieldUse("level", "level", "", text.index("level")),
        FieldUse("a", "a.b", "", text.index("a.b")),
    ]


def test_what_a_field_is_compared_with_is_found_with_its_place() -> None:
    text = "level in ('a', 'é') and 3 < level or (level == x and 'b' in level and level in 'c')"
    levels = [use for use in fields_read(text) if use.written == "level"]
    assert [use.compared for use in levels] == [
        (Compared("in", "a", text.index("'a'")), Compared("in", "é", text.index("'é'"))),
        (Compared(">", 3, text.index("3")),),
        (),
        (),
        (),
    ]


def test_a_name_without_quotes_is_found() -> None:
    uses = fields_read("env == prod and stream != gone and a.b == c.d and x < y and x == upper(z)")
    assert {use.written: use.bare for use in uses if use.bare} == {"prod": "env", "gone": "stream"}


def test_what_is_compared_in_a_template_counts_from_its_beginning() -> None:
    text = "é {env == prod and level == 'a'}"
    env, prod, level = fields_of_template(text)
    assert (env.bare, prod.bare) == ("", "env")
    assert level.compared == (Compared("==", "a", text.index("'a'")),)
