"""The stage `redact`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.batch import Batch
from pipeline.component import Secret, Stage
from pipeline.config.file import parse as parse_toml
from pipeline.config.problems import ConfigErrors
from pipeline.errors import ConfigError
from pipeline.records import Records
from pipeline.stages import parse, redact
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import LINES, StageKit

CARD = "4111 1111 1111 1111"
ALL: list[Any] = ["email", "card", "ip", "jwt", "aws_key", "bearer"]


class TestKinds(StageKit):
    def make(self) -> Stage:
        return redact.Stage(ALL)


class TestPatterns(StageKit):
    def make(self) -> Stage:
        return made(patterns=[r"boom|503|text|level", r"\be\w{2}r\b"], **{"with": "sha256"})


class TestSomeFields(StageKit):
    def make(self) -> Stage:
        return made(patterns=["boom|503|text|a"], fields=["http.tags", "msg", "message", "status"])


def made(**options: Any) -> Stage:
    if "with" in options:
        options["with_"] = options.pop("with")
    return redact.Stage(redact.Options(**options))


def parsed(*lines: str) -> Batch:
    """As records, which it takes two batches to learn."""
    stage = parse.Stage("json").bind(container())
    stage(batch(*lines))
    result = stage(batch(*lines))
    assert result is not None
    assert type(result.parsed) is Records
    return result


def test_the_message_and_the_fields_that_were_read_from_it_are_both_treated() -> None:
    line = {
        "msg": "x bob@example.com y",
        "n": 1,
        "in": {"to": ["a", CARD]},
        "card": 4111111111111111,
    }
    for before in (parsed(json.dumps(line)), batch(json.dumps(line), fields=[line])):
        (row,) = entries(redact.Stage(["email", "card"])(before))
        assert row.fields == {
            "msg": "x [redacted] y", "n": 1, "in": {"to": ["a", "[redacted]"]},
            "card": "[redacted]",
        }  # fmt: skip
        assert row.message == (
            b'{"msg": "x [redacted] y", "n": 1, "in": {"to": ["a", "[redacted]"]}, '
            b'"card": [redacted]}'
        )


@pytest.mark.parametrize(
    "line",
    [
        r'{"m":"bob\u0040example.com"}', r'{"m":"a\nbob@example.com"}', r'{"bob@example.com":1}',
        r'{"m":"{\"to\":\"bob\\u0040example.com\"}"}', r'{"m":["\t4111111111111111"]}',
        r'{"m":"Bearer \/a1b2\/c3"}', r'{"m":{"4111-1111-1111-1111":{}}}', '{"m":4111111111111111}',
    ],
)  # fmt: skip
def test_nothing_is_left_in_one_that_is_gone_from_the_other(line: str) -> None:
    (row,) = entries(redact.Stage(ALL)(batch(line, fields=[json.loads(line)])))
    for text in (row.message.decode(), json.dumps(row.fields)):
        assert "redacted" in text
        for secret in ("bob", "example", "4111", "a1b2", "c3"):
            assert secret not in text


def test_inner_objects_that_other_lanes_have_are_not_changed() -> None:
    inner = {"to": "bob@example.com", "list": ["bob@example.com"]}
    result = redact.Stage(["email"])(batch("x", fields=[{"in": inner}]))
    assert inner == {"to": "bob@example.com", "list": ["bob@example.com"]}
    assert entries(result)[0].fields == {"in": {"to": "[redacted]", "list": ["[redacted]"]}}
    result = made(what=["email"], fields=["in.to"])(batch("x", fields=[{"in": inner}]))
    assert inner["to"] == "bob@example.com"
    assert entries(result)[0].fields["in"]["to"] == "[redacted]"


def test_a_batch_with_nothing_in_it_is_passed_on_as_it_is() -> None:
    for whole in (batch("one", "two"), batch("one", fields=[{"a": 1}]), parsed('{"a":"b"}')):
        assert redact.Stage(ALL)(whole) is whole
    records = parsed('{"a":"b"}')
    redact.Stage(ALL)(records)
    assert type(records.parsed) is Records


def test_lines_with_nothing_in_them_keep_their_bytes() -> None:
    lines = [*LINES, b"\xff bob@example.com \xfe", b"two\nlines"]
    (*rest, last, two) = entries(redact.Stage(["email"])(batch(*lines)))
    assert [row.message for row in rest] == list(LINES)
    assert last.message == b"\xff [redacted] \xfe"
    assert two.message == b"two\nlines"


def test_only_the_fields_that_are_named() -> None:
    fields = {"msg": CARD, "other": CARD, "in": {"a": CARD, "b": CARD}}
    stage = made(what=["card"], fields=["msg", "in.a", "none"])
    (row,) = entries(stage(batch(CARD, fields=[fields])))
    r = "[redacted]"
    assert row == (CARD.encode(), row.time, "stdout", 0, {
        "msg": r, "other": CARD, "in": {"a": r, "b": CARD},
    })  # fmt: skip
    (row,) = entries(made(what=["card"], fields=["message"])(batch(CARD, fields=[fields])))
    assert (row.message, row.fields) == (b"[redacted]", fields)


@pytest.mark.parametrize("pattern", [r"secret=\S+", r"^secret=\S+$", r"\bsecret=\w+(?!\s)"])
def test_patterns_see_each_line_by_itself(pattern: str) -> None:
    stage = made(patterns=[pattern], **{"with": "***"})
    whole = batch("a", "secret=b", "c", fields=[{}, {"m": "secret=b"}, {}])
    assert [(row.message, row.fields) for row in entries(stage(whole))] == [
        (b"a", {}), (b"***", {"m": "***"}), (b"c", {}),
    ]  # fmt: skip


def test_a_pattern_with_quotes_is_found_in_fields() -> None:
    (row,) = entries(made(patterns=['p="[^"]*"'])(batch("x", fields=[{"m": 'p="x"', "n": 5}])))
    assert row.fields == {"m": "[redacted]", "n": 5}


def test_a_number_that_a_pattern_matches_is_replaced() -> None:
    fields = {"ssn": 123456789, "f": 0.5, "t": True, "n": None, "big": 10**400}
    (row,) = entries(made(patterns=[r"\b\d{9}\b"])(batch("x", fields=[fields])))
    assert row.fields == fields | {"ssn": "[redacted]"}


def test_hashes_are_the_same_for_the_same_thing_and_another_key_gives_others() -> None:
    def hashed(**options: Any) -> list[bytes]:
        stage = made(what=["card", "email"], **{"with": "sha256"}, **options)
        lines = CARD, CARD.replace(" ", "-"), "Bob@example.com", "bob%40example.com", "a@b.de"
        return [row.message for row in entries(stage(batch(*lines)))]

    one, two, three, four, five = hashed(key="k" * 16)
    assert one == two != three == four != five
    assert one == b"sha256:fb394b048e4f6fce"
    assert not set(hashed(key="l" * 16)) & {one, three, five}
    assert hashed() == hashed()
    assert not set(hashed()) & {one, three, five}


def test_what_is_nested_too_deeply_is_replaced_as_a_whole() -> None:
    deep: Any = CARD
    for level in range(900):
        deep = {"a": deep} if level % 2 else [deep]
    (row,) = entries(redact.Stage(["card"])(batch("x", fields=[{"a": deep, "b": CARD}])))
    assert row.fields["b"] == "[redacted]"
    assert CARD not in str(row.fields)
    assert str(row.fields).count("[redacted]") == 2


def test_names_that_become_the_same_keep_their_values() -> None:
    fields = {"a@b.de": 1, "c@d.de": 2}
    (row,) = entries(redact.Stage(["email"])(batch("x", fields=[fields])))
    assert row.fields == {"[redacted]": 1, "[redacted]_": 2}


@pytest.mark.parametrize(
    ("options", "path", "text"),
    [
        ({}, "", "say what to redact"),
        ({"what": ["ip"], "key": "k" * 16}, "key", "for with"),
        ({"patterns": ["a", "("]}, "patterns[1]", "cannot be read"),
        ({"patterns": [r"\d+ms"]}, "patterns[0]", "on long texts"),
        ({"patterns": ["a*"]}, "patterns[0]", "where there is nothing"),
        ({"what": ["ip"], "fields": []}, "fields", "name the fields"),
        ({"what": ["ip"], "fields": ["a..b"]}, "", "is not a field"),
    ],
)
def test_what_cannot_work_is_said(options: dict[str, Any], path: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        made(**options)
    assert caught.value.path == path


@pytest.mark.parametrize(("key", "is_valid"), [("k" * 16, True), ("kkkkk", False)])
def test_the_key_is_a_secret_of_some_length(key: str, is_valid: bool) -> None:
    table = '{ what = ["ip"], with = "sha256", key = "${KEY}" }'
    text = f"[routes.r]\nstages = [{{ redact = {table} }}]\nto = ['console']\n"
    text += "[sinks.console]\ntype = 'console'\n"
    if is_valid:
        config = parse_toml(text, {"KEY": key}).config.routes["r"].stages[0].config
        assert type(config.key) is Secret
        assert key not in repr(config)
    else:
        with pytest.raises(ConfigErrors, match="at least 16") as caught:
            parse_toml(text, {"KEY": key})
        assert key not in str(caught.value)
