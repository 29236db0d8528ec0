"""The fields that tags add."""

from __future__ import annotations

from pipeline.expression.paths import Path
from pipeline.model.component import Stage
from pipeline.testing.builders import batch, container
from pipeline.testing.stage_kit import StageKit
from pipeline.topology.labels import Labels, Tags, Wish


def wish(given: dict[str, str]) -> Wish:
    return Labels().of(container(labels=given))


class TestTags(StageKit):
    def make(self) -> Stage:
        return Tags({Path.target("team"): "shop", Path.target("http.status"): "x"})


def test_a_tags_objects_are_shared_and_count_as_json_writes_them() -> None:
    found = wish({"dockline.tag.a.b": "x", "dockline.tag.a.c": "y", "dockline.tag.d": "z"})
    assert found.tags is not None
    assert found.tagged == len('{"d":"z","a":{"b":"x","c":"y"}}')
    result = found.tags(batch("one", "two"))
    assert result is not None and result.fields is not None
    assert result.tagged == found.tagged
    assert result.fields == [{"a": {"b": "x", "c": "y"}, "d": "z"}] * 2
    Path.target("a.b").put(result.fields[0], "changed")
    assert result.fields[1] == {"a": {"b": "x", "c": "y"}, "d": "z"}


def test_a_tag_has_only_so_many_dots() -> None:
    assert not wish({"dockline.tag.a" + ".b" * 16: "x"}).errors
    assert "has more than 16 dots" in str(wish({"dockline.tag.a" + ".b" * 17: "x"}).errors)
