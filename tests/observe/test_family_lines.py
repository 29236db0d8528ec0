"""Figures as lines of Prometheus' text format."""

from __future__ import annotations

from pipeline.model.cadvisor import Family
from pipeline.observe.family_lines import escape, family_lines, header

PLAIN: Family[int] = Family("gauge", "a", "A.", lambda value: value)
LABELLED: Family[int] = Family("counter", "b_total", "B.", lambda v: [(('x"y',), v)], ("of",))
TIME: Family[int] = Family("counter", "c_total", "C.", lambda value: value, nanoseconds=True)


def test_each_family_has_its_lines_with_the_labels_of_all() -> None:
    assert family_lines([PLAIN, LABELLED], 5, {"name": "web\n"}) == [
        'a{name="web\\n"} 5\n',
        'b_total{name="web\\n",of="x\\"y"} 5\n',
    ]


def test_what_is_no_number_has_no_line() -> None:
    assert family_lines([PLAIN, LABELLED], "x", {}) == ["", ""]  # type: ignore[list-item]


def test_nanoseconds_are_seconds_with_all_their_digits() -> None:
    assert family_lines([TIME], 2**63 + 1, {}) == ["c_total{} 9223372036.854775809\n"]
    assert family_lines([TIME], -5, {}) == ["c_total{} -5e-09\n"]


def test_openmetrics_names_a_counters_family_without_its_ending() -> None:
    assert header("b_total", "counter", "B.", True) == "# HELP b B.\n# TYPE b counter\n"
    assert (
        header("b_total", "counter", "B.", False) == "# HELP b_total B.\n# TYPE b_total counter\n"
    )
    assert header("b", "counter", "B.", True) == "# HELP b B.\n# TYPE b unknown\n"


def test_a_value_is_escaped() -> None:
    assert escape('a\\b"c\nd') == 'a\\\\b\\"c\\nd'
