"""What hostile containers write is the same for the same seed, and large."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from itertools import islice

from tests.hostile.config import STAGES, configuration
from tests.hostile.containers import kinds
from tests.hostile.payloads import payloads

PORTS: Mapping[str, int] = dict.fromkeys(
    ("forward", "keyed", "syslog_tcp", "syslog_udp", "drain", "http", "sour"), 9
)


def test_a_seed_always_gives_the_same_lines_and_containers() -> None:
    made = payloads(3)
    assert made == payloads(3)
    assert all(len(content) > 50_000 for content in made.values())
    assert [*islice(kinds(3, [*made]), 50)] == [*islice(kinds(3, [*made]), 50)]


def test_every_line_meets_every_stage_sooner_or_later() -> None:
    met = {kind.labels["hostile.stage"] for kind in islice(kinds(1, [*payloads(1)]), 300)}
    assert met == set(STAGES)


def test_the_configuration_is_a_good_one() -> None:
    text = configuration("/tmp", PORTS)
    assert set(tomllib.loads(text)["routes"]) >= set(STAGES)
