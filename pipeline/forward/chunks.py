"""The client's side: makes chunks and reads acknowledgements. Also makes acknowledgements."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]
import msgspec

from pipeline.forward.framing import PIECE, Framer, ProtocolError
from pipeline.support import deflate

_pack: Final = msgspec.msgpack.Encoder().encode

_THREE: Final = b"\x93"
"""Begins an array of three."""

LARGEST_ANSWER: Final = 2**16
"""Most bytes of an object from a server: an acknowledgement has about forty."""


def chunk_id() -> str:
    """A new chunk id: 128 random bits, in base64."""
    return base64.b64encode(os.urandom(16)).decode()


def chunk(
    tag: str,
    entries: Sequence[bytes],
    count: int,
    identity: str,
    *,
    compressed: bool = False,
    containers: Mapping[str, Any] | None = None,
) -> bytes:
    """A chunk as PackedForward, or if `compressed` as CompressedPackedForward, with gzip.

    `entries` has `count` entries, each `[time, record]` in MessagePack, in any number of pieces.
    `identity` is the chunk id to acknowledge. `containers` becomes the option `dockline`: name,
    image, labels and host of each container, by id. Only another dockline reads it.
    """
    option: dict[str, Any] = {"size": count, "chunk": identity}
    if containers:
        option["dockline"] = containers
    if compressed:
        entries = [deflate.compress(b"".join(entries), "gzip")]
        option["compressed"] = "gzip"
    head = _THREE + _pack(tag) + _binary_head(sum(map(len, entries)))
    return b"".join([head, *entries, _pack(option)])  # the only copy of what may be megabytes


def _binary_head(size: int) -> bytes:
    """What stands before so many bytes, in MessagePack."""
    if size < 2**8:
        return b"\xc4" + size.to_bytes(1, "big")
    if size < 2**16:
        return b"\xc5" + size.to_bytes(2, "big")
    return b"\xc6" + size.to_bytes(4, "big")


class Answers:
    """Decodes the objects that a server sends."""

    def __init__(self) -> None:
        self._framer = Framer(LARGEST_ANSWER)

    def feed(self, data: bytes) -> list[Any]:
        """Adds data; returns the objects that are complete now.

        Raises `ProtocolError` for what is not MessagePack, or an object over `LARGEST_ANSWER`.
        """
        try:
            unpacker = msgpack.Unpacker(unicode_errors="surrogateescape")
            for start in range(0, len(data), PIECE):
                unpacker.feed(self._framer.feed(data[start : start + PIECE])[0])
            return list(unpacker)
        except (ValueError, TypeError) as error:
            raise ProtocolError("it is not valid MessagePack") from error


def acknowledged(answer: Any) -> str:
    """The id of the chunk that an answer acknowledges. Raises `ProtocolError` for other answers."""
    said = answer.get("ack") if isinstance(answer, dict) else None
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    if not isinstance(said, str):
        raise ProtocolError(f"expected an acknowledgement, got {shown(answer)}")
    return said


def acknowledgement(identity: str) -> bytes:
    """The acknowledgement of a chunk, `{"ack": identity}` in MessagePack.

    The id is sent as a str with the bytes that it had, which need not be UTF-8: Docker does not
    accept a bin, and would send the same records for ever.
    """
    packed = msgpack.packb({"ack": identity}, unicode_errors="surrogateescape")
    return bytes(packed)


def shown(value: Any) -> str:
    """A peer's value for an error message, at most 60 characters."""
    try:
        text = repr(value)
    except RecursionError:
        return "a deeply nested value"
    return text if len(text) <= 60 else f"{text[:59]}…"
