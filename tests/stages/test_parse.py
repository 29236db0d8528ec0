"""The stage `parse`."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import parse
from pipeline.testing.builders import batch, entries
from pipeline.testing.stage_kit import LINES, StageKit


class TestJson(StageKit):
    def make(self) -> Stage:
        return parse.Stage("json")


class TestLogfmt(StageKit):
    def make(self) -> Stage:
        return parse.Stage("logfmt")


class TestAuto(StageKit):
    def make(self) -> Stage:
        return parse.Stage("auto")


class TestNginx(StageKit):
    def make(self) -> Stage:
        return parse.Stage("nginx")


class TestApache(StageKit):
    def make(self) -> Stage:
        return parse.Stage("apache")


class TestSyslog(StageKit):
    def make(self) -> Stage:
        return parse.Stage("syslog")


class TestKlog(StageKit):
    def make(self) -> Stage:
        return parse.Stage("klog")


class TestRegex(StageKit):
    def make(self) -> Stage:
        return parse.Stage(parse.Pattern(regex=r"(?P<first>\S+)(?: (?P<second>.*))?"))


def parsed(config: Any, *lines: bytes | str) -> list[dict[str, Any]]:
    """The fields of each line; the rest of its entry is as it was."""
    whole = batch(*lines)
    rows = entries(parse.Stage(config)(whole))
    before = entries(whole)
    assert [row._replace(fields={}) for row in rows] == [row._replace(fields={}) for row in before]
    return [row.fields for row in rows]


def regex(text: str) -> parse.Pattern:
    return parse.Pattern(regex=text)


# ------------------------------------------------------------------------------------ JSON


def test_json_objects_become_fields_and_all_else_goes_on_without() -> None:
    lines = [
        '{"a":1}',
        "text",
        ' {"b":[null,{"c":true}]}\r',
        "[1]",
        "7",
        '"x"',
        "null",
        "{}",
        "",
        '{"a',
    ]
    assert parsed("json", *lines) == [
        {"a": 1}, {}, {"b": [None, {"c": True}]}, {}, {}, {}, {}, {}, {}, {},
    ]  # fmt: skip


SPILLING = (
    ["[1", "2]"], ["1,2", "3"], ["{}, {}"], ['{"a":1', '"b":2}', "{},{}"],
    ['{"a":[{}', "{}]}", "{},{}"],
    ['{"a":"x', '{","b":1}', "{},{}"], ["{} {}", "{}{}"], ["[", "]"], ['"', '"'], ['{"a":', "1}"],
    ["{}\n{}", "{", "}"], ['{"a":1}/*', "*/"], ["\ufeff{}", "{}"],
)  # fmt: skip


@pytest.mark.parametrize("lines", SPILLING, ids=repr)
def test_no_line_spills_into_another(lines: list[str]) -> None:
    """Neither together nor alone are these objects; beside them each object stays in its place."""
    around = ['{"n":1}', *lines, '{"n":2}']
    assert parsed("json", *around) == [{"n": 1}, *[{} for _ in lines], {"n": 2}]
    assert parsed("json", *lines, *around)[len(lines)] == {"n": 1}


def test_each_line_has_the_fields_that_it_has_alone_whatever_stands_beside_it() -> None:
    choose = random.Random(3)
    pool = [*LINES, *[line.encode() for lines in SPILLING for line in lines]]
    alone = {line: parsed("json", line)[0] for line in pool}
    for _ in range(200):
        lines = choose.choices(pool, k=12)
        assert parsed("json", *lines) == [alone[line] for line in lines]


def test_bytes_that_are_not_utf_8_are_replaced_in_the_fields_only() -> None:
    line = b'{"k\xff":"\xc3(","ok":1}'
    assert parsed("json", b'{"n":1}', line) == [{"n": 1}, {"k\ufffd": "\ufffd(", "ok": 1}]


@pytest.mark.fault(6)
def test_a_byte_order_mark_before_the_object_does_not_matter() -> None:
    assert parsed("json", b'\xef\xbb\xbf{"a":1}') == [{"a": 1}]


@pytest.mark.fault(23)
def test_whole_numbers_keep_their_digits_up_to_what_cpython_converts() -> None:
    assert parsed("json", f'{{"a":{10**999}}}', '{"a":-18446744073709551616}') == [
        {"a": 10**999},
        {"a": -(2**64)},
    ]
    assert parsed("json", '{"a":%s}' % ("9" * 100_000), '{"a":1e999}', '{"a":1}') == [
        {},
        {},
        {"a": 1},
    ]


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "01", ".5", "'a'", "undefined", "+1"]
)
def test_what_is_not_json_is_not_guessed_at(value: str) -> None:
    assert parsed("json", f'{{"a":{value}}}', '{"b":1}') == [{}, {"b": 1}]


@pytest.mark.fault(23)
def test_of_two_equal_keys_the_last_one_counts() -> None:
    assert parsed("json", '{"a":1,"b":2,"a":3}') == [{"a": 3, "b": 2}]


@pytest.mark.fault(23)
def test_ten_thousand_keys_and_a_nesting_of_a_hundred_thousand_do_no_harm() -> None:
    keys = {f"k{number}": number for number in range(10_000)}
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    assert parsed("json", json.dumps(keys), deep, '{"n":1}') == [keys, {}, {"n": 1}]


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert parsed("json", r'{"a":"\ud800"}', r'{"a":"\ud83d\ude00"}') == [{}, {"a": "😀"}]


def test_a_batch_in_which_nothing_was_parsed_is_passed_on_itself() -> None:
    whole = batch("one", "two")
    assert parse.Stage("json")(whole) is whole


def test_new_fields_join_the_old_ones_and_win() -> None:
    whole = batch('{"a":2,"b":3}', "text", fields=[{"a": 1, "c": 4}, {"a": 1}])
    assert [row.fields for row in entries(parse.Stage("json")(whole))] == [
        {"a": 2, "b": 3, "c": 4},
        {"a": 1},
    ]


# ---------------------------------------------------------------------------------- logfmt


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("level=info msg=hello", {"level": "info", "msg": "hello"}),
        ('msg="a \\"b\\" \\u2603\\n" x=', {"msg": 'a "b" ☃\n', "x": ""}),
        ('msg="a \\q b"', {"msg": "a q b"}),
        ("cached  level=info\tretry", {"cached": True, "level": "info", "retry": True}),
        ("url=http://x/?a=b n=1", {"url": "http://x/?a=b", "n": "1"}),
        ("a==b c=d", {}),
        ("http.status=503 @t=1 größe=3", {"http.status": "503", "@t": "1", "größe": "3"}),
        ("a=1 a=2", {"a": "2"}),
        ('a="" b=1', {"a": "", "b": "1"}),
        ("just some text", {}),
        ("a=1 = b=2", {}),
        ("=1", {}),
        ('a="unclosed b=1', {}),
        ('a=b"c" d=1', {}),
        ('a="b"c', {}),
        ("", {}),
        ("=", {}),
    ],
)
def test_logfmt_is_read_as_a_whole_or_not_at_all(line: str, fields: dict[str, Any]) -> None:
    assert parsed("logfmt", line, "z=1") == [fields, {"z": "1"}]


def test_logfmt_of_any_bytes_gives_text() -> None:
    assert parsed("logfmt", b"a=\xff b=\x00") == [{"a": "\ufffd", "b": "\x00"}]


# ------------------------------------------------------------------------------------ auto


def test_auto_takes_json_and_logfmt_line_by_line() -> None:
    lines = ['{"a":1}', "level=info msg=x", "text", '{"b":2}', "{x} a=1 b=2"]
    assert parsed("auto", *lines) == [{"a": 1}, {"level": "info", "msg": "x"}, {}, {"b": 2}, {}]


@pytest.mark.parametrize(
    "line",
    [
        "a=1", "retrying with n=3 after=5s", "GET /?a=1&b=2 status=200", "x = 1 y = 2", "a==b c==d",
        "http://x/?a=1 http://y/?b=2", "key=value flag other=1", "-a=1 -b=2", "SELECT a=1, b=2",
        "==== b=1 ====", "{a=1 b=2}", "[a=1 b=2]",
    ],
)  # fmt: skip
def test_auto_leaves_what_is_not_logfmt_for_certain(line: str) -> None:
    assert parsed("auto", line) == [{}]


# ----------------------------------------------------------------------------------- regex


def test_named_groups_become_fields_and_those_without_a_part_do_not() -> None:
    pattern = regex(r"(?P<level>[A-Z]+)(?: id=(?P<id>\d+))? (?:.*)took (?P<ms>\d+)ms")
    assert parsed(pattern, "x INFO id=7 it took 5ms.", "WARN took 6ms", "nothing") == [
        {"level": "INFO", "id": "7", "ms": "5"},
        {"level": "WARN", "ms": "6"},
        {},
    ]


def test_a_pattern_sees_text_with_replacements() -> None:
    assert parsed(regex("^(?P<all>.*)$"), b"a\xff", "☃") == [{"all": "a\ufffd"}, {"all": "☃"}]


@pytest.mark.parametrize("text", ["(", "a", "(a)", "(?P<x>a+)+", r"(?P<x>a)\1", "(?P<x>a"])
def test_a_pattern_that_is_wrong_slow_or_without_names_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse.Stage(regex(text))
    assert caught.value.path == "regex"


@pytest.mark.parametrize(
    "value",
    ["json", "logfmt", "nginx", "apache", "syslog", "klog", "auto", {"regex": "(?P<a>b)"}],
)
def test_what_a_user_may_write(value: Any) -> None:
    parse.Stage(msgspec.convert(value, parse.Config))


@pytest.mark.parametrize("value", ["xml", {"regexp": "x"}, {}, 5, ["json"]])
def test_what_a_user_may_not_write(value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, parse.Config)


@pytest.mark.fault(137)
@pytest.mark.parametrize(
    ("form", "part", "before", "behind"),
    [
        ("json", b"[],", b'{"a":[', b"1]}"),
        ("auto", b'{"b":1},', b' {"a":[', b"1]}"),
        ("logfmt", b"a=b ", b"", b"c=d"),
        ("auto", b"a=b ", b"", b"c=d"),
        ("syslog", b' b="\\]"', b"<34>1 - - - - - [a", b"] x"),
        ("klog", b"a=b ", b'I0131 23:59:59.000000 1 a.go:1] "x" ', b"c=d"),
    ],
)
def test_a_long_line_of_more_values_than_anybody_writes_goes_on_without_fields(
    form: Any, part: bytes, before: bytes, behind: bytes
) -> None:
    stage = parse.Stage(form)
    some = before + part * 5000 + behind
    many = before + part * 60_000 + behind
    (usual,) = entries(stage(batch(some)))
    assert usual.fields
    first, heavy, last = entries(stage(batch(some, many, some)))
    assert heavy.fields == {}
    assert heavy.message == many
    assert first.fields == last.fields == usual.fields


def test_a_long_line_of_json_may_have_twenty_thousand_values() -> None:
    some, many = (b'{"a":[' + b"1234," * count + b"1]}" for count in (19_990, 20_010))
    first, second = entries(parse.Stage("json")(batch(some, many)))
    assert first.fields and len(first.fields["a"]) == 19_991
    assert second.fields == {}
