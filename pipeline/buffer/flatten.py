"""Turns deeply nested values into a flat list, and back.

msgpack packs 500 or 1000 levels, depending on its version. A line of JSON may have as many as its
parser takes. Nothing here recurses, so any depth works.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def flatten(value: Any) -> list[Any]:
    """The flat list for `value`: lists, tuples, dictionaries, and anything else as it is.

    Outermost first: `[n]` stands before the n items of a list, a dictionary whose values are None
    before the values of a dictionary with these keys. A tuple becomes a list.
    """
    flat: list[Any] = []
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            flat.append(dict.fromkeys(item))
            todo.extend(reversed(item.values()))
        elif isinstance(item, (list, tuple)):
            flat.append([len(item)])
            todo.extend(reversed(item))
        else:
            flat.append(item)
    return flat


def unflatten(flat: Iterable[Any]) -> Any:
    """The value that `flatten` was given. Raises an `Exception` for any other list."""
    done: list[Any] = []  # the last one is the next item of whatever encloses it
    for token in reversed(list(flat)):
        if isinstance(token, dict):
            done.append({key: done.pop() for key in token})
        elif isinstance(token, list):
            done.append([done.pop() for _ in range(token[0])])
        else:
            done.append(token)
    (value,) = done
    return value
