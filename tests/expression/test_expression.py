"""What expressions mean, on entries and on containers."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.expression import compile_container, compile_predicate
from pipeline.model.container import Container
from pipeline.testing.builders import batch, container

DEEP = {"a": {"b": {"c": 1}}, "tags": ["x", "y"]}


def holds(text: str, fields: dict[str, Any] | None = None, **facts: Any) -> bool:
    """Whether an expression is true of one entry."""
    line = facts.pop("message", "GET /health")
    (found,) = compile_predicate(text)(batch(line, fields=[fields or {}], **facts))
    assert type(found) is bool
    return found


@pytest.mark.parametrize("value", [500, 500.0, "500", "500.0", " 5e2 "])
def test_a_number_compares_with_numbers_and_with_text_that_spells_one(value: Any) -> None:
    assert holds("status == 500", {"status": value})
    assert holds("500 == status", {"status": value})
    assert holds("status >= 500 and status <= 500", {"status": value})
    assert holds("status in (404, 500)", {"status": value})
    assert holds("499 < status < 501", {"status": value})
    assert not holds("status != 500", {"status": value})
    assert not holds("status > 500 or status < 500", {"status": value})
    assert not holds("status not in (404, 500)", {"status": value})


@pytest.mark.parametrize("value", ["five", "", "nan", "inf", "5_00", "٥٠٠", [], {}, [500], None])
def test_what_is_no_number_is_unequal_to_one_and_has_no_order_with_it(value: Any) -> None:
    assert not holds("x == 500 or x < 500 or x <= 500 or x > 500 or x >= 500", {"x": value})
    assert holds("x != 500 and x not in (500, 501)", {"x": value})


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("other", ["1", "'a'", "'1'", "None", "True", "stream", "gone", "here"])
def test_every_comparison_with_a_missing_field_is_false(operator: str, other: str) -> None:
    assert not holds(f"missing {operator} {other}", {"here": 1})
    assert not holds(f"{other} {operator} missing", {"here": 1})
    assert holds(f"not (missing {operator} {other})", {"here": 1})


@pytest.mark.parametrize(
    "text",
    [
        "missing in ('a', 'b')", "missing not in ('a', 'b')", "missing in (1, 2)",
        "missing not in (1, 2)", "missing in ('a', 1)", "missing not in ('a', 1)",
        "'a' in missing", "'a' not in missing", "missing in message", "missing not in message",
        "missing in missing", "missing not in missing", "missing", "missing.a", "missing[0]",
        "a.missing == 1", "a.b.c.d != 1", "tags[2] != 1", "missing + 1 != 0", "-missing != 0",
        "len(missing) != 0", "lower(missing) != ''", "missing.startswith('')", "int(missing) != 1",
        "missing.contains('')", "matches(missing, '')", "ip_in(missing, '0.0.0.0/0')",
    ],
)  # fmt: skip
def test_nothing_is_true_of_a_missing_field(text: str) -> None:
    assert not holds(text, DEEP)


def test_a_missing_field_is_told_from_null_and_from_falsehood() -> None:
    assert holds("'x' in fields and x == None and not x", {"x": None})
    assert holds("'x' not in fields and not (x == None) and not (x != None)")
    assert holds("x != None", {"x": 0})
    assert not holds("x != None", {"x": None})


def test_a_truth_value_is_no_number_but_equals_its_word() -> None:
    assert holds("ok == True and ok != False and ok", {"ok": True})
    assert holds("ok == True", {"ok": "true"})
    assert holds("ok == 'TRUE' and ok in ('true', 'x')", {"ok": True})
    assert not holds("ok == 1 or ok >= 1 or ok > 0 or ok in (1, 2)", {"ok": True})
    assert not holds("n == True", {"n": 1})


def test_texts_compare_as_texts_and_numbers_as_words_of_text() -> None:
    assert holds("a < 'b' and 'A' < a", {"a": "aa"})
    assert holds("version > '10'", {"version": "9"})
    assert holds("status == '503' and status in ('503', 'x')", {"status": 503})
    assert not holds("status < 'x'", {"status": 503})


def test_lists_and_objects_equal_nothing_not_even_each_other() -> None:
    assert not holds("a == b", {"a": [1], "b": [1]})
    assert holds("a != b", {"a": [1], "b": [1]})
    assert not holds("a == 'x' or a < 1 or a in ('x', 1)", {"a": {"x": 1}})


def test_in_looks_into_texts_lists_and_keys() -> None:
    assert holds("'x' in tags and 'z' not in tags and 'a' in fields", DEEP)
    assert holds("'b' in a and 'c' in a.b and 'b' not in a.b", DEEP)
    assert holds("'1' in numbers and 2 in numbers", {"numbers": [1, "2"]})
    assert holds("part in message", {"part": "health"})
    assert not holds("1 in message or 'x' in n or 'x' not in n", {"n": 5})


def test_fields_inside_objects_and_lists_are_reached_with_dots_and_brackets() -> None:
    assert holds("a.b.c == 1 and a['b'].c == 1 and fields.a.b['c'] == 1", DEEP)
    assert holds("tags[0] == 'x' and tags[-1] == 'y' and not (tags[-3] == 'x')", DEEP)
    assert holds("http.status == 5", {"http.status": 5})
    assert holds("http.status == 5", {"http.status": 5, "http": {"other": 1}})
    assert holds("http.status == 4", {"http.status": 5, "http": {"status": 4}})
    assert holds("fields['weird-key'] == 1 and fields['__class__'] == 2 and fields['größe'] == 3",
                 {"weird-key": 1, "__class__": 2, "größe": 3})  # fmt: skip


def test_names_of_ours_win_over_fields_which_stay_within_reach() -> None:
    fields = {"message": "other", "stream": "other", "container": "other", "len": 7}
    assert holds("message == 'GET /health' and stream == 'stdout'", fields)
    assert holds("fields.message == 'other' and fields['stream'] == 'other'", fields)
    assert holds("fields.container == 'other' and len == 7", fields)


def test_an_entry_tells_its_stream_time_source_and_container() -> None:
    of = container("api-1", labels={"com.docker.compose.project": "shop", "x-y": "1"})
    assert holds("stream == 'stderr'", streams="err")
    assert holds("time == '2026-01-31T23:59:59.000000000Z' and time < '2027'")
    assert holds("source == 'events' and stream == ''", source="events", streams="none")
    assert holds("container.name == 'api-1' and container.project == 'shop'", of=of)
    assert holds("container.labels.com.docker.compose.project == 'shop'", of=of)
    assert holds("container.labels['x-y'] == 1 and 'x-y' in container.labels", of=of)
    assert holds("container.image.startswith('shop/') and container.host == 'web-1'", of=of)
    assert holds("len(container.id) == 64 and container.service == ''", of=of)


@pytest.mark.parametrize(
    "line", [b"GET \xff /health", "GET ☃ /health".encode(), b"GET \x00/health"]
)
def test_the_message_is_text_with_a_replacement_for_what_is_not_utf_8(line: bytes) -> None:
    text = line.decode("utf-8", "replace")
    assert holds(f"message == {text!r} and message in ({text!r},)", message=line)
    assert holds(f"{text[4:]!r} in message and message.endswith({text[4:]!r})", message=line)
    assert holds(f"len(message) == {len(text)}", message=line)
    assert holds(
        "message.startswith(('POST', 'GET')) and contains(message, 'health')", message=line
    )
    assert not holds("'healthy' in message or message != message", message=line)


def test_functions_stand_before_their_text_or_behind_it() -> None:
    fields = {"path": "/api/V1/items", "n": 5, "list": [1, 2], "s": "12.7"}
    assert holds("startswith(path, '/api') and path.startswith('/api')", fields)
    assert holds("endswith(path, ('x', 'items')) and path.endswith(end)", fields | {"end": "s"})
    assert holds("contains(path, 'V1') and list.contains(2)", fields)
    assert holds("lower(path) == '/api/v1/items' and 'V1/ITEMS' in path.upper()", fields)
    assert holds("len(path) == 13 and len(list) == 2 and not (len(n) == 1)", fields)
    assert holds("int(s) == 12 and float(s) == 12.7 and int(n) == 5", fields)
    assert not holds("n.startswith('5') or lower(n) == '5' or contains(n, '5')", fields)


def test_matches_looks_anywhere_in_the_text() -> None:
    assert holds(r"matches(message, r'/h\w+$') and message.matches('^GET')")
    assert holds(r"matches(path, r'^/(api|web)/v\d+')", {"path": "/api/v2"})
    assert not holds("matches(n, '5')", {"n": 5})


def test_epoch_is_the_seconds_of_a_time() -> None:
    assert holds("epoch(when) == 1769903999.5", {"when": "2026-01-31T23:59:59.500000000Z"})
    assert holds("epoch(time) == 1769903999 and int(epoch(time)) == 1769903999", {})
    for value in (None, 5, "", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T23:59:59+01:00"):
        assert not holds("epoch(when) >= 0", {"when": value})


def test_ip_in_reads_addresses_of_both_versions() -> None:
    nets = "('10.0.0.0/8', '2001:db8::/32')"
    for address in ("10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3"):
        assert holds(f"ip_in(ip, {nets})", {"ip": address})
    for value in (
        "11.1.2.3",
        "::1",
        "10.1.2",
        "10.1.2.3:80",
        "",
        "x" * 100,
        167838211,
        None,
        [],
        {},
    ):
        assert not holds(f"ip_in(ip, {nets})", {"ip": value})
    assert holds("ip_in(ip, '10.1.2.3')", {"ip": "10.1.2.3"})


def test_arithmetic_is_on_numbers_and_otherwise_gives_nothing() -> None:
    fields = {"a": 7, "b": "2", "t": "x", "z": 0, "big": 10**400, "f": 1e308}
    assert holds("a + b == 9 and a - b == 5 and a * b == 14 and a / b == 3.5", fields)
    assert holds("a // b == 3 and a % b == 1 and -a == -7 and +b == 2 and a - -1 == 8", fields)
    for nothing in ("a / z", "a // z", "a % z", "t * 3", "t + t", "a * t", "f * f", "big / 1.5",
                    "big * big", "float(big)", "missing * 2"):  # fmt: skip
        assert not holds(f"({nothing}) == 0 or ({nothing}) != 0 or ({nothing})", fields)


def test_a_chain_computes_its_middle_once_and_stops_at_the_first_falsehood() -> None:
    assert holds("1 < x + 1 < 3 != 2", {"x": 1})
    assert not holds("1 < x < 3", {"x": 3})
    assert holds("'a' < x <= 'b' < 'c'", {"x": "b"})
    assert holds("low <= status < high", {"low": 1, "status": 2, "high": 3})
    assert not holds("low <= status < high", {"low": 1, "status": 3, "high": 3})


def test_and_or_not_bind_as_in_python_and_give_the_deciding_value() -> None:
    assert holds("(level or severity) == 'error'", {"severity": "error"})
    assert holds("(level and 'x') == 'x'", {"level": "info"})
    assert holds("not a or b and c", {"a": 1, "b": 1, "c": 1})
    assert not holds("not (a or b and c)", {"a": 1})


@pytest.mark.parametrize("value", [1, "x", [0], {"a": 0}, True, 0.5])
def test_a_field_by_itself_is_true_unless_empty_zero_null_or_false(value: Any) -> None:
    assert holds("x", {"x": value})
    assert not holds("x", {"x": type(value)()})
    assert not holds("x", {"x": None})


def test_an_expression_may_go_over_lines_and_hold_comments() -> None:
    assert holds("\n  a == 1  # one\n  and (\n b == 2\n)\n", {"a": 1, "b": 2})


def test_entries_of_a_batch_that_nobody_parsed_have_no_fields() -> None:
    both = compile_predicate("level == 'x' or 'two' in message")
    assert both(batch("one", "two")) == [False, True]
    assert both(batch()) == []
    assert compile_predicate("container.name == 'api-1'")(batch("one", "two")) == [True, True]


def test_a_predicate_tells_its_text_and_the_fields_that_it_may_read() -> None:
    predicate = compile_predicate("a == 1 or b.c > 2 or 'd' in fields or fields['e-f'] or message")
    assert predicate.fields == {"a", "b", "b.c", "d", "e-f"}
    assert predicate.text.startswith("a == 1")
    assert compile_predicate("stream == 'stdout'").fields == frozenset()


def takes(text: str, of: Container) -> bool:
    found = compile_container(text)(of)
    assert type(found) is bool
    return found


def test_a_container_is_chosen_by_its_facts() -> None:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api", "n": "3"}
    api = container("shop-api-1", image="shop/api:1.4", labels=labels, host="web-1")
    assert takes("name.startswith('shop-') and image == 'shop/api:1.4' and host == 'web-1'", api)
    assert takes("project == 'shop' and service in ('api', 'web') and len(id) == 64", api)
    assert takes('labels["com.docker.compose.project"] == "shop"', api)
    assert takes("labels.com.docker.compose.service == 'api' and labels.n > 2", api)
    assert takes("'n' in labels and 'm' not in labels and labels", api)
    assert takes("matches(name, r'-\\d+$') and name", api)
    assert not takes("name == 'x' or labels.n > 3 or service", container())


def test_a_label_that_a_container_does_not_have_reads_as_empty_text() -> None:
    takes_all = 'labels["dockline.enable"] != "false"'
    assert takes(takes_all, container())
    assert takes(takes_all, container(labels={"dockline.enable": "true"}))
    assert not takes(takes_all, container(labels={"dockline.enable": "false"}))
    assert takes("labels.x == '' and not labels.x", container())
