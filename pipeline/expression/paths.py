"""`Path`: a place in an entry's fields, written with dots, such as `http.status`.

It is the `status` inside the object `http`; or, where there is none, the field whose own name is
"http.status", as flat JSON loggers write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.model.errors import ConfigError
from pipeline.model.records import MISSING, RESERVED, Fields


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a table, in which TOML reads `http.status = 1` as a table."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def names(paths: Iterable[Path]) -> frozenset[str]:
    """Names of the fields that exist once all of these were set."""
    return frozenset(name for path in paths for name in (str(path.keys[0]), path.flat))


class Path:
    """Reads and changes that place. Objects on the way are copied before they are changed, since
    lanes share them; lists are only read, by index."""

    __slots__ = ("_first", "flat", "keys")

    def __init__(self, keys: tuple[str | int, ...]) -> None:
        self.keys = keys
        self._first = str(keys[0])
        self.flat = ".".join(map(str, keys))

    @classmethod
    def parse(cls, text: str) -> Path:
        """Raises `ConfigError` for a text with an empty part."""
        keys = text.split(".")
        if not all(keys):
            raise ConfigError(f'"{text}" is not a field; write a name, or names with dots between')
        return cls(tuple(keys))

    @classmethod
    def target(cls, text: str) -> Path:
        """For a field that is to be set. Raises `ConfigError` for a name that is the output's own,
        under which nobody would find it."""
        path = cls.parse(text)
        if path.keys[0] in RESERVED:
            raise ConfigError(
                f'"{path.keys[0]}" is a name of dockline\'s own in what comes out; choose another'
            )
        return path

    def get(self, fields: Fields) -> Any:
        """The value, or `MISSING`."""
        return self.below(fields.get(self._first, MISSING), fields.get(self.flat, MISSING))

    def below(self, value: Any, flat: Any) -> Any:
        """The same of an entry that has these as its fields of the first key and of the flat
        name."""
        for key in self.keys[1:]:
            if type(value) is dict:
                value = value.get(key, MISSING)
            elif type(value) is list and type(key) is int and -len(value) <= key < len(value):
                value = value[key]
            else:
                return flat
        return flat if value is MISSING else value

    def put(self, fields: Fields, value: Any) -> None:
        """Sets the value, making the objects that lead to it. Where there is the flat name already,
        or something that is no object is in the way, it goes under the flat name."""
        parent = self._parent(fields, create=self.flat not in fields)
        if parent is None:
            fields[self.flat] = value
        else:
            parent[self.keys[-1]] = value

    def pop(self, fields: Fields) -> Any:
        """Removes and returns the value, or returns `MISSING`."""
        if self.get(fields) is MISSING:
            return MISSING
        parent = self._parent(fields, create=False)
        if parent is None or self.keys[-1] not in parent:
            return fields.pop(self.flat)
        return parent.pop(self.keys[-1])

    def put_all(self, entries: Iterable[Fields], values: Iterable[Any]) -> None:
        """`put` for each entry that has a value; `MISSING` leaves one as it is."""
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
        """`pop` for each entry."""
        if len(self.keys) > 1:
            return [self.pop(fields) for fields in entries]
        key = self.flat
        return [fields.pop(key, MISSING) for fields in entries]

    def _parent(self, fields: Fields, *, create: bool) -> dict[Any, Any] | None:
        """The object that holds the last key, each object on the way replaced by a copy."""
        parent: dict[Any, Any] = fields
        for key in self.keys[:-1]:
            inner = parent.get(key, {} if create else None)
            if type(inner) is not dict:
                return None
            copied = parent[key] = dict(inner)
            parent = copied
        return parent
