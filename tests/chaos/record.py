"""What the receivers have kept, read while it grows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tests.chaos.tally import Tally

PIECE = 1 << 22
_HEADER = re.compile(rb"<\d{1,3}>1 \S+ \S+ (\S+) \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?")
"""RFC 5424, up to the message. The third is APP-NAME, which is the container."""


class Record(Protocol):
    tally: Tally

    def read(self) -> None:
        """Takes what has come since."""


class BeatsRecord:
    """Lines of container and message, a file for each life of the receiver."""

    def __init__(self, folder: Path) -> None:
        self.tally = Tally()
        self._folder = folder
        self._at: dict[Path, int] = {}

    def read(self) -> None:
        for file in sorted(self._folder.glob("*.record")):
            for piece in _pieces(file, self._at):
                whole = piece.rfind(b"\n") + 1
                for line in piece[:whole].split(b"\n")[:-1]:
                    name, _, text = line.partition(b"\t")
                    self.tally.take(name, text)
                self._at[file] += whole


class SyslogRecord:
    """Octet-counted messages, a file for each connection. The connections one after the other, as
    the agent made them: what it sent on the first it sent before it made the second."""

    def __init__(self, folder: Path) -> None:
        self.tally = Tally()
        self.errors: list[str] = []
        """What is no RFC 5424."""
        self._folder = folder
        self._at: dict[Path, int] = {}
        self._done: set[str] = set()

    def read(self) -> None:
        names = {file.stem for file in self._folder.glob("*.*")} - self._done
        for name in sorted(names):
            ended = (self._folder / f"{name}.end").exists()
            self._read(self._folder / f"{name}.read")
            if not ended:
                break
            self._read_unread(name)
            self._done.add(name)

    def _read(self, file: Path) -> None:
        for piece in _pieces(file, self._at):
            before = self._at[file]
            for message, end in messages(piece):
                self._take(message, excused=False)
                self._at[file] = before + end

    def _read_unread(self, name: str) -> None:
        """The first message of it may have begun in what was read."""
        unread = self._folder / f"{name}.unread"
        if unread.exists():
            read = self._folder / f"{name}.read"
            rest = read.read_bytes()[self._at.get(read, 0) :] if read.exists() else b""
            for message, _ in messages(rest + unread.read_bytes()):
                self._take(message, excused=True)

    def _take(self, message: bytes, *, excused: bool) -> None:
        found = _HEADER.match(message)
        if found is None:
            self.errors.append(f"no RFC 5424: {message[:200]!r}")
            return
        self.tally.take(found[1], message[found.end() :], excused=excused)


def messages(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Whole messages, and where each ends."""
    at = 0
    while (space := data.find(b" ", at, at + 12)) > 0:
        end = space + 1 + int(data[at:space])
        if end > len(data):
            return
        yield data[space + 1 : end], end
        at = end


def _pieces(file: Path, at: dict[Path, int]) -> Iterator[bytes]:
    """What is in the file from `at` on, which the caller moves over what it could use."""
    at.setdefault(file, 0)
    try:
        with file.open("rb") as opened:
            while True:
                before = at[file]
                opened.seek(before)
                piece = opened.read(PIECE)
                if piece:
                    yield piece
                if at[file] == before:
                    return
    except FileNotFoundError:
        return
