"""RESP 2, the protocol of Redis: commands as bytes, and answers out of bytes cut anywhere.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LONGEST_LINE: Final = 2**16
LONGEST_TEXT: Final = 2**20
"""Bytes of one answer. What is asked here is answered in a few of them."""
MOST_ITEMS: Final = 10_000
DEEPEST: Final = 8
"""Items of a list, and lists inside of lists."""

_END: Final = b"\r\n"
_IDS: Final = re.compile(rb"(?:\$\d{1,3}\r\n\d+-\d+\r\n){0,200}+")
"""A run of what XADD answers: the new entries' ids. Bounded, since a run that has an item which is
something else is looked through again behind its first."""


class ProtocolError(Exception):
    """What came is not RESP 2. Says after the peer's name what is wrong."""


@dataclass(frozen=True, slots=True)
class Error:
    """An error that the server answered with."""

    text: str

    @property
    def code(self) -> str:
        """The first word: `ERR`, `OOM`, `WRONGTYPE`."""
        return self.text.partition(" ")[0]


Reply = bytes | int | Error | None | list["Reply"]
"""Texts of either kind are bytes; None is the null of either kind."""


def text(value: bytes) -> bytes:
    """An argument, or a field or its value."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def command(*arguments: bytes) -> bytes:
    """One command, as it is sent."""
    return b"*%d\r\n%b" % (len(arguments), b"".join(map(text, arguments)))


class Replies:
    """Reads the answers on one connection.

    What has been read of an answer is not read again when more of it comes, however small the
    pieces are. hiredis does the same, but allocates what a list announces before it has come.
    """

    def __init__(self) -> None:
        self._unread = bytearray()
        self._needed = 0
        """Bytes of `_unread` before which nothing more can be told."""
        self._searched = 0
        """Bytes of `_unread` in which a line does not end."""
        self._lists: list[tuple[list[Reply], int]] = []
        """The lists that are not complete, the outermost first: what they have, and will have."""
        self._begun = 0
        """Bytes of theirs that have been read."""

    def feed(self, data: bytes) -> list[Reply]:
        """The answers that are complete. Raises `ProtocolError`; then the connection is of no
        more use."""
        self._unread += data
        if len(self._unread) < self._needed:
            return []
        replies: list[Reply] = []
        at = 0
        while at < len(self._unread):
            ids, after = ([], at) if self._lists else _ids(self._unread, at)
            if ids:
                replies += ids
                at = after
                continue
            end = self._element(at, replies)
            if end is None:
                break
            self._begun = self._begun + end - at if self._lists else 0
            at = end
        del self._unread[:at]
        if self._begun + len(self._unread) > 2 * LONGEST_TEXT:
            raise ProtocolError(f"answers with more than {2 * LONGEST_TEXT} bytes at once")
        return replies

    def _element(self, at: int, replies: list[Reply]) -> int | None:
        """Reads an answer, an item of a list or the head of one, and returns where it ends; None
        while it is not whole."""
        end = self._end_of_line(at)
        if end is None:
            return None
        kind, line = self._unread[at : at + 1], bytes(self._unread[at + 1 : end])
        after = end + len(_END)
        if kind == b"+":
            self._put(line, replies)
        elif kind == b"-":
            self._put(Error(line.decode("utf-8", "replace")), replies)
        elif kind == b":":
            self._put(_number(line), replies)
        elif (size := _number(line)) == -1:
            self._put(None, replies)
        elif kind == b"*":
            self._begin(size, replies)
        else:
            return self._text(at, after, size, replies)
        return after

    def _end_of_line(self, at: int) -> int | None:
        if self._unread[at] not in b"+-:$*":
            raise ProtocolError(f"answers {bytes(self._unread[at : at + 20])!r}")
        end = self._unread.find(_END, at + self._searched, at + LONGEST_LINE)
        room = len(self._unread) - at
        if end < 0 and room >= LONGEST_LINE:
            raise ProtocolError("answers with a line that does not end")
        self._needed = 0
        self._searched = max(room - 1, 0) if end < 0 else 0  # the last may be half of the end
        return None if end < 0 else end

    def _text(self, at: int, start: int, size: int, replies: list[Reply]) -> int | None:
        if not 0 <= size <= LONGEST_TEXT:
            raise ProtocolError(f"announces an answer of {size} bytes")
        end = start + size
        after = end + len(_END)
        if len(self._unread) < after:
            self._needed = after - at
            return None
        if self._unread[end:after] != _END:
            raise ProtocolError("answers with a text that is longer than announced")
        self._put(bytes(self._unread[start:end]), replies)
        return after

    def _begin(self, size: int, replies: list[Reply]) -> None:
        if not 0 <= size <= MOST_ITEMS or len(self._lists) == DEEPEST:
            raise ProtocolError(f"announces a list of {size} items, {len(self._lists)} deep")
        if size:
            self._lists.append(([], size))
        else:
            self._put([], replies)

    def _put(self, reply: Reply, replies: list[Reply]) -> None:
        """Into the list that it is an item of, which may complete that one, and so on."""
        while self._lists:
            items, size = self._lists[-1]
            items.append(reply)
            if len(items) < size:
                return
            self._lists.pop()
            reply = items
        replies.append(reply)


def _ids(data: bytearray, at: int) -> tuple[list[bytes], int]:
    """The ids that come next, and where they end: what many commands are answered with."""
    found = _IDS.match(data, at)
    if found is None or found.end() == at:
        return [], at
    said = bytes(found[0]).split(_END)
    ids = said[1::2]
    if all(
        size == b"$%d" % length for size, length in set(zip(said[::2], map(len, ids), strict=False))
    ):
        return ids, found.end()
    return [], at  # a text that is longer, and has what looks like an id in it


def _number(line: bytes) -> int:
    if not re.fullmatch(rb"-?\d{1,19}", line):
        raise ProtocolError(f"answers {line[:20]!r} for a number")
    return int(line)


def pairs(reply: Reply) -> dict[bytes, Reply]:
    """A list of names and values in turn, as RESP 2 has maps; nothing of what is not one."""
    if not isinstance(reply, list):
        return {}
    names: Sequence[Reply] = reply[::2]
    return {
        name: value
        for name, value in zip(names, reply[1::2], strict=False)
        if isinstance(name, bytes)
    }
