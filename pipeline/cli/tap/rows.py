"""Shows an entry that the agent sends to people: who wrote it, where it goes, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TextIO

from pipeline.cli._terminal import colours, printable
from pipeline.encode.local_time import LocalTime
from pipeline.encode.readable import Readable
from pipeline.encode.text import colour_of
from pipeline.support.plural import plural

INDENT: Final = "\n" + " " * len("12:01:03.123  ")
"""Before the further lines of an entry, on a terminal."""


class Rows:
    """Formats entries as lines of text.

    `12:01:03.123  shop-api-1  errors -> papertrail  ERROR   boom  status=500`. On a terminal each
    container and each level has its colour, and the further lines of an entry stand below its
    first.
    """

    def __init__(self, stream: TextIO) -> None:
        """`stream`: where they are printed, which is never done here."""
        self._paint = colours(stream)
        self._color = self._paint("bold", "") != ""
        self._readable = Readable(color=self._color)
        self._local_time = LocalTime("%H:%M:%S")

    def __call__(self, found: Mapping[str, Any]) -> str:
        """The text of one object of the stream (`pipeline.observe.tap_stream`), without a line feed
        at its end."""
        paint = self._paint
        way = " -> ".join(str(found[one]) for one in ("route", "sink", "stage") if one in found)
        if "entry" not in found:
            count = found.get("entries", 0)
            lost = f"{count:,} {plural(count, 'entry')} dropped ({found.get('dropped', '')})"
            return f"{paint('bold', printable(way))}  {paint('red', printable(lost))}"
        entry = found["entry"]
        parts = [self._time(entry), self._name(entry), paint("dim", printable(way))]
        if reason := _reason(found):
            parts.append(paint("red", printable(reason)))
        lines = [line.decode("utf-8", "replace") for line in self._readable.of_json(entry)]
        return "  ".join([*parts, INDENT.join(lines)])

    def _time(self, entry: Mapping[str, Any]) -> str:
        moment = str(entry.get("@timestamp", "")).encode()
        try:
            [second] = self._local_time.render([moment])
        except ValueError:
            return ""
        return (second + moment[19:23]).decode()

    def _name(self, entry: Mapping[str, Any]) -> str:
        """The container's name, in the colour that the console gives it."""
        container = entry.get("container", {})
        name = printable(str(container.get("name", "")))
        if not self._color:
            return name
        return f"\x1b[{colour_of(str(container.get('id', '')))}m{name}\x1b[0m"


def _reason(found: Mapping[str, Any]) -> str:
    reason, because = str(found.get("dropped", "")), found.get("because")
    if not reason or reason == "filtered":
        return reason
    return f"dropped ({reason}: {because})" if because else f"dropped ({reason})"
