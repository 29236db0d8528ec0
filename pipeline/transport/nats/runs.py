"""Acknowledgements of published messages, read many at a time.

nats-py's parser takes 9 µs for a message: it is found, copied, made an object, and handed to its
subscription. What a stream answers to thousands of messages is always the same few words around
two numbers, so one loop reads a run of them. Everything else is left to nats-py, an acknowledgement
that is not of that shape, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from pipeline import native

if TYPE_CHECKING:
    from nats.aio.client import Client

Run = tuple[bytes, int, int]
"""Acknowledged messages: the stream that has them, the first number, and that behind the last."""
Stored = Callable[[Sequence[Run]], object]

_BODY: Final = (
    rb'\{"stream": ?"([^"\\\x00-\x1f\x7f-\xff]{1,255})", ?"seq": ?[1-9][0-9]{0,18}'
    rb'(?:, ?"domain": ?"[^"\\\x00-\x1f\x7f-\xff]{1,255}")?(?:, ?"duplicate": ?true)?\}'
)
_ONE: Final = rb"MSG %b(0|[1-9][0-9]{0,17}) %d ([0-9]{1,3})\r\n(" + _BODY + rb")\r\n"
_LONGEST: Final = 2048
"""Bytes that an acknowledgement has at the most, with a long inbox."""


def read_runs(client: Client, inbox: str, sid: int, stored: Stored) -> None:
    """From now on `stored` is called for runs of acknowledgements: what came for the subscription
    `sid` on subjects that are `inbox`, the letter `p` and a number. It must neither raise nor
    block."""
    subject, loops = f"{inbox}p".encode(), native.loops
    read = acknowledged if loops is None else loops.acknowledged
    begin = b"MSG " + subject

    def taken(unread: bytearray) -> bool:
        """Takes away acknowledgements. Whether what is left may become one when more has come."""
        end, runs = read(unread, subject, sid)
        if end:
            stored(runs)
            del unread[:end]
        return len(unread) < _LONGEST and unread.startswith(begin) and unread.count(b"\r\n") < 2

    parser = _parser()(client)
    parser.__dict__.update(client._ps.__dict__, taken=taken)
    client._ps = parser


def acknowledged(data: bytearray, subject: bytes, sid: int) -> tuple[int, list[Run]]:
    """As `Loops.acknowledged`."""
    one = _one(subject, sid)
    runs: list[Run] = []
    end = 0
    while (found := one(data, end)) and int(found[2]) == len(found[3]):
        end, number, stream = found.end(), int(found[1]), bytes(found[4])
        if runs and runs[-1][0] == stream and runs[-1][2] == number:
            runs[-1] = (stream, runs[-1][1], number + 1)
        else:
            runs.append((stream, number, number + 1))
    return end, runs


@lru_cache(4)
def _one(subject: bytes, sid: int) -> Any:
    return re.compile(_ONE % (re.escape(subject), sid)).match


@cache
def _parser() -> Any:
    """The class, which needs nats-py."""
    from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

    class InRuns(Parser):
        taken: Callable[[bytearray], bool] = staticmethod(lambda unread: False)

        async def parse(self, data: bytes = b"") -> None:
            if self.state != AWAITING_CONTROL_LINE:
                rest = max(0, self.needed + len(b"\r\n") - len(self.buf))
                await super().parse(data[:rest])
                data = data[rest:]
            if self.state == AWAITING_CONTROL_LINE:
                self.buf += data
                data = b""
                if self.taken(self.buf):
                    return
            if data or self.buf:
                await super().parse(data)

    return InRuns


def read_no_runs(client: Client) -> None:
    """Lets go of `stored`."""
    client._ps.__dict__.pop("taken", None)
