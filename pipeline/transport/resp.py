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
_IDS: Final = re.compile(rb"(?:\$\d{1,3}\r\n\d+-\d+\r\n)*+")
"""A run of what XADD answers: the new entries' ids."""


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
    """Reads the answers on one connection."""

    def __init__(self) -> None:
        self._unread = b""

    def feed(self, data: bytes) -> list[Reply]:
        """The answers that are complete. Raises `ProtocolError`; then the connection is of no
        more use."""
        data = self._unread + data
        replies: list[Reply] = []
        at = 0
        while at < len(data):
            ids, after = _ids(data, at)
            if ids:
                replies += ids
                at = after
                continue
            one = _reply(data, at, 0)
            if one is None:
                break
            reply, at = one
            replies.append(reply)
        self._unread = data[at:]
        if len(self._unread) > 2 * LONGEST_TEXT:
            raise ProtocolError(f"answers with more than {2 * LONGEST_TEXT} bytes at once")
        return replies


def _ids(data: bytes, at: int) -> tuple[list[bytes], int]:
    """The ids that come next, and where they end: what many commands are answered with."""
    found = _IDS.match(data, at)
    if found is None or found.end() == at:
        return [], at
    said = found[0].split(_END)
    ids = said[1::2]
    if all(
        size == b"$%d" % length for size, length in set(zip(said[::2], map(len, ids), strict=False))
    ):
        return ids, found.end()
    return [], at  # a text that is longer, and has what looks like an id in it


def _reply(data: bytes, at: int, depth: int) -> tuple[Reply, int] | None:
    """The answer that begins at `at`, and where the next one does; None while it is incomplete."""
    kind = data[at : at + 1]
    if kind not in (b"+", b"-", b":", b"$", b"*"):
        raise ProtocolError(f"answers {data[at : at + 20]!r}")
    end = data.find(_END, at, at + LONGEST_LINE)
    if end < 0:
        if len(data) - at >= LONGEST_LINE:
            raise ProtocolError("answers with a line that does not end")
        return None
    line, after = data[at + 1 : end], end + len(_END)
    if kind == b"+":
        return line, after
    if kind == b"-":
        return Error(line.decode("utf-8", "replace")), after
    number = _number(line)
    if kind == b":":
        return number, after
    if number == -1:
        return None, after
    return _text(data, after, number) if kind == b"$" else _list(data, after, number, depth)


def _number(line: bytes) -> int:
    if not re.fullmatch(rb"-?\d{1,19}", line):
        raise ProtocolError(f"answers {line[:20]!r} for a number")
    return int(line)


def _text(data: bytes, at: int, size: int) -> tuple[Reply, int] | None:
    if not 0 <= size <= LONGEST_TEXT:
        raise ProtocolError(f"announces an answer of {size} bytes")
    end = at + size
    if len(data) < end + len(_END):
        return None
    if data[end : end + len(_END)] != _END:
        raise ProtocolError("answers with a text that is longer than announced")
    return data[at:end], end + len(_END)


def _list(data: bytes, at: int, size: int, depth: int) -> tuple[Reply, int] | None:
    if not 0 <= size <= MOST_ITEMS or depth == DEEPEST:
        raise ProtocolError(f"announces a list of {size} items, {depth} deep")
    items: list[Reply] = []
    for _ in range(size):
        one = _reply(data, at, depth + 1) if at < len(data) else None
        if one is None:
            return None
        item, at = one
        items.append(item)
    return items, at


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
