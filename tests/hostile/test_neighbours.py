"""What is missing of the honest containers' lines is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hostile.neighbours import Noticed, last_time, noticed


def written(folder: Path, *messages: str) -> Path:
    file = folder / "honest.ndjson"
    time = "2026-01-31T12:00:00.500000000Z"
    lines = (json.dumps({"@timestamp": time, "message": message}) for message in messages)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        (["a 1", "b 1", "a 2"], Noticed(3, 0, 0, 0)),
        (["a 1", "a 3"], Noticed(2, 1, 0, 0)),
        (["a 1", "a 2", "a 2"], Noticed(3, 0, 1, 0)),
        (["a 2", "a 1"], Noticed(2, 0, 0, 1)),
        ([], Noticed(0, 0, 0, 0)),
    ],
)
def test_what_is_missing_repeated_or_out_of_order_is_counted(
    tmp_path: Path, messages: list[str], found: Noticed
) -> None:
    assert noticed(written(tmp_path, *messages)) == found
    assert found.good == (messages == ["a 1", "b 1", "a 2"])


def test_the_newest_line_tells_how_late_the_agent_is(tmp_path: Path) -> None:
    assert last_time(written(tmp_path, "a 1")) == 1769860800.5
    assert last_time(written(tmp_path)) == 0
