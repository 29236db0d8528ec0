"""What comes from others made what JSON has, and their names what any store takes.

Senders of MessagePack may put bytes, numbers that are none, and texts that are not UTF-8 anywhere,
keys included. Stages, encoders and sinks are spared them: whatever takes entries from a network
goes through here first.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from pipeline.model.records import Fields

DEEPEST: Final = 100
"""Levels of nesting that are kept of a value that has to be made fit; below, there is an
ellipsis."""
ELIDED: Final = "…"
FLAGS: Final = ("truncated",)
"""Flags of entries (see `Batch.flags`) that anybody may set: encoders keep what they make of
each."""
_LONGEST: Final = 10_000
"""Bits of an integer: CPython writes some 14,000 in decimal digits."""

_MODULE: Final = re.compile("[a-z][a-z0-9_]{0,31}")
_NO_NAME: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, what begins a line or turns its direction, and halves of surrogate pairs."""


def text(value: str | bytes) -> str:
    """The same in valid UTF-8, with U+FFFD for each byte or surrogate that is not."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def name(value: str) -> str:
    """The same as a name of a container, an image or a host: text on one line, with U+FFFD for
    what cannot be in it."""
    return value if value.isprintable() else _NO_NAME.sub("\ufffd", value)


def labels(values: Mapping[str, str]) -> Mapping[str, str]:
    """The same labels: their names as names, their values as text without NUL."""
    if "".join(values).isprintable() and "".join(values.values()).isprintable():
        return values
    return {name(key): text(value).replace("\0", "\ufffd") for key, value in values.items()}


def is_module(value: Any) -> bool:
    """Whether it is as `Container.module`."""
    return type(value) is str and _MODULE.fullmatch(value) is not None


def fields(value: Fields) -> Fields:
    """The same fields if JSON has all that is in them, else a copy in which it has: bytes are text,
    keys are text, NaN and infinities null, and what is nested too deeply ends in an ellipsis. Of
    keys that become the same, the last one stays."""
    return value if is_json(value) else fit(value, DEEPEST)


def is_json(value: Any) -> bool:
    """Whether JSON has all of it. False now and then where it has: of what has nulls."""
    try:
        written = orjson.dumps(value)
    except (TypeError, RecursionError):  # orjson.JSONEncodeError is a TypeError
        return False
    return b"null" not in written  # which NaN may be


def key(value: Any) -> str:
    """A key as text."""
    made = fit(value, 0)
    return made if type(made) is str else json.dumps(made)


def fit(value: Any, levels: int) -> Any:
    """A copy of so many levels, in which JSON has everything."""
    kind = type(value)
    if kind is str or kind is bytes:
        return text(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _LONGEST else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if not levels:
        return ELIDED
    if kind is dict:
        return {key(one): fit(item, levels - 1) for one, item in value.items()}
    if kind is list or kind is tuple:
        return [fit(item, levels - 1) for item in value]
    return f"<{kind.__name__}>"
