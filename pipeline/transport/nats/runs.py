"""Acknowledgements of published messages, read many at a time.

nats-py's parser takes 9 µs for a message: it is found, copied, made an object, and handed to its
subscription. What a stream answers to thousands of messages is always the same few words around
two numbers, so a run of them is one search of a regular expression. Everything else is left to
nats-py, an acknowledgement that is not of that shape, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nats.aio.client import Client

Stored = Callable[[str, list[bytes]], object]
"""Given a stream, and the last tokens of the subjects on which it has acknowledged messages."""

_ONE: Final = (
    rb"MSG %b(p[0-9]{1,18}) %d ([0-9]{1,3})\r\n"
    rb'(\{"stream": ?"([^"\\\x00-\x1f\x7f-\xff]{1,255})", ?"seq": ?[1-9][0-9]{0,18}'
    rb'(?:, ?"domain": ?"[^"\\\x00-\x1f\x7f-\xff]{1,255}")?(?:, ?"duplicate": ?true)?\})\r\n'
)
_STREAM: Final = itemgetter(3)
_MOST: Final = 1000
"""Acknowledgements of a run."""


def read_runs(client: Client, inbox: str, sid: int, stored: Stored) -> None:
    """From now on `stored` is called for runs of acknowledgements: what came for the subscription
    `sid` on subjects that are `inbox` and a token that begins with `p`. It must neither raise nor
    block."""
    one = _ONE % (re.escape(inbox.encode()), sid)
    run = re.compile(b"(?:%b){1,%d}+" % (one, _MOST)).match
    each = re.compile(one).findall

    def taken(unread: bytearray) -> int:
        """How many bytes were acknowledgements."""
        end = 0
        while found := run(unread, end):
            rows: list[tuple[bytes, bytes, bytes, bytes]] = each(found[0])
            if any(int(size) != length for size, length in {(r[1], len(r[2])) for r in rows}):
                break
            for stream, some in groupby(rows, _STREAM):
                stored(stream.decode(), [row[0] for row in some])
            end = found.end()
        return end

    parser = _parser()(client)
    parser.__dict__.update(client._ps.__dict__, taken=taken)
    client._ps = parser


@cache
def _parser() -> Any:
    """The class, which needs nats-py."""
    from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

    class InRuns(Parser):
        taken: Callable[[bytearray], int] = staticmethod(lambda unread: 0)

        async def parse(self, data: bytes = b"") -> None:
            if self.state != AWAITING_CONTROL_LINE:
                rest = max(0, self.needed + len(b"\r\n") - len(self.buf))
                await super().parse(data[:rest])
                data = data[rest:]
            if self.state == AWAITING_CONTROL_LINE:
                self.buf += data
                data = b""
                if end := self.taken(self.buf):
                    del self.buf[:end]
            if data or self.buf:
                await super().parse(data)

    return InRuns


def read_no_runs(client: Client) -> None:
    """Lets go of `stored`."""
    client._ps.__dict__.pop("taken", None)
