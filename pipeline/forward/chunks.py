"""What a client sends, and the acknowledgements that it reads."""

from __future__ import annotations

import base64
import gzip
import os
from collections.abc import Mapping
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]
import msgspec

from pipeline.forward.framing import PIECE, Framer, ProtocolError

_pack: Final = msgspec.msgpack.Encoder().encode

LARGEST_ANSWER: Final = 2**16
"""Bytes that a server says at once: an acknowledgement has some forty."""


def chunk_id() -> str:
    """One that no other chunk has: 128 random bits, as base64."""
    return base64.b64encode(os.urandom(16)).decode()


def chunk(
    tag: str,
    entries: bytes,
    count: int,
    identity: str,
    *,
    level: int = 0,
    containers: Mapping[str, Any] | None = None,
) -> bytes:
    """PackedForward, or with a gzip `level` above 0 CompressedPackedForward. `entries` are the
    `[time, record]` of so many entries, one after the other; `containers` is the option `dockline`:
    by id, the facts that another dockline is to have exactly, and all others pass over."""
    option: dict[str, Any] = {"size": count, "chunk": identity}
    if containers:
        option["dockline"] = containers
    if level:
        entries = gzip.compress(entries, level, mtime=0)
        option["compressed"] = "gzip"
    return _pack((tag, entries, option))


class Answers:
    """Reads what a server says."""

    def __init__(self) -> None:
        self._framer = Framer(LARGEST_ANSWER)

    def feed(self, data: bytes) -> list[Any]:
        """Each object that is whole now. Raises `ProtocolError`."""
        try:
            unpacker = msgpack.Unpacker(unicode_errors="surrogateescape")
            for start in range(0, len(data), PIECE):
                unpacker.feed(self._framer.feed(data[start : start + PIECE])[0])
            return list(unpacker)
        except (ValueError, TypeError) as error:
            raise ProtocolError("it is not MessagePack that means anything") from error


def acknowledged(answer: Any) -> str:
    """Which chunk an answer acknowledges. Raises `ProtocolError` for any other answer."""
    said = answer.get("ack") if isinstance(answer, dict) else None
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    if not isinstance(said, str):
        raise ProtocolError(f"expected an acknowledgement, got {shown(answer)}")
    return said


def acknowledgement(identity: str) -> bytes:
    """The answer to a chunk. Of a string: given bytes, Docker sends the same records for ever.
    Its bytes are the same, and need not be UTF-8."""
    packed = msgpack.packb({"ack": identity}, unicode_errors="surrogateescape")
    return bytes(packed)


def shown(value: Any) -> str:
    """Something of what a peer said, for a message."""
    try:
        text = repr(value)
    except RecursionError:
        return "what is nested deep"
    return text if len(text) <= 60 else f"{text[:59]}…"
