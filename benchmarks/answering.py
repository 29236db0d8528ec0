"""What the destinations of sinks answer: bytes in, messages and answers out.

Each says no more than a client has to hear, and gives on what it was sent as it was before it was
compressed. None of them looks into the entries.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from typing import Protocol

import cramjam
import msgpack

LARGEST = 1 << 28
"""Bytes of a message of the forward protocol."""
CHUNK = b"\xa5chunk"
"""The name of an option that each of its messages has."""


class Conversation(Protocol):
    """One connection, of which each side has its own turn at any time."""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Takes what has come; each message that is whole, and what is to be answered to it."""


class Silent:
    """Of protocols that answer nothing: what came is the message."""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield data, b""


class Forward:
    """The forward protocol, in chunks that want an acknowledgement, packed or as arrays."""

    def __init__(self) -> None:
        self._data = b""
        self._pieces: list[bytes] = []
        self._end = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._pieces.append(data)
        seam, self._end = self._end + data[: len(CHUNK)], data[-len(CHUNK) :]
        if CHUNK not in data and CHUNK not in seam and len(data) > len(CHUNK):
            return  # the options are what a message ends with
        self._data, self._pieces = self._data + b"".join(self._pieces), []
        while message := self._message():
            yield message

    def _message(self) -> tuple[bytes, bytes] | None:
        """The next one and its answer, if it is whole. Its entries are skipped, not made."""
        unpacker = msgpack.Unpacker(max_buffer_size=LARGEST)
        unpacker.feed(self._data)
        try:
            unpacker.read_array_header()
            unpacker.skip()
            start = unpacker.tell()
            unpacker.skip()
            end = unpacker.tell()
            options = unpacker.unpack()
        except msgpack.OutOfData:
            return None
        entries, self._data = self._data[start:end], self._data[unpacker.tell() :]
        if options.get("compressed") == "gzip":
            entries = gzip.decompress(msgpack.unpackb(entries))
        return entries, msgpack.packb({"ack": options["chunk"]})


class Http:
    """HTTP 1.1 of Elasticsearch, Loki, an OTLP receiver, or anything that says 200."""

    def __init__(self) -> None:
        self._head = b""
        self._pieces: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        while data:
            if not self._missing:
                self._pieces.append(data)
                head, found, data = b"".join(self._pieces).partition(b"\r\n\r\n")
                if not found:
                    self._pieces = [head]
                    return
                self._head, self._pieces, self._missing = head, [], length(head)
            piece, data = data[: self._missing], data[self._missing :]
            self._pieces.append(piece)
            self._missing -= len(piece)
            if not self._missing:
                body, self._pieces = b"".join(self._pieces), []
                plain = decompressed(self._head, body)
                yield plain, answer(self._head, plain)


def length(head: bytes) -> int:
    """Bytes of a request's body. One in pieces, without a length, is not read."""
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if found is None and head[:3] != b"GET":
        raise ValueError(f"a request without a length: {head[:300]!r}")
    return int(found[1]) if found else 0


def decompressed(head: bytes, body: bytes) -> bytes:
    """A request's body; protobuf of Loki is compressed without a word of it in the head."""
    found = re.search(rb"\r\ncontent-encoding: *(\w+)", head, re.IGNORECASE)
    coding = found[1].lower() if found else b""
    if b" /loki/" in head and re.search(rb"\r\ncontent-type: *[^\r]*protobuf", head, re.IGNORECASE):
        coding = b"snappy"
    return _READERS[coding](body) if body else body


def _snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.decompress_raw(body))


def _zstd(body: bytes) -> bytes:
    return bytes(cramjam.zstd.decompress(body))


_READERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"": bytes,
    b"gzip": gzip.decompress,
    b"snappy": _snappy,
    b"zstd": _zstd,
}


def answer(head: bytes, body: bytes) -> bytes:
    """The whole answer to a request, as the server of its path gives it."""
    line = head.partition(b"\r\n")[0]
    if b"/_bulk" in line:
        return _said(b"200 OK", b"application/json", bulk_results(line, body.count(b"\n") // 2))
    if b" /loki/" in line:
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    if b"/v1/logs" in line:
        return _said(b"200 OK", b"application/x-protobuf", b"")
    return _said(b"200 OK", b"application/json", b"{}")


def _said(status: bytes, kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        status, kind, len(body), body,
    )  # fmt: skip


_RESULT = (
    b'{"create":{"_index":".ds-logs-docker.logs-default-2026.11.24-000001",'
    b'"_id":"VVRbk5MBq0Gd3LmXyZ0a","_version":1,"result":"created",'
    b'"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1048576,"_primary_term":1,'
    b'"status":201}}'
)
_STATUS = b'{"create":{"status":201}}'


def bulk_results(line: bytes, count: int) -> bytes:
    """Elasticsearch's answer to a bulk request of so many documents, all of them created: of each
    its result, of which a request that has a `filter_path` is told the status."""
    if b"filter_path=" in line:
        return b'{"items":[%b]}' % b",".join([_STATUS] * count)
    return b'{"took":30,"errors":false,"items":[%b]}' % b",".join([_RESULT] * count)
