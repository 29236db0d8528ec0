"""The picture of the configuration: what it must not show."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.file import parse
from pipeline.page.graph import LONGEST, describe

SECRET = "hunter2-hunter3-hunter4"


def address(path: str) -> str:
    text = f'[sinks.out]\ntype = "file"\npath = "{path}${{SECRET}}"\n'
    reading = parse(text, {"SECRET": SECRET})
    [sink] = describe(reading.config, reading.conceal)["sinks"]
    found: str = sink["address"]
    return found


def test_what_was_substituted_is_shown_as_it_was_written(tmp_path: Path) -> None:
    assert address(f"{tmp_path}/") == f"{tmp_path}/${{SECRET}}"


def test_nothing_of_a_secret_is_left_where_an_address_is_cut(tmp_path: Path) -> None:
    start = f"{tmp_path}/".ljust(LONGEST - 10, "a")
    assert address(start) == f"{start}${{SECRET}}"[:LONGEST]
