"""Turns values and names that came over a network into what JSON and every store accept.

MessagePack may contain bytes, NaN, and texts that are not UTF-8, even as keys. Every source that
takes entries from a network passes them through here first, so that stages, encoders and sinks
never see such values.
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
"""Levels of nesting that are kept of a value that has to be changed. Deeper levels become
`ELIDED`."""
ELIDED: Final = "…"
"""Stands for levels that are nested too deeply."""
FLAGS: Final = ("truncated",)
"""Flags (see `Batch.flags`) that a peer may set. Encoders keep what they render for each flag, so
there must be few."""
_LONGEST: Final = 10_000
"""Limit in bits for an integer: CPython writes up to about 14,000 in decimal digits."""

_MODULE: Final = re.compile("[a-z][a-z0-9_]{0,31}")
_NO_NAME: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, characters that change the text's direction, and lone
surrogates."""


def text(value: str | bytes) -> str:
    """The text in valid UTF-8, with U+FFFD for each invalid byte or lone surrogate."""
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
    """The text as a name of a container, an image or a host: on one line, with U+FFFD for each
    character that must not be in one."""
    return value if value.isprintable() else _NO_NAME.sub("\ufffd", value)


def labels(values: Mapping[str, str]) -> Mapping[str, str]:
    """The labels with valid names (see `name`), and with values that are valid text without NUL."""
    if "".join(values).isprintable() and "".join(values.values()).isprintable():
        return values
    return {name(key): text(value).replace("\0", "\ufffd") for key, value in values.items()}


def is_module(value: Any) -> bool:
    """Whether a value may be a `Container.module`: lower-case letters, digits and `_`, at most
    32."""
    return type(value) is str and _MODULE.fullmatch(value) is not None


def fields(value: Fields) -> Fields:
    """The same fields if they are JSON, otherwise a copy that is.

    Bytes and keys become text, NaN and infinities null, and levels below `DEEPEST` an ellipsis. If
    two keys become the same, the last one counts.
    """
    return value if is_json(value) else fit(value, DEEPEST)


def is_json(value: Any) -> bool:
    """Whether a value can be written as JSON without change. May be False for a value that contains
    null."""
    try:
        written = orjson.dumps(value)
    except (TypeError, RecursionError):  # orjson.JSONEncodeError is a TypeError
        return False
    return b"null" not in written  # orjson writes NaN as null


def key(value: Any) -> str:
    """A dictionary's key as text."""
    made = fit(value, 0)
    return made if type(made) is str else json.dumps(made)


def fit(value: Any, levels: int) -> Any:
    """A copy of a value that can be written as JSON. `levels`: how deep it may be nested."""
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
