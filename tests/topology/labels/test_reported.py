"""What is wrong with labels, in the log and in metrics."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from pipeline.model.metrics import Metrics
from pipeline.testing.builders import container
from pipeline.topology.labels import Reported


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
