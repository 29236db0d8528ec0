"""Splits a stream into syslog messages (RFC 6587): octet counting, or messages ended by LF.

The stream's first byte decides: a digit means octet counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MOST_DIGITS: Final = 10
"""Digits of an octet count at most."""


class SyslogFrameError(ValueError):
    """The stream is invalid and cannot be read any further. `kind` is the reason for metrics."""

    def __init__(self, message: str, kind: str, before: Sequence[bytes] = ()) -> None:
        """`before` has the complete messages that came before the error, in the same data."""
        super().__init__(message)
        self.kind = kind
        self.before = before


class SyslogFrames:
    """Splits the stream of one connection into messages."""

    def __init__(self, longest: int) -> None:
        """`longest`: most bytes of a message. A longer line is cut; a longer count is an error."""
        self._longest = longest
        self._buffer = bytearray()
        self._counted: bool | None = None
        self._skipping = False
        """Whether the rest of a line that was cut is being skipped."""
        self._needed = 0
        """Bytes that the buffer must have before the next message is complete."""

    @property
    def pending(self) -> int:
        """Bytes of an incomplete message in the buffer."""
        return len(self._buffer)

    def feed(self, data: bytes) -> tuple[list[bytes], list[int]]:
        """Adds data; returns the messages that are complete now, and the indexes of those cut.

        Raises `SyslogFrameError`; the stream cannot be read any further then.
        """
        if self._counted is None and data:
            self._counted = data[:1].isdigit()
        if not self._counted:
            return self._of_lines(data)
        self._buffer += data
        return self._of_counted()

    def end(self) -> list[bytes]:
        """The last message, at the end of the stream: a line without LF, if lines are used."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return [] if self._counted or self._skipping or not rest.strip() else [rest]

    def _of_counted(self) -> tuple[list[bytes], list[int]]:
        if len(self._buffer) < self._needed:
            return [], []
        found, at, buffer = list[bytes](), 0, bytes(self._buffer)
        while True:
            space = buffer.find(b" ", at, at + MOST_DIGITS + 1)
            digits = buffer[at:space] if space >= 0 else buffer[at:]
            if (digits or space >= 0) and not (digits.isdigit() and len(digits) <= MOST_DIGITS):
                raise SyslogFrameError(
                    "a message does not begin with its length", "malformed", found
                )
            if space < 0:
                self._needed = 0
                break
            length = int(digits)
            if length > self._longest:
                message = f"a message has {length} bytes, more than {self._longest}"
                raise SyslogFrameError(message, "too_large", found)
            end = space + 1 + length
            if end > len(buffer):
                self._needed = end - at
                break
            found.append(buffer[space + 1 : end])
            at = end
        del self._buffer[:at]
        return found, []

    def _of_lines(self, data: bytes) -> tuple[list[bytes], list[int]]:
        *lines, rest = data.split(b"\n")
        if not lines:
            return self._of_rest(rest)
        lines[0] = bytes(self._buffer) + lines[0]
        self._buffer.clear()
        if self._skipping:
            del lines[0]
            self._skipping = False
        cut = [index for index, line in enumerate(lines) if len(line) > self._longest]
        for index in cut:
            lines[index] = lines[index][: self._longest]
        more, too_long = self._of_rest(rest)
        return lines + more, cut + [len(lines) + index for index in too_long]

    def _of_rest(self, rest: bytes) -> tuple[list[bytes], list[int]]:
        """Buffers what no LF has ended yet; returns it, cut, as soon as it is too long."""
        if self._skipping:
            return [], []
        self._buffer += rest
        if len(self._buffer) <= self._longest:
            return [], []
        line = bytes(self._buffer[: self._longest])
        self._buffer.clear()
        self._skipping = True
        return [line], [0]
