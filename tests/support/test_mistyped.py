"""The name that was meant is found as people mistype it; where none is like it, there is none."""

from __future__ import annotations

import pytest

from pipeline.support.mistyped import meant


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bufer", "buffer"),
        ("BUFFER", "buffer"),
        ("drop-newest", "drop_newest"),
        ("api_explaned", "api-explained"),
        ("web", "Web"),
        ("x", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_given_as_it_is_known(text: str, name: str | None) -> None:
    assert meant(text, ["buffer", "drop_newest", "drop_oldest", "api-explained", "Web"]) == name


def test_of_nothing_nothing_was_meant() -> None:
    assert meant("buffer", []) is None
