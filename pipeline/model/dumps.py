"""`dumps`: any value at all as JSON, compact, on one line. Never raises.

orjson writes what JSON has, quickly, and refuses the rest; what it refuses is made fit, at the
price of speed and only then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pipeline.model.utf8 import without_surrogates

DEEPEST = 100
"""Levels of nesting that are kept of a value that had to be made fit (orjson's own limit: 254)."""

_ELIDED = "…"
_ROOM = 8192
"""Bytes below which a text is copied: orjson gives back all of the 4 KiB that it has written it
to, and ten thousand times `{}` held 40 MB."""


def dumps(value: Any) -> bytes:
    """Any value as compact JSON, in UTF-8 and on one line. Lone surrogates become U+FFFD,
    integers keep all their digits, NaN and the infinities become null, keys become strings,
    levels below `DEEPEST` become an ellipsis, and what JSON does not have becomes its type's
    name. Never raises."""
    try:
        written = orjson.dumps(value)
    except (TypeError, RecursionError):  # orjson.JSONEncodeError is a TypeError
        written = orjson.dumps(fit(value, _integer))
    return bytes(memoryview(written)) if len(written) < _ROOM else written


def fit(value: Any, integer: Callable[[int], Any], levels: int = DEEPEST) -> Any:
    """Any value, made of what JSON and MessagePack have: lone surrogates become U+FFFD, bytes
    become text and keys strings, what neither has becomes its type's name, and what is deeper than
    `levels` an ellipsis. `integer` says what stands for an integer."""
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
