"""How `dockline tap` shows an entry to people."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pipeline.cli.tap.rows import Rows


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ENTRY = {
    "@timestamp": "2026-01-02T03:04:05.678901234Z",
    "message": '{"level":"error","msg":"boom","status":500}',
    "level": "error",
    "msg": "boom",
    "status": 500,
    "env": "prod",
    "log": {"level": "error"},
    "container": {"id": "0123456789ab", "name": "shop-api-1"},
    "event": {"sequence": 17},
}


def found(**more: Any) -> dict[str, Any]:
    return {"route": "errors", "sink": "papertrail", "entry": ENTRY, **more}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def plain(one: dict[str, Any]) -> str:
    return Rows(io.StringIO())(one)


def test_a_file_gets_level_text_and_fields_on_one_line() -> None:
    assert plain(found()) == (
        "03:04:05.678  shop-api-1  errors -> papertrail  ERROR boom  status=500 env=prod"
    )


def test_why_an_entry_is_dropped_stands_before_it() -> None:
    filtered = {"route": "errors", "stage": "keep", "dropped": "filtered", "entry": ENTRY}
    assert "  errors -> keep  filtered  ERROR boom" in plain(filtered)
    assert "  dropped (refused: too long)  " in plain(found(dropped="refused", because="too long"))
    assert plain({"sink": "a", "dropped": "drop_newest", "entries": 1200}) == (
        "a  1,200 entries dropped (drop_newest)"
    )


def test_a_terminal_gets_a_colour_for_the_level_and_for_the_container() -> None:
    text = Rows(Terminal())(found())
    assert "\x1b[31mERROR  \x1b[0m boom" in text
    other = Rows(Terminal())(found(entry=ENTRY | {"container": {"id": "ff", "name": "x"}}))
    assert text.partition("shop-api-1")[0][-3:] != other.partition("x\x1b")[0][-3:]


def test_a_trace_stands_below_its_first_line_on_a_terminal_only() -> None:
    one = found(entry=ENTRY | {"message": "boom\n  at a\n  at b"})
    assert len(plain(one).split("\n")) == 1
    _, *more = Rows(Terminal())(one).split("\n")
    assert [line.strip() for line in more] == ["at a", "at b"]


@pytest.mark.parametrize("name", ["message", "container"])
def test_no_container_commands_the_terminal(name: str) -> None:
    hostile = "a\x1b]0;title\x07\x1b[2Jb\r\x9bc"
    entry = ENTRY | {name: {"id": "1", "name": hostile} if name == "container" else hostile}
    for rows in (Rows(io.StringIO()), Rows(Terminal())):
        text = rows(found(entry=entry, route=hostile))
        for command in ("\x1b]", "\x1b[2J", "\x07", "\r", "\x9b"):
            assert command not in text


@pytest.mark.parametrize("entry", [{}, {"@timestamp": "soon", "message": 5, "log": 3}])
def test_an_entry_that_lacks_everything_is_still_shown(entry: dict[str, Any]) -> None:
    assert plain({"route": "a", "sink": "b", "entry": entry}).startswith("    a -> b")
