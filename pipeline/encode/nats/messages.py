"""Batches as messages of a queue: each with a subject, a body, and headers that say what it is.

| `Dockline-Format` | a message holds                                        | its body          |
|-------------------|--------------------------------------------------------|-------------------|
| `columns/1`       | what a payload has of one container, source and route  | as a spool has it |
| `json/1`          | one entry                                              | as `json` has it  |

`Dockline-Size` is the length of columns before compression, and `Dockline-Entries` their number;
the reader needs both. `Nats-Msg-Id` is the same whenever the same entries are sent again.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch

CHUNK: Final = 512 * 1024
"""Bytes of memory that are joined to one message; a single batch may have more."""

LARGEST: Final = 32 << 20
"""Bytes of columns before compression that a reader takes."""

Piece = tuple[Batch, int, int]
"""Entries of a batch: from the first index up to the second."""


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
    lines = [f"{name}: {_UNPRINTABLE.sub('?', value)}\r\n" for name, value in headers.items()]
    return f"NATS/1.0\r\n{''.join(lines)}\r\n".encode()


Subject = Callable[[Batch], str]
Pack = Callable[[Sequence[Batch]], tuple[bytes, int]]
"""Batches of one container as bytes, with their length before compression."""


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
        self._common = {**common, "Dockline-Format": "columns/1"}

    def of(self, batches: Iterable[Batch]) -> list[Published]:
        """The messages that hold all entries of `batches`; those of a container in order."""
        groups: dict[tuple[int, str, str], tuple[list[Piece], int]] = {}
        done: list[list[Piece]] = []
        for batch in filter(len, batches):
            key = id(batch.container), batch.source, batch.route
            pieces, size = groups.get(key, ([], 0))
            if size >= CHUNK:
                done.append(pieces)
                pieces, size = [], 0
            pieces.append((batch, 0, len(batch)))
            groups[key] = pieces, size + batch.size
        done += [pieces for pieces, _ in groups.values()]
        return [self._message(self._subject(pieces[0][0]), pieces) for pieces in done]

    def halves(self, message: Published) -> list[Published]:
        """Two messages with the entries of one; none where it has only one entry."""
        pieces = message.pieces
        entries = sum(stop - start for _, start, stop in pieces)
        if entries < 2:
            return []
        return [self._message(message.subject, half) for half in _halves(pieces, entries // 2)]

    def _message(self, subject: str, pieces: Sequence[Piece]) -> Published:
        batches = [_cut(piece) for piece in pieces]
        body, plain = self._pack(batches)
        entries, container = sum(map(len, batches)), batches[0].container
        headers = self._common | {
            "Dockline-Size": str(plain),
            "Dockline-Entries": str(entries),
            "Dockline-Container": _header(container.name),
            "Dockline-Host": _header(container.host or self._host),
            "Dockline-Image": _header(container.image),
            "Nats-Msg-Id": f"{_identity(batches[0], 0)}:{entries}:{zlib.crc32(body):08x}",
        }
        return Published(subject, body, headed(headers), pieces, plain)


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
    return _header(f"{batch.container.id}:{batch.source}:{batch.route}")


def _halves(pieces: Sequence[Piece], middle: int) -> tuple[list[Piece], list[Piece]]:
    """The first `middle` entries, and the others."""
    first: list[Piece] = []
    second: list[Piece] = []
    for batch, start, stop in pieces:
        cut = min(start + middle, stop)
        middle -= cut - start
        if cut > start:
            first.append((batch, start, cut))
        if stop > cut:
            second.append((batch, cut, stop))
    return first, second


def _cut(piece: Piece) -> Batch:
    batch, start, stop = piece
    return batch if stop - start == len(batch) else batch.pick(range(start, stop))


_UNPRINTABLE: Final = re.compile(r"[^!-~ ]")


def _header(value: str) -> str:
    """Printable ASCII, and not endless."""
    return _UNPRINTABLE.sub("?", value[:256])
