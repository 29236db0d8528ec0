"""Which of the lines written came, whole and in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

FAULTLESS = "none"


@dataclass
class Verdict:
    """Of the lines that a program should have delivered."""

    expected: int
    delivered: int
    """Different lines that came whole."""
    repeated: int = 0
    destroyed: int = 0
    """Messages that hold no whole line."""
    reordered: int = 0
    """Lines that came after a later one of the same container."""
    foreign: int = 0
    """Lines that came and should not have."""

    @property
    def lost(self) -> int:
        """What did not come, or not whole."""
        return self.expected - self.delivered

    @property
    def faultless(self) -> bool:
        return not (self.lost or self.repeated or self.destroyed or self.foreign)

    def __str__(self) -> str:
        found = {
            "lost": self.lost,
            "repeated": self.repeated,
            "destroyed": self.destroyed,
            "reordered": self.reordered,
            "foreign": self.foreign,
        }
        return ", ".join(f"{count:,} {what}" for what, count in found.items() if count) or FAULTLESS


def judged(came: Iterable[int | None], expected: range | frozenset[int]) -> Verdict:
    """`came`: the numbers of the lines in the order of their arrival, None for what is no line."""
    wanted = frozenset(expected)
    seen: set[int] = set()
    verdict, latest = Verdict(len(wanted), 0), -1
    for number in came:
        if number is None:
            verdict.destroyed += 1
        elif number not in wanted:
            verdict.foreign += 1
        elif number in seen:
            verdict.repeated += 1
        else:
            seen.add(number)
            verdict.reordered += number < latest
            latest = max(latest, number)
    verdict.delivered = len(seen)
    return verdict


LINE = re.compile(
    rb'\{"ts":"[^"]+","level":"info","seq":(\d+),"path":"/api/items/\d+",'
    rb'"status":\d+,"duration_ms":\d+,"user":"u+"\}'
)
"""A whole line of `lines.write_lines`."""


def syslog_lines(content: bytes | memoryview) -> Iterator[int | None]:
    """The number of each line in syslog messages, whether they are octet-counted or end in LF."""
    for message in messages(content):
        found = LINE.search(message)
        whole = found and message[found.end() :].strip() == b""
        yield int(found[1]) if found and whole else None


def json_lines(content: bytes | memoryview, name: str) -> Iterator[int | None]:
    """The number of each line in JSON objects, of which each has to hold the container's name."""
    for line in bytes(content).split(b"\n"):
        if line:
            yield _number(line, name)


def _number(line: bytes, name: str) -> int | None:
    try:
        entry: Any = orjson.loads(line)
        number = entry["seq"]
    except (ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) and name.encode() in line else None


def messages(content: bytes | memoryview) -> Iterator[bytes]:
    """Syslog messages of a TCP stream, RFC 6587: each octet-counted, or ended by a line feed."""
    data = bytes(content)
    counted = re.compile(rb"(\d{1,6}) <")
    at, end = 0, len(data)
    while at < end:
        if header := counted.match(data, at):
            start = header.end() - 1
            after = start + int(header[1])
        else:
            start, after = at, data.find(b"\n", at) + 1 or end
        if data[start:after].strip():
            yield data[start:after]
        at = after
