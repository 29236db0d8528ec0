"""Many entries as one object: compressed lines of JSON, or a table as Parquet.

Encoding is done in pieces of half a megabyte, between which the event loop runs; compressing, and
all that Parquet takes, is done in threads.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from pipeline.encode.json import JsonEncoder
from pipeline.encode.s3.objects import BatchSlice
from pipeline.model.extras import needed
from pipeline.support.blocking import BlockingThread

PIECE: Final = 2**19
"""Bytes of JSON, or of messages."""


class Packer(Protocol):
    """Makes the contents of an object."""

    suffix: str
    """What their keys end in."""
    content_type: str
    content_encoding: str
    """Empty for none."""

    async def pack(self, slices: Sequence[BatchSlice]) -> bytes:
        """The contents of an object with these entries, in order."""

    def close(self) -> None:
        """Lets its thread end. It may be used again."""


def packer_of(format_: str, compression: str, json: JsonEncoder, host: str) -> Packer:
    """The packer for the settings `format` and `compression` of the sink. Raises `ConfigError`
    where a package that it needs is not installed."""
    if format_ == "parquet":
        from pipeline.encode.s3.parquet import Parquet

        return Parquet(compression, host)
    return Lines(compression, json)


class Lines:
    """Packs entries as compressed JSON lines."""

    content_type = "application/x-ndjson"

    def __init__(self, compression: str, json: JsonEncoder) -> None:
        self._json = json
        self.content_encoding = "" if compression == "none" else compression
        self.suffix = {"none": ".ndjson", "gzip": ".ndjson.gz", "zstd": ".ndjson.zst"}[compression]
        self._compressor: Callable[[], Any] = {
            "none": _Plain,
            "gzip": lambda: _Zlib(zlib.compressobj(6, wbits=31)),
            "zstd": _zstd,
        }[compression]
        if compression == "zstd":
            needed("cramjam", "s3", 'compression = "zstd"')
        self._thread = BlockingThread("pack")
        """One: the allocator keeps what each thread has freed for that thread."""

    async def pack(self, slices: Sequence[BatchSlice]) -> bytes:
        """Compressed JSON lines, one for each entry."""
        compressor, pieces, size = self._compressor(), list[bytes](), 0
        for each in slices:
            pieces.append(self._json.encode([each.picked()]))
            size += len(pieces[-1])
            if size >= PIECE:
                await self._thread.run(compressor.add, _joined(pieces))
                size = 0
        await self._thread.run(compressor.add, _joined(pieces))
        return bytes(await self._thread.run(compressor.finish))

    def close(self) -> None:
        """Lets the thread end. It may be used again."""
        self._thread.stop()


def _joined(pieces: list[bytes]) -> bytes:
    """All of them, which are not needed any more."""
    data = b"".join(pieces)
    pieces.clear()
    return data


class _Plain:
    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def finish(self) -> bytes:
        return b"".join(self._pieces)


class _Zlib(_Plain):
    def __init__(self, compressor: Any) -> None:
        super().__init__()
        self._compressor = compressor

    def add(self, piece: bytes) -> None:
        self._pieces.append(self._compressor.compress(piece))

    def finish(self) -> bytes:
        return b"".join([*self._pieces, self._compressor.flush()])


def _zstd() -> Any:
    return _Zstd(needed("cramjam", "s3", 'compression = "zstd"').zstd.Compressor(3))


class _Zstd:
    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor
        self.add = compressor.compress
        self.finish = compressor.finish
