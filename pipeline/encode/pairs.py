"""Fields as text for people: `status=500 path=/orders user.name="Ada L"`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from pipeline.model.dumps import dumps

DEEPEST: Final = 3
"""Parts of a dotted name at most, as `docker.event.exit_code` has; what is below is JSON. Otherwise
hostile fields could repeat a long name for each of their values."""
LONGEST: Final = 64
"""Characters of a name above which what is below it is JSON."""

_NAMES: Final = 4096
"""Names that are remembered as they are written."""
_LARGE: Final = 10**18
"""Integers from here on are left to `dumps`, which bounds their digits."""


def pairs(fields: Mapping[Any, Any]) -> dict[str, str]:
    """Each field as `name=value`, by its name, dotted as expressions have it.

    Text with spaces or quotes, lists, and objects below the last part of a name are in JSON.
    """
    found: dict[str, str] = {}
    for name, value in fields.items():
        if type(value) is dict and value:
            found |= {name: pair(name, one) for name, one in _flat({name: value}, "", 1)}
        else:
            found[str(name)] = pair(str(name), value)
    return found


def _flat(fields: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        name = prefix + str(key)
        if type(value) is dict and value and depth < DEEPEST and len(name) <= LONGEST:
            yield from _flat(value, name + ".", depth + 1)
        else:
            yield name, value


def pair(name: str, value: Any) -> str:
    """One field as `name=value`. It has no lone surrogates."""
    kind = type(value)
    if kind is str:
        return f"{_written(name)}={_text(value)}"
    if kind is int and -_LARGE < value < _LARGE:
        return f"{_written(name)}={value}"
    return f"{_written(name)}={dumps(value).decode()}"


def _text(text: str) -> str:
    if text.isprintable() and text and not (" " in text or '"' in text or "=" in text):
        return text
    return dumps(text).decode()


_remembered: Final = lru_cache(_NAMES)(_text)


def _written(name: str) -> str:
    return _remembered(name) if len(name) <= LONGEST else _text(name)
