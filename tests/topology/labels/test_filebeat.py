"""Filebeat's hints."""

from __future__ import annotations

import json

import pytest

from pipeline.model.component import Stage
from pipeline.testing.builders import batch, container, entries
from pipeline.topology.labels import NAMES, Labels, Wish, filebeat
from pipeline.topology.labels.filebeat import in_python


def wish(given: dict[str, str], *, prefix: bool = True) -> Wish:
    labels = {f"co.elastic.logs/{name}" if prefix else name: text for name, text in given.items()}
    return Labels([*NAMES, "filebeat"]).of(container(labels=labels))


def joined(given: dict[str, str], *lines: str) -> list[str]:
    (asked,) = wish(given).stages
    assert (asked.label, asked.does) == ("co.elastic.logs/multiline.pattern", "hold")
    stage: Stage = asked.stage.bind(container())
    rows = [*entries(stage(batch(*lines))), *entries(stage.flush(float("inf")))]
    return [row.message.decode() for row in rows]


def test_they_count_only_where_the_operator_asks_for_them() -> None:
    given = {"co.elastic.logs/enabled": "false", "co.elastic.logs/module": "nginx"}
    found = Labels().of(container(labels=given))
    assert found.enabled and not found.errors
    assert not wish(given, prefix=False).enabled


@pytest.mark.parametrize(
    ("given", "follows"),
    [
        ({"enabled": "false"}, False),
        ({"enabled": "true"}, True),
        ({"disable": "true"}, False),
        ({"disable": "false"}, True),
    ],
)
def test_a_container_may_opt_out(given: dict[str, str], *, follows: bool) -> None:
    found = wish(given)
    assert found.enabled is follows and not found.errors
    assert found.disabled_by == ("" if follows else f"co.elastic.logs/{next(iter(given))}")


def test_a_label_of_the_agents_own_counts_before_a_hint() -> None:
    for follows, hint in (("true", "false"), ("false", "true")):
        given = {"co.elastic.logs/enabled": hint, "dockline.enable": follows}
        for labels in (given, dict(reversed(given.items()))):
            assert wish(labels, prefix=False).enabled is (follows == "true")
    both = {"co.elastic.logs/json.keys_under_root": "true", "dockline.parse": "logfmt"}
    assert [one.label for one in wish(both, prefix=False).stages] == ["dockline.parse"]


def test_lines_that_do_not_match_belong_to_the_one_before_where_it_is_negated() -> None:
    given = {"multiline.pattern": r"^\[", "multiline.negate": "true", "multiline.match": "after"}
    assert joined(given, "[a", " b", "[c") == ["[a\n b", "[c"]


def test_lines_that_match_belong_to_the_one_before_else() -> None:
    given = {"multiline.pattern": "^[[:space:]]+(at|\\.{3})[[:space:]]|^Caused by:"}
    assert joined(given, "boom", " at x", "Caused by: y", "next") == [
        "boom\n at x\nCaused by: y",
        "next",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("multiline.match", "before", '"before" is not honoured here; write "after"'),
        ("multiline.type", "count", '"count" is not honoured here; write "pattern"'),
        ("multiline.negate", "maybe", 'neither "true" nor "false"'),
    ],
)
def test_what_a_join_cannot_do_is_told_and_nothing_is_joined(
    name: str, text: str, said: str
) -> None:
    found = wish({name: text, "multiline.pattern": "^a"})
    assert not found.stages
    assert said in found.errors[f"co.elastic.logs/{name}"]


@pytest.mark.parametrize(
    "name",
    [
        "module", "fileset", "fileset.stdout", "processors.1.drop_fields.fields", "pipeline", "raw",
        "multiline.max_lines", "multiline.timeout", "json.target", "1.enabled", "enable", "",
    ],
)  # fmt: skip
def test_a_hint_that_there_is_nothing_for_is_told_once(name: str) -> None:
    found = wish({name: "x"})
    assert found.enabled and not found.stages
    assert found.errors == {
        f"co.elastic.logs/{name}": "this hint of Filebeat's is not honoured here"
    }


def test_lines_are_json_where_a_hint_has_any_setting_of_it() -> None:
    found = wish({"json.keys_under_root": "true", "json.message_key": "log"})
    assert [one.label for one in found.stages] == ["co.elastic.logs/json.keys_under_root"]
    (row,) = entries(found.stages[0].stage.bind(container())(batch('{"a":1}')))
    assert row.fields == {"a": 1}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"include_lines": "^ERR, ^WARN"}, ["ERR a", "WARN b"]),
        ({"include_lines": '["^ERR", "^WARN"]'}, ["ERR a", "WARN b"]),
        ({"exclude_lines": "^DBG"}, ["ERR a", "WARN b", "INFO c"]),
        ({"include_lines": "[A-Z]", "exclude_lines": "^DBG,^INFO"}, ["ERR a", "WARN b"]),
    ],
)
def test_lines_are_kept_or_dropped(given: dict[str, str], left: list[str]) -> None:
    found = wish(given)
    (asked,) = found.stages
    assert asked.does == "drop" and not found.errors
    result = asked.stage(batch("ERR a", "WARN b", "INFO c", "DBG d"))
    assert [row.message.decode() for row in entries(result)] == left


@pytest.mark.parametrize("name", ["include_lines", "exclude_lines", "multiline.pattern"])
@pytest.mark.parametrize("text", ["^(a+)+$", "^.*a.*b", "x" * 129, "^["])
def test_a_pattern_that_could_keep_the_agent_busy_is_told(name: str, text: str) -> None:
    found = wish({name: text})
    assert not found.stages
    assert list(found.errors) == [f"co.elastic.logs/{name}"]


def test_several_patterns_may_take_no_longer_than_one() -> None:
    costly = ",".join(f"(?:ab|a){{1,3}}x{number}" for number in range(4))
    found = wish({"include_lines": costly})
    assert not found.stages
    assert "takes too long" in found.errors["co.elastic.logs/include_lines"]


def test_patterns_without_end_are_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_at(text: str) -> None:
        raise AssertionError(text)

    monkeypatch.setattr(filebeat, "HeldPattern", looked_at)
    for text in (",".join(map(str, range(50_000))), json.dumps([*map(str, range(50_000))])):
        found = wish({"include_lines": text})
        assert found.errors == {"co.elastic.logs/include_lines": "there are more than 8 patterns"}


def test_patterns_of_go_become_those_of_python() -> None:
    assert in_python(r"^[[:digit:]_]+\z") == r"^[0-9_]+\Z"
    assert in_python(r"[[:nope:]]\\z") == r"[[:nope:]]\\z"
