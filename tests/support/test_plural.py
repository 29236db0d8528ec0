"""A noun agrees with its number."""

from __future__ import annotations

import pytest

from pipeline.support.plural import plural


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1000, "1000 entries")]
)
def test_only_of_one_there_is_one(count: int, said: str) -> None:
    assert f"{count} {plural(count, 'entry')}" == said


def test_a_noun_has_an_s_and_what_it_does_may_be_said_with_it() -> None:
    assert plural(2, "line") == "lines"
    assert [plural(count, "line is", "lines are") for count in (1, 2)] == ["line is", "lines are"]
