"""`dumps`: writes any value as compact JSON. Never raises.

orjson writes what JSON has, fast, and refuses other values. Only if it refuses, the value is
converted first, which is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pipeline.model.utf8 import without_surrogates

DEEPEST = 100
"""Levels of nesting that are kept of a value that has to be converted (orjson's own limit: 254)."""

_ELIDED = "…"
_ROOM = 8192
"""Bytes below which the result is copied. orjson returns a bytes object with room for 4 KiB, so ten
thousand times `{}` took 40 MB."""


def dumps(value: Any) -> bytes:
    """Any value as compact JSON, in UTF-8 and on one line. Never raises.

    Lone surrogates become U+FFFD, integers keep all their digits, NaN and infinities become null,
    keys become strings, levels below `DEEPEST` become an ellipsis, and a value of any other type
    becomes the type's name.
    """
    try:
        written = orjson.dumps(value)
    except (TypeError, RecursionError):  # orjson.JSONEncodeError is a TypeError
        written = orjson.dumps(fit(value, _integer))
    return bytes(memoryview(written)) if len(written) < _ROOM else written


def fit(value: Any, integer: Callable[[int], Any], levels: int = DEEPEST) -> Any:
    """A copy of any value that JSON and MessagePack can represent.

    Lone surrogates become U+FFFD, bytes and keys become strings, a value of any other type becomes
    the type's name, and levels below `levels` an ellipsis. `integer`: converts an integer.
    """
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return integer(value)
    if isinstance(value, (float, bool, type(None), orjson.Fragment)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if levels == 0:
        return _ELIDED
    if isinstance(value, Mapping):
        return {_key(key): fit(item, integer, levels - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [fit(item, integer, levels - 1) for item in value]
    return f"<{type(value).__name__}>"


def _key(key: Any) -> str:
    if isinstance(key, str):
        return without_surrogates(key)
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return dumps(key).decode().strip('"')


def _integer(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return int(value)
    if value.bit_length() > 10_000:  # beyond CPython's limit on decimal digits, about 14,000 bits
        return hex(value)
    return orjson.Fragment(str(value))
