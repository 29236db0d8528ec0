"""Batches as messages of a queue: each with a subject, a body, and headers that say what it is.

| `Dockline-Format` | a message holds                                        | its body          |
|-------------------|--------------------------------------------------------|-------------------|
| `columns/1`       | what a payload has of one container, source and route  | as a spool has it |
| `json/1`          | one entry                                              | as `json` has it  |

`Dockline-Size` is the length of columns before compression, and `Dockline-Entries` their number;
the reader needs both. `Nats-Msg-Id` is the same whenever the same entries are sent again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipeline.encode.columns import UNPRINTABLE, Pack, Piece, grouped, halves, header, packed
from pipeline.encode.json import JsonEncoder
from pipeline.encode.nats.documents import Documents
from pipeline.model.batch import Batch
from pipeline.transport.nats.outgoing import Outgoing


class Published(Outgoing):
    """One message, and which entries are in it."""

    __slots__ = ("body", "head", "pieces", "plain", "whole")

    def __init__(
        self, subject: str, body: bytes, head: bytes, pieces: Sequence[Piece], plain: int = 0
    ) -> None:
        super().__init__(subject, 1)
        self.body = body
        self.plain = plain
        """Bytes of columns before compression."""
        self.head = head
        """The headers, as they are sent; see `headed`."""
        self.whole = len(body) + len(head)
        """Bytes of the message with its headers, as the server's `max_payload` counts them."""
        self.pieces = pieces

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by name."""
        lines = self.head.decode().split("\r\n")[1:-2]
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    def entry(self, index: int) -> tuple[Batch, int]:
        """The first entry of the message, as a batch and an index."""
        batch, first, _ = self.pieces[0]
        return batch, first

    def size(self, start: int, stop: int) -> int:
        return len(self.body) * (stop - start)

    def reach(self, start: int, stop: int, room: int) -> int:
        return stop

    def oversized(self, most: int) -> list[int]:
        """The message, if it has more than `most` bytes with its headers."""
        return [0] if self.whole > most else []

    def commands(self, start: int, stop: int, reply: bytes, token: int) -> bytes:
        what = self.subject.encode(), reply, token, len(self.head), self.whole
        return b"HPUB %b %b%d %d %d\r\n%b%b\r\n" % (*what, self.head, self.body)


def headed(headers: Mapping[str, str]) -> bytes:
    """Headers as they are sent. In values, what is not printable ASCII becomes `?`."""
    lines = [f"{name}: {UNPRINTABLE.sub('?', value)}\r\n" for name, value in headers.items()]
    return f"NATS/1.0\r\n{''.join(lines)}\r\n".encode()


Subject = Callable[[Batch], str]


class ColumnsMessages:
    """Batches as messages in `columns/1`: each holds what a payload has of one container, source
    and route."""

    def __init__(
        self, pack: Pack, subject: Subject, common: Mapping[str, str], *, host: str = ""
    ) -> None:
        """`pack` writes batches as columns, and `subject` names the subject of one. `common` are
        headers of every message. `host` is that of containers that do not tell theirs."""
        self._pack = pack
        self._subject = subject
        self._host = host
        self._common = dict(common)

    def of(self, batches: Iterable[Batch]) -> list[Published]:
        """The messages that hold all entries of `batches`; those of a container in order."""
        pieces = [((batch, 0, len(batch)), "") for batch in filter(len, batches)]
        return [self._message(self._subject(some[0][0]), some) for some, _ in grouped(pieces)]

    def halves(self, message: Published) -> list[Published]:
        """Two messages with the entries of one; none where it has only one entry."""
        found = halves(message.pieces) or ()
        return [self._message(message.subject, half) for half in found]

    def _message(self, subject: str, pieces: Sequence[Piece]) -> Published:
        it = packed(pieces, self._pack, self._host)
        identity = f"{_identity(it.batches[0], 0)}:{it.headers['Dockline-Entries']}"
        headers = {
            **self._common,
            **it.headers,
            "Nats-Msg-Id": f"{identity}:{zlib.crc32(it.body):08x}",
        }
        return Published(subject, it.body, headed(headers), pieces, it.plain)


class JsonMessages:
    """Batches as messages in `json/1`: each is one entry."""

    def __init__(self, subject: Subject, common: Mapping[str, str], *, host: str = "") -> None:
        """`subject` names the subject of a batch. `common` are headers of every message. `host` is
        that of containers that do not tell theirs."""
        self._json = JsonEncoder(host=host)
        self._subject = subject
        self._head = headed({**common, "Dockline-Format": "json/1"})[:-2]

    def of(self, batches: Iterable[Batch]) -> list[Documents]:
        """A message for each entry, in order."""
        return [self._documents(batch) for batch in batches if len(batch)]

    def _documents(self, batch: Batch) -> Documents:
        head = b"%bNats-Msg-Id: %b:" % (self._head, _where(batch).encode())
        return Documents(self._subject(batch), head, self._json.encode([batch]), batch)


def _identity(batch: Batch, index: int) -> str:
    """What tells an entry from all others; short, for the servers keep each of them in memory as
    long as the duplicate window is."""
    part = batch.parts[index] if batch.parts is not None else 0
    time = batch.times[index].decode("ascii", "replace")
    return f"{_where(batch)}:{time}:{batch.sequences[index]}.{part}"


def _where(batch: Batch) -> str:
    return header(f"{batch.container.id}:{batch.source}:{batch.route}")
