"""The stage `level`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.encode.json import JsonEncoder
from pipeline.model.component import Stage
from pipeline.model.records import Records
from pipeline.stages import level, parse
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit


class TestAuto(StageKit):
    def make(self) -> Stage:
        return level.Stage("auto")


class TestOptions(StageKit):
    def make(self) -> Stage:
        return made(map={"503": "error", "boom": "alert"}, default="info")


class TestFrom(StageKit):
    def make(self) -> Stage:
        return made(**{"from": "http.status"}, default="info")


def made(**options: Any) -> Stage:
    return level.Stage(msgspec.convert(options, level.Config))


def of(text: bytes | str, **options: Any) -> Any:
    stage = made(**options) if options else level.Stage("auto")
    return entries(stage(batch(text)))[0].fields.get("level")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("2026-01-31 ERROR foo", "error"),
        ("2026-01-31 12:00:00.123  INFO 1 --- [main] c.e.App : up", "info"),
        ("12:00:00.123 [http-nio-8080-exec-1] WARN  com.foo.Bar - slow", "warning"),
        ("2026-01-31T12:00:00.000Z\tDEBUG\tmain.go:12\tx", "debug"),
        ("2026/01/31 12:00:00 [error] 29#29: *1 open() failed", "error"),
        ("2026-01-31T12:00:00.123Z 0 [Warning] [MY-010] x", "warning"),
        ("2026-01-31 12:00:00 UTC [1] LOG:  ready", "info"),
        ("2026-01-31 12:00:00 UTC [1] FATAL:  no role", "critical"),
        ("[2026-01-31T12:00:00Z INFO  app] x", "info"),
        ("[12:00:00 WRN] slow", "warning"),
        ("2026-01-31 12:00:00.000 | SUCCESS | INFO | x", "info"),
        ("[warn] x", "warning"),
        ("[E] x", "error"),
        ("level=info msg=x", "info"),
        ('time="2026-01-31T12:00:00.000000000Z" level=warning msg="ERROR"', "warning"),
        ('{"level":"error","msg":"x"}', "error"),
        ('{"level":30,"msg":"x"}', "info"),
        ("severity: crit", "critical"),
        ("ERROR:root:it failed", "error"),
        ("ERROR: it failed", "error"),
        ("INFO:     Started server", "info"),
        ("info: Microsoft.Hosting[0]", "info"),
        ("fail: it", "error"),
        ("<warn> [1620.1] dhcp", "warning"),
        ("E0131 12:00:00.000001       1 main.go:1] x", "error"),
        ("I0131 12:00:00.000001       1 main.go:1] ERROR", "info"),
        ("<3>oops", "error"),
        ("<34>Oct 11 22:14:15 su: x", "critical"),
        ("<192>x", None),
        ("\x1b[2m2026-01-31\x1b[0m \x1b[32m INFO\x1b[0m app: x", "info"),
        ("no error found", None),
        ("Information about it", None),
        ("an error: it", None),
        ("(d) the fourth", None),
        ("GET /ERROR/x", None),
        ("type=ERROR-7", None),
        ("x" * 128 + " ERROR", None),
        (b"\xff\xfe ERROR \xff", "error"),
        ("", None),
    ],
)
def test_the_level_is_found_in_the_usual_texts(text: bytes | str, word: str | None) -> None:
    assert of(text) == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('Exception in thread "main" java.lang.IllegalStateException: no', "error"),
        (
            'Exception in thread "main" java.io.IOException: INFO is gone\n\tat A.b(A.java:1)',
            "error",
        ),
        ("Traceback (most recent call last):", "error"),
        ('Traceback (most recent call last):\n  File "/a.py", line 1\nKeyError: DEBUG', "error"),
        ("  + Exception Group Traceback (most recent call last):\n  |   File", "error"),
        ("java.io.IOException: INFO is gone\n\tat shop.A.b(A.java:1)", "error"),
        ("java.io.IOException: first\nsecond\n\tat shop.A.b(A.java:1)", "error"),
        ("java.lang.NullPointerException\r\n\tat shop.A.b(A.java:1)", "error"),
        ("TypeError: no\n    at /srv/a.js:1:2", "error"),
        ("RangeError: no\n    at Object.<anonymous> (/srv/a.js:1:2)", "error"),
        ("Uncaught TypeError: no\n    at /srv/a.js:1:2", "error"),
        ("System.Exception: no\n   at Shop.Main()", "error"),
        ("2026-01-31 WARN late\njava.io.IOException: gone\n\tat shop.A.b(A.java:1)", "warning"),
        ("INFO: java.io.IOException: gone\n\tat shop.A.b(A.java:1)", "info"),
        ("java.io.IOException: gone", None),
        ("shop.Cart: total\n  at noon", None),
        ("Started: all\n  at noon", None),
        ("seen: Traceback (most recent call last):", None),
    ],
)
def test_a_stack_trace_is_an_error_unless_its_log_line_says_more(
    text: str, word: str | None
) -> None:
    assert of(text) == word


def test_a_long_line_that_is_nearly_a_trace_is_searched_within_a_bound() -> None:
    assert of("a." * 10**6 + "B:\n at") is None
    assert of("Error" * 10**6 + "\n" * 10**6) is None
    assert of("a.B:" + "\n\t" * 10**6) is None


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"level": "WARN"}, "warning"),
        ({"level": 50}, "error"),
        ({"severity": "notice"}, "notice"),
        ({"log": {"level": "crit"}}, "critical"),
        ({"level": "nonsense"}, "debug"),
        ({}, "debug"),
    ],
)
def test_fields_are_asked_before_the_text(fields: dict[str, Any], word: str) -> None:
    result = level.Stage("auto")(batch("DEBUG x", fields=[fields]))
    assert entries(result)[0].fields == fields | {"level": word}


def test_what_has_no_level_stays_as_it_is_without_a_default() -> None:
    whole = batch("one", "two")
    assert level.Stage("auto")(whole) is whole
    assert entries(level.Stage("auto")(batch("one", fields=[{"a": 1}])))[0].fields == {"a": 1}
    assert [row.fields for row in entries(made(default="notice")(batch("x", "[E]")))] == [
        {"level": "notice"},
        {"level": "error"},
    ]


def test_a_message_that_was_removed_tells_nothing() -> None:
    result = level.Stage("auto")(batch("ERROR", fields=[{"a": 1}], bare=True))
    assert entries(result)[0].fields == {"a": 1}


def test_one_field_can_be_asked_alone() -> None:
    stage = made(**{"from": "http.severity"})
    one = {"http": {"severity": "E"}, "level": "info"}
    result = stage(batch("DEBUG", "DEBUG", fields=[one, {"level": "Info"}]))
    assert [row.fields["level"] for row in entries(result)] == ["error", "Info"]


def test_the_text_can_be_asked_alone() -> None:
    result = made(**{"from": "message"})(batch("DEBUG", fields=[{"level": "info"}]))
    assert entries(result)[0].fields == {"level": "debug"}


def test_a_map_goes_before_the_usual_meaning_in_fields_and_in_text() -> None:
    options = {"map": {"W": "notice", "7": "error", "ouch": "alert"}}
    result = made(**options)(batch("a", "b", "c", fields=[{"level": "w"}, {"level": 7}, {}]))
    assert [row.fields.get("level") for row in entries(result)] == ["notice", "error", None]
    assert of("12:00 OUCH it hurts", **options) == "alert"
    assert of("[w] x", **options) == "notice"


def test_parsed_json_stays_in_records_where_it_can() -> None:
    stage = parse.Stage("json").bind(container())
    lines = ['{"level":"INFO","n":1}', '{"n":2}', '{"level":[],"n":3}']
    stage(batch(*lines))
    parsed = stage(batch(*lines))
    assert parsed is not None
    assert type(parsed.parsed) is Records
    before = parsed.parsed.dictionaries()
    result = made(default="error")(parsed)
    assert result is not None
    assert type(result.parsed) is Records
    assert parsed.parsed.dictionaries() == before, "records of another lane were changed"
    assert [row.fields for row in entries(result)] == [
        {"level": "info", "n": 1},
        {"level": "error", "n": 2},
        {"level": "error", "n": 3},
    ]


@pytest.mark.parametrize("said", ["info", "WARN", "loud", ["info"], {"a": 1}, 3, True, None])
def test_an_odd_level_among_records_is_read_as_it_would_be_alone(said: Any) -> None:
    lines = [b'{"level":"info"}', msgspec.json.encode({"level": said}), b'{"level":"error"}']
    parser, stage = parse.Stage("json").bind(container()), level.Stage("auto")
    parser(batch(*lines))
    records = parser(batch(*lines))
    assert records is not None
    assert type(records.parsed) is Records
    (_, alone, _) = entries(stage(batch(*lines, fields=[{}, {"level": said}, {}])))
    result = stage(records)
    assert [row.fields["level"] for row in entries(result)] == [
        "info",
        alone.fields["level"],
        "error",
    ]


def test_records_without_that_field_get_it() -> None:
    stage = parse.Stage("json").bind(container())
    stage(batch('{"severity":"E"}'))
    result = made(**{"from": "severity"})(stage(batch('{"severity":"E"}')))  # type: ignore[arg-type]
    assert entries(result)[0].fields == {"severity": "E", "level": "error"}


def test_it_is_the_level_that_comes_out() -> None:
    result = level.Stage("auto")(batch("2026 WARN x"))
    assert result is not None
    assert b'"log":{"level":"warning"}' in JsonEncoder().encode([result])


def test_what_a_user_may_write() -> None:
    assert msgspec.convert("auto", level.Config) == "auto"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"default": "loud"}, level.Config)


def test_it_says_which_words_it_writes() -> None:
    word = level.Stage("auto").effect().words["level"]
    assert [word(one) for one in ("warn", "FATAL", 30, "warning", "loud", None)] == [
        "warning", "critical", "info", "warning", "loud", None,
    ]  # fmt: skip
    assert made(default="info").effect().words["level"]("loud") == "info"
    assert made(**{"from": "severity"}).effect().words == {}
