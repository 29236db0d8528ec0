"""The addresses that `docs/guides/one-line.md` shows are valid, and each sink is among them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.config.one_line.reader import read_address
from pipeline.model import registry

PAGE = (Path(__file__).parents[2] / "docs/guides/one-line.md").read_text()
COMMANDS = re.findall(r"^\$ (dockline run .*:.*)$", PAGE, re.MULTILINE)
ADDRESSES = [
    span.replace("…", "host:1")
    for span in re.findall(r"`([a-z_0-9]+(?:\+[a-z]+)*://[^`]+)`", PAGE)
    if not span.endswith("/")
]
QUERIES = re.findall(r"`([a-z.]+=[^`]+)`", PAGE.partition("## The query")[2].partition("`&`")[0])


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_runs(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command.partition(" > ")[0])[1:]
    assert main(["check", "--print", *(word for word in words[1:] if word != "--print")]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_address_is_read(address: str) -> None:
    assert read_address(address).slips == []


@pytest.mark.parametrize("query", QUERIES)
def test_each_part_of_a_query_is_known(query: str) -> None:
    assert read_address(f"syslog+tls://h?{query}").slips == []


def test_the_page_shows_every_sink() -> None:
    assert len(COMMANDS) >= 4
    assert len(QUERIES) >= 12
    shown = {read_address(address).type for address in ADDRESSES}
    assert shown == set(registry.names("sinks"))
