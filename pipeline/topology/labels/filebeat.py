"""Filebeat's hints, `co.elastic.logs/*`, as far as the agent has the same.

https://www.elastic.co/guide/en/beats/filebeat/current/configuration-autodiscover-hints.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec

from pipeline.model.errors import ConfigError, DocklineError
from pipeline.topology.labels.lines import Lines
from pipeline.topology.labels.own import joined, stage, yes
from pipeline.topology.labels.patterns import HeldPattern, check_steps
from pipeline.topology.labels.request import Request
from pipeline.topology.labels.wording import quoted

PREFIX: Final = "co.elastic.logs/"
MOST_PATTERNS: Final = 8
"""Patterns of a list at most: every line is searched for all of them."""

_JSON: Final = frozenset((
    "keys_under_root", "overwrite_keys", "add_error_key", "message_key", "expand_keys",
    "ignore_decoding_error",
))  # fmt: skip
"""Settings of Filebeat's JSON that mean no more here than that lines are JSON: its fields stand at
the top anyway, and never take the place of the agent's own."""
_CLASSES: Final = {
    "alpha": "a-zA-Z", "alnum": "a-zA-Z0-9", "digit": "0-9", "xdigit": "0-9a-fA-F", "lower": "a-z",
    "upper": "A-Z", "space": r"\s", "blank": r" \t", "word": r"\w",
    "punct": r"!-/:-@\[-`{-~",
}  # fmt: skip
"""Sets that Go has in brackets, as in `[[:space:]]`, and Python has not."""


class Hints:
    """Reads the hints of one container, one after the other, into what it asks for."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._multiline: dict[str, str] = {}
        self._lines: dict[str, list[HeldPattern]] = {}

    def read(self, label: str, text: str) -> None:
        """Reads one label, which begins with `PREFIX`. Raises `ConfigError` for a wrong value, and
        for a hint that the agent has nothing for."""
        name = label.removeprefix(PREFIX)
        head, _, key = name.partition(".")
        if name in ("enabled", "disable"):
            follows = yes(text) is (name == "enabled")
            self._request.disabled["filebeat"] = "" if follows else label
        elif head == "json" and key in _JSON:
            self._request.ask("parse", label, stage("parse", "json"))
        elif head == "multiline" and key in ("pattern", "negate", "match", "type"):
            self._multiline[key] = text
            _check_multiline(key, text)
        elif name in ("include_lines", "exclude_lines"):
            self._lines[name] = [HeldPattern(in_python(one)) for one in _list(text)]
        else:
            raise ConfigError("this hint of Filebeat's is not honoured here")

    def finish(self) -> Iterator[tuple[str, DocklineError]]:
        """Asks for what several hints say together. Yields labels that are wrong, and why."""
        if self._lines:
            both = [self._lines.get(name, []) for name in ("include_lines", "exclude_lines")]
            label = f"{PREFIX}{next(iter(self._lines))}"
            try:
                check_steps(sum(one.steps for some in both for one in some))
            except ConfigError as error:
                yield label, error
            else:
                self._request.ask("lines", label, Lines(*both))
        if (pattern := self._multiline.get("pattern")) and self._joins_as_here():
            label = f"{PREFIX}multiline.pattern"
            try:
                held = HeldPattern(in_python(pattern))
            except ConfigError as error:
                yield label, error
            else:
                starts = yes(self._multiline.get("negate", "false"))
                self._request.ask("join", label, joined(held, starts=starts))

    def _joins_as_here(self) -> bool:
        """Whether `multiline` has no setting that means something else than a `join`."""
        try:
            for key, text in self._multiline.items():
                _check_multiline(key, text)
        except ConfigError:
            return False
        return True


def in_python(pattern: str) -> str:
    """A pattern of Go's as Python has it: with its sets, and its end of a text."""
    known = re.sub(
        r"\[:(\^?)(\w+):\]",
        lambda found: _CLASSES.get(found[2], found[0]) if not found[1] else found[0],
        pattern,
    )
    return re.sub(r"(?<!\\)((?:\\\\)*)\\z", r"\1\\Z", known)


def _check_multiline(key: str, text: str) -> None:
    """Raises `ConfigError` for a setting of `multiline` that the stage `join` has nothing for."""
    if key == "negate":
        yes(text)
    if key == "match" and text != "after":
        raise ConfigError(f'{quoted(text)} is not honoured here; write "after"')
    if key == "type" and text != "pattern":
        raise ConfigError(f'{quoted(text)} is not honoured here; write "pattern"')


def _list(text: str) -> list[str]:
    """The patterns of a list, which is JSON or has commas. Raises `ConfigError` for too many."""
    found = [one.strip() for one in text.split(",") if one.strip()]
    if text.lstrip().startswith("["):
        with suppress(msgspec.DecodeError, ValueError):  # else it is a pattern that begins so
            found = msgspec.json.decode(text, type=list[str])
    if len(found) > MOST_PATTERNS:
        raise ConfigError(f"there are more than {MOST_PATTERNS} patterns")
    return found
