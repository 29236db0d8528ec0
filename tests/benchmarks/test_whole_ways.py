"""Each way of a whole agent is a configuration that dockline takes, and peers have one of it."""

from __future__ import annotations

import pytest
import yaml

from benchmarks.suite.peers import Peer
from benchmarks.whole_ways import NO_WAY, WHOLE_WAYS, WholeWay
from pipeline.config.file import parse
from pipeline.model import registry

FLUENT_BIT = Peer("Fluent Bit", "file", ("fluent-bit", "-c", "@CONFIG@"), "1")
IDS = [way.slug for way in WHOLE_WAYS]


def test_every_sink_has_a_way_or_a_reason() -> None:
    assert {way.sink for way in WHOLE_WAYS} | set(NO_WAY) == set(registry.names("sinks"))


def test_no_two_ways_have_one_name() -> None:
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("way", WHOLE_WAYS, ids=IDS)
def test_dockline_takes_its_settings(way: WholeWay) -> None:
    settings = way.settings.replace("@PORT@", "1").replace("@FOLDER@", "/tmp")
    parse(f'[sinks.out]\ntype = "{way.sink}"\n{settings}\n', {})


@pytest.mark.parametrize("way", WHOLE_WAYS, ids=IDS)
def test_fluent_bit_has_a_configuration(way: WholeWay) -> None:
    text = FLUENT_BIT.configuration(way.slug)
    assert text.startswith("# Fluent Bit "), "what it does, in its first line"
    text = text.replace("@PORT@", "1")
    (output,) = yaml.safe_load(text)["pipeline"]["outputs"]
    assert output["match"] == "*"
