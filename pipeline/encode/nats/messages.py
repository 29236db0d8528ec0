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
from pipeline.model.batch import Batch


class Published:
    """A message to be published, and which entries are in it."""

    __slots__ = ("body", "head", "pieces", "plain", "size", "stored", "subject")

    pieces: Sequence[Piece]

    def __init__(
        self, subject: str, body: bytes, head: bytes, pieces: Sequence[Piece], plain: int = 0
    ) -> None:
        self.subject = subject
        self.body = body
        self.plain = plain
        """Bytes of columns before compression."""
        self.head = head
        """The headers, as they are sent; see `headed`."""
        self.size = len(body) + len(head)
        """Bytes of the message with its headers, as the server's `max_payload` counts them."""
        self.pieces = pieces
        self.stored = False
        """The stream has acknowledged it."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by name."""
        lines = self.head.decode().split("\r\n")[1:-2]
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}


class _Entry(Published):
    """A message that is one entry: made for each line, so of nothing but what is needed."""

    __slots__ = ("_batch", "_index")

    def __init__(self, subject: str, body: bytes, head: bytes, batch: Batch, index: int) -> None:
        self.subject = subject
        self.body = body
        self.plain = 0
        self.head = head
        self.size = len(body) + len(head)
        self.stored = False
        self._batch = batch
        self._index = index

    @property
    def pieces(self) -> Sequence[Piece]:  # type: ignore[override]
        return ((self._batch, self._index, self._index + 1),)


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
        head = headed({**common, "Dockline-Format": "json/1"})[:-2].replace(b"%", b"%%")
        self._head = head + b"Nats-Msg-Id: %b:%b:%d.%d:%08x\r\n\r\n"

    def of(self, batches: Iterable[Batch]) -> list[Published]:
        """A message for each entry, in order."""
        messages: list[Published] = []
        head, crc = self._head, zlib.crc32
        for batch in filter(len, batches):
            subject, where = self._subject(batch), _where(batch).encode()
            parts = bytes(len(batch)) if batch.parts is None else batch.parts
            lines = self._json.encode([batch]).split(b"\n")[:-1]
            rows = zip(lines, batch.times, batch.sequences, parts, strict=True)
            messages += [
                _Entry(subject, line, head % (where, time, number, part, crc(line)), batch, index)
                for index, (line, time, number, part) in enumerate(rows)
            ]
        return messages

    def halves(self, message: Published) -> list[Published]:
        """No messages: one of one entry cannot be divided."""
        return []


def _identity(batch: Batch, index: int) -> str:
    """What tells an entry from all others; short, for the servers keep each of them in memory as
    long as the duplicate window is."""
    part = batch.parts[index] if batch.parts is not None else 0
    time = batch.times[index].decode("ascii", "replace")
    return f"{_where(batch)}:{time}:{batch.sequences[index]}.{part}"


def _where(batch: Batch) -> str:
    return header(f"{batch.container.id}:{batch.source}:{batch.route}")
