"""What Logspout ignores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.model.container import Container
from pipeline.testing.builders import container
from pipeline.topology.labels import NAMES, NOTHING, Labels


def one(labels: dict[str, str], **environment: str) -> Container:
    return replace(container(labels=labels), environment=environment)


@pytest.mark.parametrize("text", ["ignore", "IGNORE"])
def test_a_variable_or_a_label_says_so(text: str) -> None:
    labels = Labels(["logspout"])
    assert labels.of(one({}, LOGSPOUT=text)).disabled_by == "LOGSPOUT"
    assert labels.of(one({"logspout.exclude": "true"})).disabled_by == "logspout.exclude"


def test_another_text_means_nothing_and_is_no_error() -> None:
    labels = Labels(["logspout"])
    for asked in (one({"logspout.exclude": "1"}), one({}, LOGSPOUT="no"), one({})):
        assert labels.of(asked) is NOTHING


def test_it_counts_only_where_the_operator_asks_for_it() -> None:
    assert Labels().of(one({"logspout.exclude": "true"}, LOGSPOUT="ignore")).enabled
    refusing = Labels(["logspout"], honours=lambda container: False)
    assert refusing.of(one({}, LOGSPOUT="ignore")).enabled


def test_a_label_of_the_agents_own_counts_before_it() -> None:
    labels = Labels([*NAMES, "logspout"])
    assert labels.of(one({"dockline.enable": "true"}, LOGSPOUT="ignore")).enabled
