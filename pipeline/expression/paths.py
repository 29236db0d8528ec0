"""`Path`: the path of a value in an entry's fields, written with dots, such as `http.status`.

It is the `status` in the object `http`; or, if there is none, the field with the flat name
"http.status", as some JSON loggers write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.model.errors import ConfigError
from pipeline.model.records import MISSING, RESERVED, Fields


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a TOML table by dotted name: TOML reads `http.status = 1` as nested tables."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def names(paths: Iterable[Path]) -> frozenset[str]:
    """The top-level and flat names that may exist after a value was set at each of the paths."""
    return frozenset(name for path in paths for name in (str(path.keys[0]), path.flat))


class Path:
    """Reads and changes the value at a path.

    Objects on the path are copied before a change, since lanes share them. Items of lists are only
    read, by index.
    """

    __slots__ = ("_first", "flat", "keys")

    def __init__(self, keys: tuple[str | int, ...]) -> None:
        """`keys` has at least one key, the first a field's name; numbers are indexes of lists."""
        self.keys = keys
        self._first = str(keys[0])
        self.flat = ".".join(map(str, keys))

    @classmethod
    def parse(cls, text: str) -> Path:
        """The path in a text such as `http.status`. Raises `ConfigError` for empty parts."""
        keys = text.split(".")
        if not all(keys):
            raise ConfigError(f'"{text}" is not a field; write a name, or names with dots between')
        return cls(tuple(keys))

    @classmethod
    def target(cls, text: str) -> Path:
        """The path of a field to set.

        Raises `ConfigError` for empty parts, and for names that dockline itself writes into its
        output, such as `container`, where the field would not be found.
        """
        path = cls.parse(text)
        if path.keys[0] in RESERVED:
            raise ConfigError(
                f'"{path.keys[0]}" is a name that dockline uses in its output; choose another'
            )
        return path

    def get(self, fields: Fields) -> Any:
        """The value at the path, or `MISSING`."""
        return self.below(fields.get(self._first, MISSING), fields.get(self.flat, MISSING))

    def below(self, value: Any, flat: Any) -> Any:
        """The value at the path, or `MISSING`, given two of an entry's fields.

        `value` is the field with the path's first key, `flat` the one with its flat name; either
        may be `MISSING`.
        """
        for key in self.keys[1:]:
            if type(value) is dict:
                value = value.get(key, MISSING)
            elif type(value) is list and type(key) is int and -len(value) <= key < len(value):
                value = value[key]
            else:
                return flat
        return flat if value is MISSING else value

    def put(self, fields: Fields, value: Any) -> None:
        """Sets the value at the path, and creates missing objects on it.

        Sets the field with the flat name instead if that exists, or if the path leads through a
        value that is not an object.
        """
        parent = self._parent(fields, create=self.flat not in fields)
        if parent is None:
            fields[self.flat] = value
        else:
            parent[self.keys[-1]] = value

    def pop(self, fields: Fields) -> Any:
        """Removes the value at the path and returns it; returns `MISSING` if there is none."""
        if self.get(fields) is MISSING:
            return MISSING
        parent = self._parent(fields, create=False)
        if parent is None or self.keys[-1] not in parent:
            return fields.pop(self.flat)
        return parent.pop(self.keys[-1])

    def put_all(self, entries: Iterable[Fields], values: Iterable[Any]) -> None:
        """Sets the value of each entry, as `put` does; an entry with `MISSING` is not changed."""
        if len(self.keys) > 1:
            for fields, value in zip(entries, values, strict=False):
                if value is not MISSING:
                    self.put(fields, value)
            return
        key = self.flat
        for fields, value in zip(entries, values, strict=False):
            if value is not MISSING:
                fields[key] = value

    def pop_all(self, entries: Iterable[Fields]) -> list[Any]:
        """Removes the value of each entry, as `pop` does, and returns them."""
        if len(self.keys) > 1:
            return [self.pop(fields) for fields in entries]
        key = self.flat
        return [fields.pop(key, MISSING) for fields in entries]

    def _parent(self, fields: Fields, *, create: bool) -> dict[Any, Any] | None:
        """The object with the last key, after all objects on the path were replaced by copies.

        None if the path leads through a value that is not an object.
        """
        parent: dict[Any, Any] = fields
        for key in self.keys[:-1]:
            inner = parent.get(key, {} if create else None)
            if type(inner) is not dict:
                return None
            copied = parent[key] = dict(inner)
            parent = copied
        return parent
