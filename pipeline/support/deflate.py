"""Compression of what is sent or kept for a while: Deflate (RFC 1951), as zlib or gzip.

ISA-L makes it, https://github.com/pycompression/python-isal, with a fifth of zlib's CPU at level 1
and half of it at level 3, for the same size. Higher levels are zlib's own, and so is all of it on a
processor that ISA-L is not built for.
"""

from __future__ import annotations

import importlib
import zlib
from types import ModuleType
from typing import Final, Literal, Protocol

HIGHEST: Final = 3
"""The last level that ISA-L has."""

Form = Literal["gzip", "zlib"]
_BITS: Final = {"gzip": 31, "zlib": 15}


class Stream(Protocol):
    """One compressed text, made piece by piece."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def stream(form: Form, level: int = 1) -> Stream:
    """`level` is as zlib counts, from 1 to 9, or 0 for no compression. While a piece is compressed,
    other threads run."""
    made: Stream = _library(level).compressobj(level, wbits=_BITS[form])
    return made


def compress(data: bytes, form: Form, level: int = 1) -> bytes:
    """A whole text; `level` is as for `stream`."""
    made: bytes = _library(level).compress(data, level, _BITS[form])
    return made


def _library(level: int) -> ModuleType:
    return _quick if 1 <= level <= HIGHEST else zlib


def _found() -> ModuleType:
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


_quick: Final = _found()
