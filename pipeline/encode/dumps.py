"""`dumps`: any value at all as JSON, compact, on one line. Never raises.

orjson writes what JSON has, quickly, and refuses the rest; what it refuses is made fit, at the
price of speed and only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

DEEPEST = 100
"""Levels of nesting that are kept of a value that had to be made fit (orjson's own limit: 254)."""

_ELIDED = "…"
_ROOM = 8192
"""Bytes below which a text is copied: orjson gives back all of the 4 KiB that it has written it
to, and ten thousand times `{}` held 40 MB."""


def dumps(value: Any) -> bytes:
    """Valid UTF-8 JSON. Lone surrogates become U+FFFD, integers keep all their digits, NaN and the
    infinities become null, keys become strings, levels below `DEEPEST` become an ellipsis."""
    try:
        written = orjson.dumps(value)
    except (TypeError, RecursionError):  # orjson.JSONEncodeError is a TypeError
        written = orjson.dumps(_fit(value, DEEPEST))
    return bytes(memoryview(written)) if len(written) < _ROOM else written


def _fit(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(value)
    if isinstance(value, (float, bool, type(None), orjson.Fragment)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if levels == 0:
        return _ELIDED
    if isinstance(value, Mapping):
        return {_key(key): _fit(item, levels - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_fit(item, levels - 1) for item in value]
    return f"<{type(value).__name__}>"


def _key(key: Any) -> str:
    if isinstance(key, (str, bytes)):
        return str(_fit(key, 0))
    return dumps(key).decode().strip('"')


def _integer(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return int(value)
    if value.bit_length() > 10_000:  # beyond CPython's limit on decimal digits, about 14,000 bits
        return hex(value)
    return orjson.Fragment(str(value))
