"""What is remembered of names and values is bounded, whatever the entries say."""

from __future__ import annotations

import sys

from pipeline.encode.otlp.values import LONGEST, MOST, SHORT, Attributes


def test_names_that_are_made_up_for_ever_are_forgotten_again() -> None:
    attributes = Attributes(6)
    for number in range(3 * MOST):
        attributes[f"name-{number}"].one("value")
        assert len(attributes) <= MOST


def test_names_that_are_long_are_not_remembered() -> None:
    attributes = Attributes(6)
    for name in ("x" * (LONGEST + 1), 7, None):
        assert attributes[name].one("a") == attributes[name].one("a")
    assert not attributes


def test_of_long_values_nothing_is_remembered() -> None:
    attribute = Attributes(6)["name"]
    for size in range(4 * SHORT):
        assert attribute.one("x" * size).endswith(b"x" * size)
        attribute.one(1 << min(size, 62))
    kept = [*attribute._strings.values(), *attribute._numbers.values()]
    assert len(attribute._strings) == SHORT
    assert sum(map(sys.getsizeof, kept)) < 2 * SHORT * 100
