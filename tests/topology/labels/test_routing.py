"""What becomes of entries by the labels of their container, in every route."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.metrics import Metrics
from pipeline.testing.builders import batch, container, entries
from pipeline.topology import Route, Router
from pipeline.topology.labels import Labels, own


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
    router = Router(routes, metrics, Ledger(), labels=Labels())
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
    monkeypatch.setattr(own, "stage", lambda name, text: Counting(None))
    monkeypatch.setattr(Counting, "calls", 0)
    routed({"dockline.parse": "json"}, b"text")
    assert Counting.calls == 3


def test_a_bug_in_what_is_asked_for_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Stage):
        def __call__(self, one: Batch) -> Batch | None:
            raise ZeroDivisionError

    monkeypatch.setattr(own, "stage", lambda name, text: Broken(None))
    outputs, metrics = routed({"dockline.parse": "json"}, b"text")
    assert [len(one.batches) for one in outputs] == [4, 4]
    given = {"route": "", "stage": "dockline.parse"}
    assert metrics.registry.get_sample_value("dockline_stage_errors_total", given) == 3
    assert "label dockline.parse failed" in caplog.text


def drained(outputs: list[Kept]) -> list[list[str]]:
    return [
        [line.decode() for one in output.batches if one.source == "logs" for line in one.lines]
        for output in outputs
    ]


@pytest.mark.parametrize(
    ("label", "text", "left"),
    [
        ("dockline.sample", "3", ["0", "3", "6", "9"]),
        ("dockline.sample", "0.5", ["0", "2", "4", "6", "8", "10"]),
        ("dockline.throttle", "2/h", ["0", "1"]),
    ],
)
def test_what_a_label_drops_is_filtered_in_each_route_and_every_account_balances(
    label: str, text: str, left: list[str]
) -> None:
    metrics, ledger, outputs = Metrics(CollectorRegistry()), Ledger(), [Kept(), Kept()]
    routes = [
        Route(name, frozenset(["logs", "events"]), bool, [], [output])
        for name, output in zip(("one", "two"), outputs, strict=True)
    ]
    router = Router(routes, metrics, ledger, labels=Labels())
    lanes = router.bind(container(labels={label: text, "dockline.parse": "json"}), Offsets({}))
    for start in range(0, 12, 4):
        lines = [str(number) for number in range(start, start + 4)]
        assert lanes["logs"].offer(batch(*lines, start=start)) == 0
    event = batch("died", source="events", fields=[{}], streams="none")
    assert lanes["events"].offer(event) == 0
    assert drained(outputs) == [left, left]
    assert all(output.batches[-1].source == "events" for output in outputs), "never dropped"
    for name in ("one", "two"):
        given = {"route": name, "stage": label}
        gone = metrics.registry.get_sample_value("dockline_filtered_entries_total", given)
        assert gone == 12 - len(left)
    for account in ledger:
        for route in account.routes.values():
            assert route.unaccounted == 0


def test_what_another_agent_has_sampled_is_not_sampled_again() -> None:
    output = Kept()
    route = Route("all", frozenset(["logs"]), bool, [], [output])
    router = Router([route], Metrics(CollectorRegistry()), Ledger(), labels=Labels())
    given = {"dockline.sample": "10", "dockline.throttle": "1/h", "dockline.tag.team": "shop"}
    lanes = router.bind(container(labels=given), Offsets({}), origin="edge", sources=["logs"])
    assert lanes["logs"].offer(batch("a", "b", "c")) == 0
    assert drained([output]) == [["a", "b", "c"]]
    assert all(row.fields == {"team": "shop"} for row in entries(output.batches[0]))


def test_lines_are_parsed_once_before_they_are_dropped_by_each_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own, "stage", lambda name, text: Counting(None))
    monkeypatch.setattr(Counting, "calls", 0)
    routed({"dockline.parse": "json", "dockline.sample": "2"}, b"text")
    assert Counting.calls == 3


def test_a_pattern_of_a_label_joins_lines_as_the_stage_does() -> None:
    outputs, metrics = routed({"dockline.join": r"^\d"}, b"1 a", b" b", b"2 c")
    assert drained(outputs)[0][:2] == ["1 a\n b", "2 c"]
    given = {"route": "plain", "stage": "dockline.join"}
    assert metrics.registry.get_sample_value("dockline_filtered_entries_total", given) == 3
