"""Containers that a user chooses."""

from __future__ import annotations

import pytest

from pipeline.observe.choice import choice

ID = "abcdef0123456789"


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], True),
        (["api-1"], True),
        (["api-?"], True),
        (["web*", "api*"], True),
        (["api"], False),
        ([ID], True),
        ([ID[:6]], True),
        ([ID[:5]], False),
        (["bcdef0"], False),
        ([""], False),
    ],
)
def test_by_patterns_of_its_name_or_by_how_its_id_begins(patterns: list[str], chosen: bool) -> None:
    assert choice(patterns)("api-1", ID) is chosen


def test_a_hostile_name_is_chosen_as_it_is_shown() -> None:
    assert choice(["a\ufffdb"])("a\nb", ID)
