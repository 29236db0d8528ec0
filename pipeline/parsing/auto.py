"""Detects the format of each line: JSON, klog, syslog, an access log, or logfmt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipeline.model.records import Fields
from pipeline.parsing import access, json, klog, logfmt, syslog

Format = Callable[[bytes], Fields]
"""Parses one line: its fields, or none if it is not in the format."""

_BY_FIRST: Final[dict[bytes, Format]] = {
    **dict.fromkeys((b"{", b" ", b"\t", b"\r", b"\n", b"\xef"), json.parse_one),
    **dict.fromkeys((b"I", b"W", b"E", b"F"), klog.certain),
    b"<": syslog.certain,
}
"""The format that a line's first byte indicates. No line fits two formats, so this only saves time:
trying all of them would make plain text cost twice as much."""


FIRST_OF_OTHERS: Final = b"".join(_BY_FIRST)
"""The first bytes of lines that are not looked at as those of an access log first."""


class Auto:
    """Parses lines of one container in any of the formats. Tries that of the last line first."""

    def __init__(self) -> None:
        self._last: Format = json.parse_one

    def parse(self, lines: list[bytes]) -> list[Fields]:
        """The fields of each line, of which there must be at least one; none if undetected."""
        if lines[0].startswith(b"{"):
            parsed = json.parse(lines)
            if all(parsed):
                return parsed
            pairs = zip(parsed, lines, strict=True)
            return [fields or self._guess(line) for fields, line in pairs]
        return [self._last(line) or self._guess(line) for line in lines]

    def expects_access(self, lines: list[bytes]) -> bool:
        """Whether lines of an access log are likely among these, of which there must be one."""
        return self._last is access.certain and not lines[0].startswith(b"{")

    def parse_among_access(self, lines: list[bytes], places: list[int]) -> list[Fields]:
        """The fields of the lines at these indexes, ascending, as `parse` gives them. All other
        lines are of an access log."""
        found = []
        behind = 0
        for place in places:
            if place > behind:
                self._last = access.certain
            found.append(self._last(lines[place]) or self._guess(lines[place]))
            behind = place + 1
        if behind < len(lines):
            self._last = access.certain
        return found

    def _guess(self, line: bytes) -> Fields:
        certain = _BY_FIRST.get(line[:1])
        fields = certain(line) if certain is not None else {}
        if not fields and b'] "' in line:
            certain, fields = access.certain, access.certain(line)
        if not fields and line.count(b"=") > 1:
            certain, fields = logfmt.certain, logfmt.certain(line)
        if fields and certain is not None:
            self._last = certain
        return fields
