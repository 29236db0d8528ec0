"""What the Engine has kept of a container: its own log, from beginning to end, read once more.

This is what a sink must have. Output that dockerd itself has lost is not in it: what it had read of
a container's pipe and not written yet when it was killed. Of a line that this has torn the Engine
has a part, or two, as lines of their own; those count like any other.

Frames are taken apart here once more, and not with the agent's decoder, which is being tested.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing

from pipeline.model.errors import EngineError
from tests.chaos.talk import line
from tests.chaos.tally import Tally

_STAMP = 31
"""Bytes of a timestamp and the space behind it."""
_BUFFER = 16384
"""Docker cuts longer lines into pieces of that size, of which the last alone ends in a newline."""


def kept(socket_path: str, name: str) -> Tally:
    """All that the Engine has of a container's log. Raises `EngineError`."""
    tally, container = Tally(), name.encode()
    for text in lines(frames(_log(socket_path, name))):
        tally.take(container, text)
    return tally


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Stream and payload of each, without its timestamp."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(">BxxxI", data, at)
        payload = data[at + 8 : at + 8 + size]
        if kind == 3:
            raise EngineError(f"the Engine says in a log: {payload!r}")
        yield kind, payload[_STAMP:]
        at += 8 + size


def lines(pieces: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """Whole lines. A piece without newline ends its line when it is smaller than Docker's buffer
    (a process that was killed wrote no more), or when what comes next is a whole line by itself."""
    begun: dict[int, bytes] = {}
    for stream, piece in pieces:
        before = begun.pop(stream, b"")
        if before and line(piece.removesuffix(b"\n")):
            yield before
            before = b""
        if piece.endswith(b"\n"):
            yield before + piece[:-1]
        elif len(piece) < _BUFFER:
            yield before + piece
        else:
            begun[stream] = before + piece
    yield from begun.values()


def _log(socket_path: str, name: str) -> bytes:
    query = "stdout=1&stderr=1&timestamps=1"
    with closing(socket.socket(socket.AF_UNIX)) as peer:
        peer.settimeout(120)
        try:
            peer.connect(socket_path)
            peer.sendall(f"GET /containers/{name}/logs?{query} HTTP/1.0\r\n\r\n".encode())
            parts = []
            while part := peer.recv(1 << 20):
                parts.append(part)
        except OSError as error:
            raise EngineError(f"the log of {name} cannot be read: {error}") from None
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise EngineError(f"the log of {name} cannot be read: {head[:100]!r} {body[:200]!r}")
    return body
