"""What happened to a container, as a person would put it."""

from __future__ import annotations

import pytest

from pipeline.model.container_state import End
from pipeline.sources.docker.lifecycle import words


@pytest.mark.parametrize(
    ("code", "end", "ran", "expected"),
    [
        (3, "by_itself", 7200.0, "exited with code 3 after 2 h"),
        (0, "by_itself", 0.0, "exited with code 0 after 0 s"),
        (0, "by_itself", None, "exited with code 0"),
        (0, "by_itself", -5.0, "exited with code 0"),
        (None, "by_itself", 60.0, "exited after 60 s"),
        (143, "stopped", 300.0, "stopped: exited with code 143 after 5 min"),
        (137, "oom_killed", 7200.0, "killed: out of memory after 2 h"),
        (137, "oom_killed", None, "killed: out of memory"),
        (1, "oom_killed", 7200.0, "exited with code 1 after 2 h, out of memory"),
    ],
)
def test_an_end_says_how_and_after_what_time(
    code: int | None, end: End, ran: float | None, expected: str
) -> None:
    assert words.ended(code, end, ran) == expected


def test_lack_of_memory_may_be_known_later() -> None:
    killed = "killed: out of memory after 2 h"
    assert words.out_of_memory("exited with code 137 after 2 h") == killed
    assert words.out_of_memory(killed) == killed
    assert words.out_of_memory("exited with code 2") == "exited with code 2, out of memory"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"), (0.34, "0.3 s"), (1, "1 s"), (119.9, "119 s"), (120, "2 min"),
        (7199, "119 min"), (7200, "2 h"),
        (47.9 * 3600, "47 h"), (48 * 3600, "2 d"), (1e9, "11574 d"),
    ],
)  # fmt: skip
def test_a_span_has_one_unit(seconds: float, expected: str) -> None:
    assert words.span(seconds) == expected


def test_the_rest_is_a_word_or_two() -> None:
    assert [words.of(action) for action in ("create", "start", "pause", "unpause", "destroy")] == [
        "created", "started", "paused", "unpaused", "removed",
    ]  # fmt: skip
    assert words.of("exec_create") == "exec_create"
    assert (words.renamed("api-1"), words.renamed("")) == ("renamed from api-1", "renamed")
    assert words.health("unhealthy") == "health: unhealthy"
