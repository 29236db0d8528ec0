"""The stage `count`."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.config import ConfigErrors
from pipeline.config.file import parse
from pipeline.model.component import Stage, StageContext
from pipeline.model.errors import ConfigError
from pipeline.model.metrics import Metrics
from pipeline.stages import count
from pipeline.stages import parse as parse_
from pipeline.testing.builders import batch, container
from pipeline.testing.stage_kit import StageKit


class TestCount(StageKit):
    def make(self) -> Stage:
        labels = {"level": "{level}", "text": "{message}", "name": "{container.name}"}
        return count.Stage(count.Count(name="lines", labels=labels, when="status != 1", series=5))


class Counting:
    """A registry, and stages that count into it."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())

    def stage(self, **config: Any) -> Stage:
        made = count.Stage(count.Count(**config))
        made.attach(StageContext(self.metrics.derived))
        return made

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def test_entries_are_counted_by_their_labels_and_go_on_unchanged() -> None:
    here = Counting()
    stage = here.stage(name="requests", labels={"status": "{status}", "at": "{container.name}"})
    whole = batch(
        "a", "b", "c", "d", fields=[{"status": 200}, {"status": "200"}, {"status": 5}, {}]
    )
    assert stage(whole) is whole
    assert stage(whole) is whole
    assert here.value("requests_total", status="200", at="api-1") == 4
    assert here.value("requests_total", status="5", at="api-1") == 2
    assert here.value("requests_total", status="", at="api-1") == 2


def test_records_stay_records() -> None:
    here = Counting()
    stage = here.stage(name="requests", labels={"status": "{status}"}, when="status > 1")
    reader = parse_.Stage("json").bind(container())
    for _ in range(2):
        read = reader(batch('{"status":1}', '{"status":2}'))
        assert read is not None
        parsed = read.parsed
        after = stage(read)
        assert after is not None
        assert after.parsed is parsed
    assert here.value("requests_total", status="2") == 2
    assert here.value("requests_total", status="1") is None


def test_only_what_is_meant_counts_with_and_without_labels() -> None:
    here = Counting()
    errors = here.stage(name="errors", when="level == 'error'")
    streams = here.stage(name="lines", labels={"stream": "{stream}"}, when="'x' in message")
    for stage in (errors, streams):
        stage(batch("x", "y", "x", streams="out err err", fields=[{}, {"level": "error"}, {}]))
    assert here.value("errors_total") == 1
    assert here.value("lines_total", stream="stdout") == 1
    assert here.value("lines_total", stream="stderr") == 1


def test_series_with_a_containers_name_go_with_it_and_others_stay() -> None:
    here = Counting()
    of = container("shop", number=7)
    here.stage(name="a", labels={"of": "{container.name}"})(batch("x", of=of))
    here.stage(name="b", labels={"image": "{container.image}"})(batch("x", of=of))
    here.metrics.derived.forget(of.id)
    assert here.value("a_total", of="shop") is None
    assert here.value("b_total", image="shop/api:1.4") == 1


@pytest.mark.parametrize(
    ("config", "path", "column"),
    [
        ({"name": "a-b"}, "name", None),
        ({"name": "a", "labels": {"le": "x"}}, "labels", None),
        ({"name": "a", "labels": {"b": "{container.nmae}"}}, "labels.b", 1),
        ({"name": "a", "when": "level = 1"}, "when", 6),
    ],
)
def test_errors_name_their_place(config: dict[str, Any], path: str, column: int | None) -> None:
    with pytest.raises(ConfigError) as caught:
        count.Stage(count.Count(**config))
    assert (caught.value.path, caught.value.column) == (path, column)


def test_names_that_collide_are_errors_of_the_file_with_their_line() -> None:
    text = """\
[routes.a]
stages = [{ count = { name = "hits", labels = { a = "{b}" } } }]
to = ["console"]
[routes.b]
stages = [
  { count = { name = "hits", labels = { a = "{b}" } } },
  { count = { name = "hits" } },
  { count = { name = "container_hits" } },
]
to = ["console"]
"""
    with pytest.raises(ConfigErrors) as caught:
        parse(text, {})
    found = [(problem.line, problem.path) for problem in caught.value.problems]
    assert found == [(7, "routes.b.stages[1].count.name"), (8, "routes.b.stages[2].count.name")]


def test_check_warns_of_a_label_of_a_field_that_nothing_makes() -> None:
    text = """\
[routes.a]
stages = [
  { parse = { regex = "(?P<status>.)" } },
  { count = { name = "hits", labels = { a = "{statsu}" }, when = "status == 5" } },
]
to = ["console"]
"""
    (warning,) = parse(text, {}).warnings
    assert (warning.line, warning.path) == (4, "routes.a.stages[1].count.labels.a")
    assert 'did you mean "status"' in warning.hint
