"""The stream of what the Engine says of each container."""

from __future__ import annotations

import json

import pytest

from pipeline.cli.top.figures import Figures, FigureTable

ID = "0123456789ab" + "c" * 52


def line(*rows: list[object], full: bool = False, gone: tuple[str, ...] = ()) -> bytes:
    table = {"columns": ["id", "state", "new", "cpu"], "full": full, "gone": gone, "rows": rows}
    return json.dumps({"time": 1, "table": table}).encode()


def test_rows_are_kept_changed_and_forgotten() -> None:
    table = FigureTable()
    table.take(line([ID, "running", 0, 0.5], ["f" * 64, "created", 0, None], full=True))
    assert table.by_id["0123456789ab"] == Figures(state="running", cpu=0.5)
    table.take(line([ID, "paused", 0, None]))
    assert table.by_id["0123456789ab"] == Figures(state="paused")
    table.take(line(gone=(ID,)))
    assert list(table.by_id) == ["f" * 12]
    table.take(line(full=True))
    assert table.by_id == {}


@pytest.mark.parametrize(
    "wrong",
    [
        b"<html>",
        b'{"table":{"columns":["state"],"rows":[["running"]]}}',
        line([ID]),
        line([ID, 5, 0, 0.5]),
        line([ID, "running", 0, "much"]),
    ],
)
def test_what_is_no_table_is_an_error_that_is_caught(wrong: bytes) -> None:
    with pytest.raises(ValueError):
        FigureTable().take(wrong)
