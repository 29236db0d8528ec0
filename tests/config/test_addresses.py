"""Where a sink is can be shown to anybody who may see the log or the page."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.addresses import LONGEST, address_of
from pipeline.config.file import parse

SECRET = "hunter2-hunter3-hunter4"


def address(path: str) -> str:
    text = f'[sinks.out]\ntype = "file"\npath = "{path}${{SECRET}}"\n'
    reading = parse(text, {"SECRET": SECRET})
    return address_of(reading.config.sinks["out"], reading.conceal)


def test_what_was_substituted_is_shown_as_it_was_written(tmp_path: Path) -> None:
    assert address(f"{tmp_path}/") == f"{tmp_path}/${{SECRET}}"


def test_nothing_of_a_secret_is_left_where_an_address_is_cut(tmp_path: Path) -> None:
    start = f"{tmp_path}/".ljust(LONGEST - 10, "a")
    assert address(start) == f"{start}${{SECRET}}"[:LONGEST]
