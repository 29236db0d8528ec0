"""Places in an entry's fields."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.expression.paths import Path, flatten
from pipeline.model.errors import ConfigError
from pipeline.model.records import MISSING

NESTED = {"http": {"status": 503, "from": {"ip": "::1"}}, "tags": ["a", "b"]}


def changed(fields: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    Path.parse(path).put(fields, value)
    return fields


def test_it_reads_objects_lists_and_flat_names() -> None:
    assert Path.parse("http.status").get(NESTED) == 503
    assert Path.parse("http.from.ip").get(NESTED) == "::1"
    assert Path(("tags", 1)).get(NESTED) == "b"
    assert Path(("tags", -1)).get(NESTED) == "b"
    assert Path.parse("http.status").get({"http.status": 200}) == 200
    assert Path.parse("http.status").get({"http.status": 200, "http": "text"}) == 200
    for keys in (
        ("no",),
        ("http", "no"),
        ("http", "status", "x"),
        ("tags", 2),
        ("tags", "0"),
        ("http", 0),
    ):
        assert Path(keys).get(NESTED) is MISSING


def test_it_sets_where_it_would_read_and_makes_objects_on_the_way() -> None:
    assert changed({}, "a", 1) == {"a": 1}
    assert changed({}, "a.b.c", 1) == {"a": {"b": {"c": 1}}}
    assert changed({"a": {"x": 0}}, "a.b", 1) == {"a": {"x": 0, "b": 1}}
    assert changed({"a.b": 0}, "a.b", 1) == {"a.b": 1}
    assert changed({"a.b": 0, "a": {"b": 0}}, "a.b", 1) == {"a.b": 0, "a": {"b": 1}}


def test_what_is_no_object_is_not_overwritten_by_one() -> None:
    assert changed({"a": "text"}, "a.b", 1) == {"a": "text", "a.b": 1}
    assert changed({"a": {"b": [0]}}, "a.b.c", 1) == {"a": {"b": [0]}, "a.b.c": 1}


def test_it_removes_what_it_would_read() -> None:
    for fields, left in (
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        ({"a.b": 1}, {}),
        ({"a": {"c": 2}, "a.b": 1}, {"a": {"c": 2}}),
    ):
        assert Path.parse("a.b").pop(fields) == 1
        assert fields == left
        assert Path.parse("a.b").pop(fields) is MISSING
        assert fields == left


def test_objects_inside_are_copied_before_they_are_changed_since_lanes_share_them() -> None:
    shared = {"b": 1, "c": {"d": 1}}
    mine, other = {"a": shared}, {"a": shared}
    Path.parse("a.c.d").put(mine, 2)
    Path.parse("a.b").pop(mine)
    assert mine == {"a": {"c": {"d": 2}}}
    assert other == {"a": {"b": 1, "c": {"d": 1}}}


def test_whole_columns_leave_alone_what_has_no_value() -> None:
    for name in ("x", "x.y"):
        entries: list[dict[str, Any]] = [{}, {}, {"x": 5}]
        path = Path.parse(name)
        path.put_all(entries, [1, MISSING, 2])
        assert [path.get(fields) for fields in entries] == [1, MISSING, 2]
        assert path.pop_all(entries) == [1, MISSING, 2]
        assert path.pop_all(entries) == [MISSING] * 3


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b"])
def test_a_name_with_an_empty_part_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a field"):
        Path.parse(text)


@pytest.mark.parametrize(
    "text", ["container", "@timestamp", "stream", "host.name", "log.level", "message.x"]
)
def test_a_name_of_the_outputs_own_is_no_target(text: str) -> None:
    assert Path.parse(text)
    with pytest.raises(ConfigError, match="that dockline uses in its output"):
        Path.target(text)


def test_tables_in_tables_are_dotted_names() -> None:
    table = {"a": 1, "b": {"c": {"d": 2}, "e.f": 3}, "g": {}}
    assert list(flatten(table)) == [("a", 1), ("b.c.d", 2), ("b.e.f", 3)]
