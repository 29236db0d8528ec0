"""Values nested more deeply than msgpack will go, as a flat list and back.

msgpack stops at some 500 or 1000 levels, depending on its version; a line of JSON may have as many
as its parser takes. Nothing here recurses, so the depth does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def flatten(value: Any) -> list[Any]:
    """What `value` holds, outermost first: `[n]` announces a list of n items, a dictionary of None
    announces a dictionary of these keys, anything else stands for itself."""
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
    """What `flatten` was given."""
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
