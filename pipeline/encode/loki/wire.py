"""The two forms of a push request that Loki takes, as pieces to be put together. Bytes only.

| form     | is                                                                                 |
|----------|------------------------------------------------------------------------------------|
| protobuf | `PushRequest` of `pkg/push/push.proto`; snappy on the wire, not here               |
| JSON     | `{"streams":[{"stream":{…labels},"values":[["<ns>","<line>",{…metadata}],…]},…]}`  |

https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import orjson

from pipeline import native
from pipeline.encode.protobuf import DELIMITED, VARINT, delimited, integer, key, varint, varints
from pipeline.model.dumps import dumps
from pipeline.model.timestamps import nanoseconds, whole_seconds
from pipeline.model.utf8 import utf8

Labels = tuple[tuple[str, str], ...]
"""Name and value of each."""


class Entry(NamedTuple):
    """An entry by itself, encoded, to be put into a request of its own or with others."""

    labels: Labels
    """Of its stream."""
    time: bytes
    """In the form of `timestamps`."""
    length: int
    """Bytes of its line."""
    encoded: bytes


class Rows(NamedTuple):
    """The entries of a stream, of one container."""

    times: list[bytes]
    lines: list[bytes]
    """They may be any bytes."""
    numbers: Sequence[int]
    name: str
    """That of the number as structured metadata; empty where it is none."""
    kinds: bytes
    """For each, which of `metadata` it has."""
    metadata: tuple[bytes, ...]
    more: list[bytes] | None
    """Further structured metadata of each."""


class Wire(Protocol):
    """A form of push requests, in pieces. Pieces of structured metadata are joined with `+`."""

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> bytes:
        """Structured metadata of these names and values."""

    def numbers(self, name: str, numbers: Sequence[int]) -> list[bytes]:
        """Structured metadata of one name, for each number."""

    def entries(
        self, times: Sequence[bytes], lines: Sequence[bytes], metadata: Sequence[bytes]
    ) -> list[bytes]:
        """Each entry of a stream, of three columns: its time (RFC 3339, UTC), its line in UTF-8,
        and its structured metadata."""

    def together(self, rows: Rows) -> bytes | None:
        """The entries of a stream in one piece. None where they have to be written one by one."""

    def request(self, streams: Mapping[Labels, Sequence[bytes]]) -> list[bytes]:
        """A whole request, of the entries of each stream, in pieces."""


class Protobuf:
    """Push requests in Protocol Buffers; the numbers of fields are those of `push.proto`."""

    _STREAMS: Final = key(1, DELIMITED)
    _ENTRY: Final = key(2, DELIMITED)
    _TIME: Final = key(1, DELIMITED)
    _LINE: Final = key(2, DELIMITED)
    _METADATA: Final = 3
    _NANOSECONDS: Final = key(2, VARINT)

    def __init__(self) -> None:
        self._loops = native.loops

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> bytes:
        return b"".join([self._pair(name, utf8(value)) for name, value in pairs])

    def _pair(self, name: str, value: bytes) -> bytes:
        return delimited(self._METADATA, delimited(1, utf8(name)) + delimited(2, value))

    def numbers(self, name: str, numbers: Sequence[int]) -> list[bytes]:
        heads = [self._pair(name, b"0" * digits)[:-digits] for digits in range(1, 21)]
        digits = [b"%d" % number for number in numbers]
        return [heads[len(number) - 1] + number for number in digits]

    def entries(
        self, times: Sequence[bytes], lines: Sequence[bytes], metadata: Sequence[bytes]
    ) -> list[bytes]:
        lengths = varints(list(map(len, lines)))
        columns = zip(self._moments(times), lengths, lines, metadata, strict=True)
        format_ = b"%b" + self._LINE + b"%b%b%b"
        contents = [format_ % column for column in columns]
        entry = self._ENTRY + b"%b%b"
        pairs = zip(varints(list(map(len, contents))), contents, strict=True)
        return [entry % pair for pair in pairs]

    def together(self, rows: Rows) -> bytes | None:
        if self._loops is None:
            return None
        name = delimited(1, utf8(rows.name)) if rows.name else b""
        return self._loops.loki(
            rows.metadata, rows.kinds, rows.times, rows.lines, name, rows.numbers, rows.more
        )

    def _moments(self, times: Sequence[bytes]) -> list[bytes]:
        """Each time as a field: a `google.protobuf.Timestamp`."""
        moments = []
        second = head = b""
        for one in times:
            if one[:19] != second:
                second = one[:19]
                seconds = integer(1, whole_seconds(one[:19])) + self._NANOSECONDS
                head = self._TIME + varint(len(seconds) + 5) + seconds
            n = int(one[20:29])  # in five bytes, whatever it is: written out, a third of the time
            n = (
                0x80808080
                | (n & 0x7F)
                | (n & 0x3F80) << 1
                | (n & 0x1FC000) << 2
                | (n & 0xFE00000) << 3
                | (n >> 28) << 32
            )
            moments.append(head + n.to_bytes(5, "little"))
        return moments

    def request(self, streams: Mapping[Labels, Sequence[bytes]]) -> list[bytes]:
        pieces: list[bytes] = []
        for labels, entries in streams.items():
            stream = delimited(1, utf8(in_braces(labels)))
            pieces += (self._STREAMS, varint(len(stream) + sum(map(len, entries))), stream)
            pieces += entries
        return pieces


class Json:
    """Push requests in JSON. Numbers are texts, times as well: JSON's would lose digits.

    An entry, a stream and a pair begin with the comma that the first of them is written without."""

    def __init__(self) -> None:
        self._loops = native.loops

    def together(self, rows: Rows) -> bytes | None:
        if self._loops is None or (times := self._loops.epochs(rows.times, False)) is None:
            return None
        number = self.pairs([(rows.name, "")])[:-1] if rows.name else b""
        facts = tuple([(one + number)[1:] for one in rows.metadata])
        columns: list[native.Column] = [(times, b"\n"), (rows.lines,), (rows.kinds, facts)]
        literals = [b',["', b'","', b'",{', b""]
        if rows.name:
            columns.append(rows.numbers)
            literals.append(b'"')
        if rows.more is not None:
            if b"" in facts:  # the comma before the next pair would be too many
                return None
            columns.append(rows.more)
            literals.append(b"")
        literals[-1] += b"}]"
        return self._loops.interleave(tuple(literals), tuple(columns), len(rows.lines))

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> bytes:
        return b"".join([b",%b:%b" % (dumps(name), dumps(value)) for name, value in pairs])

    def numbers(self, name: str, numbers: Sequence[int]) -> list[bytes]:
        head = b',%b:"' % dumps(name)
        return [b'%b%d"' % (head, number) for number in numbers]

    def entries(
        self, times: Sequence[bytes], lines: Sequence[bytes], metadata: Sequence[bytes]
    ) -> list[bytes]:
        columns = zip(self._moments(times), lines, metadata, strict=True)
        quoted = orjson.dumps
        return [
            b',["%b",%b,{%b}]' % (moment, quoted(text.decode()), pairs[1:])
            for moment, text, pairs in columns
        ]

    def _moments(self, times: Sequence[bytes]) -> list[bytes]:
        if min(times) < b"1970-01-01T00:00:01":
            return [b"%d" % nanoseconds(one) for one in times]
        moments = []
        second = head = b""
        for one in times:
            if one[:19] != second:
                second = one[:19]
                head = b"%d" % whole_seconds(second)
            moments.append(head + one[20:29])
        return moments

    def request(self, streams: Mapping[Labels, Sequence[bytes]]) -> list[bytes]:
        pieces: list[bytes] = []
        for labels, (first, *others) in streams.items():
            pieces += (b',{"stream":%b,"values":[' % dumps(dict(labels)), first[1:], *others, b"]}")
        if pieces:
            pieces[0] = pieces[0][1:]
        return [b'{"streams":[', *pieces, b"]}"]


def in_braces(labels: Labels) -> str:
    """Labels as Prometheus writes them: `{name="value", …}`, sorted, values quoted."""
    return "{" + ", ".join([f'{name}="{quoted(value)}"' for name, value in sorted(labels)]) + "}"


def quoted(value: str) -> str:
    """A label's value as the inside of a quoted string."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
