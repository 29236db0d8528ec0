"""The agent's own log: for people, for a terminal, or for a program."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable

import pytest

from pipeline.cli._own_log import JsonLines, Lines, OwnLog, TerminalLines

FORMS = (Lines, TerminalLines, JsonLines)


def record(
    message: str, level: int = logging.WARNING, *, failed: bool = False
) -> logging.LogRecord:
    error = None
    if failed:
        try:
            raise ValueError("cannot reach http://me:s3cr3t@proxy:3128")
        except ValueError:
            error = sys.exc_info()
    return logging.LogRecord("pipeline.some", logging.WARNING, "", 0, "%s", (message,), error)


@pytest.mark.parametrize("form", FORMS)
def test_no_form_shows_the_credentials_of_a_url_whichever_library_quotes_it(
    form: Callable[[], logging.Formatter],
) -> None:
    said = form().format(record("at x://s3cr3t@h", failed=True))
    assert "x://***@h" in said
    assert "http://***@proxy:3128" in said
    assert "s3cr3t" not in said


@pytest.mark.parametrize("form", FORMS)
def test_no_form_lets_a_name_command_a_terminal(form: Callable[[], logging.Formatter]) -> None:
    said = form().format(record("container \x1b]0;owned\x07\x1b[2Jweb \udcff"))
    assert "\x07" not in said
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", said)
    said.encode()


def test_text_is_time_level_and_message() -> None:
    said = Lines().format(record("sink a: gone"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING sink a: gone", said)


def test_on_a_terminal_a_line_looks_like_one_of_a_container_and_cannot_command_it() -> None:
    said = TerminalLines().format(record("label \x1b[2J of web", failed=True))
    first, *more = re.sub(r"\x1b\[[0-9;]*m", "", said).split("\n")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} dockline \| WARNING label  of web", first)
    assert len(more) >= 3
    assert {line.index("|") for line in (first, *more)} == {len("12:00:00.000 dockline ")}
    assert more[-1].endswith("| ValueError: cannot reach http://***@proxy:3128")


def test_json_is_one_object_per_line_with_the_names_of_other_entries() -> None:
    said = JsonLines().format(record("two\nlines", failed=True))
    assert "\n" not in said
    entry = json.loads(said)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["@timestamp"])
    assert entry["log"] == {"level": "warning", "logger": "pipeline.some"}
    assert entry["message"] == "two\nlines"
    assert entry["service"] == {"name": "dockline"}
    assert entry["error"]["type"] == "ValueError"
    assert entry["error"]["stack_trace"].startswith("Traceback (most recent call last):")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "form"),
    [
        (io.StringIO(), {}, Lines),
        (Terminal(), {}, TerminalLines),
        (Terminal(), {"NO_COLOR": "1"}, Lines),
        (Terminal(), {"TERM": "dumb"}, Lines),
    ],
)
def test_the_form_follows_the_terminal_and_the_setting(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    environment: dict[str, str],
    form: type[logging.Formatter],
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    root = logging.Logger("own")
    own_log = OwnLog("warning", stream, root)
    (handler,) = root.handlers
    assert type(handler.formatter) is form
    root.info("not said")
    root.warning("said as text")
    own_log.write_as("json")
    root.error("said as JSON")
    first, second = stream.getvalue().splitlines()
    assert first.endswith("said as text")
    assert json.loads(second)["message"] == "said as JSON"
