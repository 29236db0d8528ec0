"""Why a container isn't followed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.config.file import parse
from pipeline.config.selection import Selection
from pipeline.explain.reasons import not_followed
from pipeline.testing.builders import container


@pytest.mark.parametrize(
    ("label", "text", "said"),
    [
        ("dockline.enable", "false", 'its label dockline.enable is "false"'),
        ("co.elastic.logs/enabled", "false", 'its label co.elastic.logs/enabled is "false"'),
        ("logspout.exclude", "true", 'its label logspout.exclude is "true"'),
    ],
)
def test_the_label_that_says_so_is_named(label: str, text: str, said: str) -> None:
    honour = 'labels.honour = ["enable", "filebeat", "logspout"]'
    selection = Selection(parse(honour, {}).config)
    assert not_followed(selection, container(labels={label: text}), str) == [said]
    assert not_followed(selection, container(), str) == []


def test_the_variable_that_says_so_is_named() -> None:
    selection = Selection(parse('labels.honour = ["logspout"]', {}).config)
    one = replace(container(), environment={"LOGSPOUT": "ignore"})
    assert not_followed(selection, one, str) == ['its environment has LOGSPOUT = "ignore"']
