"""What a container may ask for with its labels."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.expression.paths import Path
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.metrics import Metrics
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit
from pipeline.topology import Route, Router, labels
from pipeline.topology.labels import Labels, Reported, Tags, Wish

ROUTES = {"shop": True, "all": False}


def wish(given: dict[str, str], **options: Any) -> Wish:
    return Labels(routes=ROUTES, **options).of(container(labels=given))


def wrong(label: str, text: str) -> str:
    """What is said of it."""
    found = wish({label: text})
    assert found.enabled and not found.route and not found.stages
    (error,) = found.errors.values()
    assert list(found.errors) == [label]
    return error


class TestTags(StageKit):
    def make(self) -> Stage:
        return Tags({Path.target("team"): "shop", Path.target("http.status"): "x"})


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off"])
def test_a_container_may_opt_out(text: str) -> None:
    assert not wish({"dockline.enable": text}).enabled


@pytest.mark.parametrize("text", ["true", "1", "YES", "on"])
def test_or_say_that_it_does_not(text: str) -> None:
    found = wish({"dockline.enable": text})
    assert found.enabled and not found.errors


def test_labels_of_others_are_not_looked_at() -> None:
    assert wish({"docklines.parse": "x", "com.docker.compose.project": "shop"}) is labels.NOTHING


def test_a_route_that_wants_to_may_be_chosen() -> None:
    assert wish({"dockline.route": "shop"}).route == "shop"


@pytest.mark.parametrize(
    ("label", "text", "said"),
    [
        ("dockline.enable", "flase", '"flase" is neither "true" nor "false"'),
        ("dockline.route", "shpo", 'there is no route "shpo"; did you mean "shop"?'),
        ("dockline.route", "nowhere\n", 'there is no route "nowhere\\n"'),
        ("dockline.route", "all", "it has no `labels = true`"),
        ("dockline.parse", "jsno", '"jsno" is not understood; did you mean "json"?'),
        ("dockline.parse", "JSON", 'did you mean "json"?'),
        ("dockline.parse", "", "known: "),
        ("dockline.prase", "json", "did you mean dockline.parse?"),
        ("dockline.parse.x", "json", "did you mean dockline.parse?"),
        ("dockline.tags.team", "shop", "did you mean dockline.tag.team?"),
        ("dockline.tag", "shop", "as in dockline.tag.team"),
        ("dockline.colour", "red", "known: dockline.enable, "),
        ("dockline.", "", "known: dockline.enable, "),
        ("dockline.tag.a b", "x", "is no name of a field"),
        ("dockline.tag.a..b", "x", "is no name of a field"),
        ("dockline.tag.container.x", "x", '"container" is a name that dockline uses in its output'),
        ("dockline.tag.a", "x" * 257, "at most 256 characters"),
        ("dockline.tag.a", "two\nlines", "one line"),
        ("dockline.tag.a", "\udc80", "one line"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_meant_and_counts_for_nothing(
    label: str, text: str, said: str
) -> None:
    assert said in wrong(label, text)


def test_all_that_is_right_counts_beside_what_is_wrong() -> None:
    found = wish({"dockline.parse": "json", "dockline.tag.team": "shop", "dockline.x": "y"})
    assert [name for name, _ in found.stages] == ["parse", "tag"]
    assert list(found.errors) == ["dockline.x"]


def test_lines_are_joined_where_there_is_a_stage_for_it() -> None:
    if "join" not in registry.names("stages"):
        assert wrong("dockline.join", "java") == "this version cannot join lines"
        return
    words = labels._words(registry.config_type("stages", "join"))
    for word in words:
        found = wish({"dockline.join": word, "dockline.parse": "json"})
        assert [name for name, _ in found.stages] == ["join", "parse"]
    assert "known: " in wrong("dockline.join", "?") or "did you mean" in wrong("dockline.join", "?")


def test_what_the_operator_does_not_honour_counts_for_nothing() -> None:
    given = {"dockline.enable": "false", "dockline.parse": "json", "dockline.tag.team": "shop"}
    assert wish(given, honour=()) is labels.NOTHING
    assert wish(given, honours=lambda one: one.name == "other") is labels.NOTHING
    found = wish(given, honour=["tag"])
    assert found.enabled and [name for name, _ in found.stages] == ["tag"] and not found.errors


def test_labels_without_end_are_bounded() -> None:
    given = {f"dockline.tag.t{number}": "x" for number in range(1000)}
    given |= {f"dockline.{'u' * 1000}{number}": "x" for number in range(1000)}
    found = wish(given)
    (row,) = entries(dict(found.stages)["tag"](batch("one")))
    assert len(row.fields) == labels.MOST_TAGS
    assert len(found.errors) <= labels.MOST_ERRORS
    assert all(len(label) <= 64 for label in found.errors)


def test_what_is_wrong_is_said_once_and_shown_until_the_container_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics(CollectorRegistry())
    reported = Reported(metrics)

    def shown(name: str) -> float | None:
        given = {"container": name, "label": "dockline.prase"}
        return metrics.registry.get_sample_value("dockline_label_errors", given)

    with caplog.at_level(logging.WARNING):
        for name in ("api-1", "api-1", "renamed"):
            reported.note(container(name), {"dockline.prase": "no such label"})
    assert len(caplog.records) == 1
    assert caplog.records[0].message == "container api-1: label dockline.prase: no such label"
    assert (shown("api-1"), shown("renamed")) == (1, 1)
    metrics.forget_container("api-1")
    assert (shown("api-1"), shown("renamed")) == (None, 1)
    reported.note(container("renamed", number=2), {})  # another has the name by now
    assert shown("renamed") is None


def test_labels_that_are_left_out_are_counted_and_said_once_of_each_container(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics(CollectorRegistry())
    reported = Reported(metrics)

    def shown(name: str) -> float | None:
        return metrics.registry.get_sample_value("dockline_labels_left_out", {"container": name})

    with caplog.at_level(logging.WARNING):
        for name in ("api-1", "api-1", "renamed"):
            reported.note(replace(container(name), left_out=3), {})
    assert [one.message for one in caplog.records] == [
        "container api-1: 3 labels are left out: it has more than 256 KiB of them, and most sinks "
        "write them with each entry"
    ]
    assert (shown("api-1"), shown("renamed")) == (3, 3)
    metrics.forget_container("api-1")
    assert (shown("api-1"), shown("renamed")) == (None, 3)


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
    assert "has more than 16 dots" in wrong("dockline.tag.a" + ".b" * 17, "x")


class Kept:
    name = "out"

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def offer(self, envelope: Envelope) -> bool:
        self.batches.append(envelope.batch)
        return True

    async def put(self, envelope: Envelope) -> None:
        raise AssertionError("there is always room")


class Marking(Stage):
    def __call__(self, one: Batch) -> Batch | None:
        for fields in one.fields or []:
            fields["marked"] = True
            fields.pop("a", None)
        return one


class Counting(Stage):
    """Passes everything on, and counts how often it was asked."""

    calls = 0

    def __call__(self, one: Batch) -> Batch | None:
        type(self).calls += 1
        return one


def routed(given: dict[str, str], *lines: bytes) -> tuple[list[Kept], Metrics]:
    """Two routes, the first of which changes its fields; what came to the sink of each."""
    metrics, outputs = Metrics(CollectorRegistry()), [Kept(), Kept()]
    routes = [
        Route(
            "marking", frozenset(["logs", "events"]), bool, [("mark", Marking(None))], outputs[:1]
        ),
        Route("plain", frozenset(["logs", "events"]), bool, [], outputs[1:]),
    ]
    router = Router(routes, metrics, Ledger(), labels=Labels(routes=ROUTES))
    bound = router.bind(container(labels=given), Offsets({}))
    for start in range(3):  # the third is read as records
        assert bound["logs"].offer(batch(*lines, start=start * len(lines))) == 0
    events = batch("died", source="events", fields=[{"docker": {"event": {}}}], streams="none")
    assert bound["events"].offer(events) == 0
    return outputs, metrics


def test_every_route_gets_what_was_parsed_and_tagged_and_none_sees_anothers_changes() -> None:
    given = {"dockline.parse": "json", "dockline.tag.team": "shop"}
    (marking, plain), _ = routed(given, b'{"a":1}', b"text")
    for one in marking.batches[:3]:
        assert [row.fields for row in entries(one)] == [{"team": "shop", "marked": True}] * 2
    for one in plain.batches[:3]:
        assert [row.fields for row in entries(one)] == [{"a": 1, "team": "shop"}, {"team": "shop"}]


def test_records_that_lanes_share_are_changed_by_none() -> None:
    (marking, plain), _ = routed({"dockline.parse": "json"}, b'{"a":1}', b'{"a":2}')
    assert [row.fields for row in entries(marking.batches[2])] == [{"marked": True}] * 2
    assert [row.fields for row in entries(plain.batches[2])] == [{"a": 1}, {"a": 2}]


def test_events_are_tagged_and_not_parsed() -> None:
    given = {"dockline.parse": "json", "dockline.tag.team.name": "shop"}
    (_, plain), _ = routed(given, b"text")
    (row,) = entries(plain.batches[3])
    assert row.fields == {"docker": {"event": {}}, "team": {"name": "shop"}}


def test_it_is_done_once_and_not_for_each_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "_stage", lambda name, text: Counting(None))
    monkeypatch.setattr(Counting, "calls", 0)
    routed({"dockline.parse": "json"}, b"text")
    assert Counting.calls == 3


def test_a_bug_in_what_is_asked_for_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Stage):
        def __call__(self, one: Batch) -> Batch | None:
            raise ZeroDivisionError

    monkeypatch.setattr(labels, "_stage", lambda name, text: Broken(None))
    outputs, metrics = routed({"dockline.parse": "json"}, b"text")
    assert [len(one.batches) for one in outputs] == [4, 4]
    given = {"route": "", "stage": "parse"}
    assert metrics.registry.get_sample_value("dockline_stage_errors_total", given) == 3
    assert "dockline.parse failed" in caplog.text
