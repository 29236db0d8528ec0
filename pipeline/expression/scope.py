"""The names in an expression: `EntryScope` for stages, `ContainerScope` for `containers = …`.

Built-in names take precedence over fields with the same name; use `fields["name"]` for these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

from pipeline.expression.code import Code, Namespace, quote
from pipeline.expression.paths import Path
from pipeline.expression.syntax import Keys
from pipeline.model.errors import ConfigError
from pipeline.model.records import Shape
from pipeline.support.mistyped import meant

FACTS: Final = ("id", "name", "image", "labels", "project", "service", "host")
"""The properties of a container."""
_TEXTS: Final = tuple(name for name in FACTS if name != "labels")
_NOT_NAMES: Final = {"true": "True", "false": "False", "null": "None"}


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean "known"?`, with a leading space, for the known name most like `name`.

    Empty if none is similar.
    """
    found = meant(name, known)
    return f' Did you mean "{found}"?' if found is not None else ""


class Scope(ABC):
    """Resolves the names of an expression to code."""

    def __init__(self, namespace: Namespace) -> None:
        """`namespace` has the constants and variables of the generated code."""
        self.namespace = namespace

    @abstractmethod
    def resolve(self, keys: Keys) -> Code:
        """The code of a name and its keys. Raises `ConfigError` for an unknown name."""

    @abstractmethod
    def fact(self, keys: Keys) -> str:
        """The property of the container that a name and its keys are, such as `name`; else empty.

        Labels are none.
        """

    def has(self, key: str) -> Code:
        """The code of `"key" in fields`. Raises `ConfigError` where there are no fields."""
        raise ConfigError('there are no "fields" here: this is about a container, not its entries')


class ContainerScope(Scope):
    """A container's properties. A missing label is empty text, like a missing service."""

    def resolve(self, keys: Keys) -> Code:
        name, *rest = keys
        if name not in FACTS:
            hint = nearest(str(name), FACTS)
            hint = hint or f' There are {", ".join(FACTS)}; a text is in quotes, "{name}".'
            raise ConfigError(f'a container has no "{name}".{hint}')
        if name == "labels":
            return self._label(rest)
        if rest:
            raise ConfigError(f'"{name}" of a container is text, which has no parts')
        return Code(f"container.{name}", "text")

    def fact(self, keys: Keys) -> str:
        return str(keys[0]) if len(keys) == 1 and keys[0] in _TEXTS else ""

    def _label(self, rest: list[str | int]) -> Code:
        if not rest:
            return Code("container.labels")
        label = ".".join(map(str, rest))
        return Code(f"container.labels.get({quote(label)}, '')", "text")


class EntryScope(Scope):
    """An entry's fields, the columns of its batch, and its container."""

    RESERVED: Final = ("message", "stream", "time", "source", "container", "fields")
    """Names that are not those of fields."""

    _COLUMNS: Final = {
        "message": ("line", "batch.lines"),
        "stream": ("stream", "batch.streams"),
        "time": ("time", "batch.times"),
        "fields": ("entry", "(batch.fields or [NOTHING] * len(batch.lines))"),
    }
    _TEXTS: Final = {
        "message": Code("line.decode('utf-8', 'replace')", "text", encoded="line"),
        "stream": Code("STREAMS[stream]", "text"),
        "time": Code("time.decode()", "text"),
    }

    def __init__(self, namespace: Namespace, shape: Shape | None = None) -> None:
        """With `shape`, the entries' fields are records of it, otherwise dictionaries."""
        super().__init__(namespace)
        self._shape = shape
        self.fields: set[str] = set()
        """Names of the top-level fields that the code may read."""
        self._columns: dict[str, str] = {}
        self._facts: dict[str, str] = {}
        self._container = ContainerScope(namespace)

    def resolve(self, keys: Keys) -> Code:
        name, *rest = keys
        if name == "fields":
            if not rest:
                raise ConfigError('after "fields" comes a key: fields["key"], or: "key" in fields')
            return self._field(tuple(rest))
        if name == "container":
            if not rest:
                raise ConfigError(f'after "container" comes one of {", ".join(FACTS)}')
            return self.once(self._container.resolve(tuple(rest)))
        if name in _NOT_NAMES:
            raise ConfigError(f'write "{_NOT_NAMES[str(name)]}" for "{name}"')
        if name not in self.RESERVED:
            return self._field(keys)
        if rest:
            raise ConfigError(f'"{name}" is text, which has no parts')
        if name == "source":
            return self.once(Code("batch.source", "text"))
        self._use(str(name))
        return self._TEXTS[str(name)]

    def fact(self, keys: Keys) -> str:
        return self._container.fact(keys[1:]) if keys[:1] == ("container",) else ""

    def has(self, key: str) -> Code:
        self._use("fields")
        self.fields.add(key)
        if self._shape is None:
            return Code(f"({quote(key)} in entry)", "boolean")
        return Code(f"({self._of_entry(key)} is not MISSING)", "boolean")

    def all_fields(self) -> Code:
        """All fields of an entry: a dictionary, or a record."""
        self._use("fields")
        return Code("entry")

    def _field(self, keys: Keys) -> Code:
        self._use("fields")
        first = keys[0]
        if isinstance(first, int):
            raise ConfigError("the key of a field is text")
        self.fields.add(first)
        if len(keys) == 1:
            return Code(self._of_entry(first))
        path = Path(keys)
        self.fields.add(path.flat)
        parts = f"{self._of_entry(first)}, {self._of_entry(path.flat)}"
        return Code(f"{self.namespace.constant(path.below)}({parts})")

    def _of_entry(self, name: str) -> str:
        if self._shape is None:
            return f"entry.get({quote(name)}, MISSING)"
        attribute = self._shape.attributes.get(name)
        return f"entry.{attribute}" if attribute else "MISSING"

    def _use(self, name: str) -> None:
        variable, values = self._COLUMNS[name]
        if name == "fields" and self._shape is not None:
            values = "batch.parsed"
        self._columns[variable] = values

    def once(self, code: Code) -> Code:
        """A variable for code that has the same value for a whole batch; set before the loop."""
        if code.source not in self._facts:
            self._facts[code.source] = self.namespace.fresh()
        return Code(self._facts[code.source], code.kind)

    def preparation(self) -> list[str]:
        """Lines of Python to run before the loop."""
        facts = [f"{variable} = {source}" for source, variable in self._facts.items()]
        return ["container = batch.container", *facts]

    def loop(self) -> str:
        """The loop after `for`, which sets a variable for each column that is used."""
        columns = self._columns or {"line": "batch.lines"}
        if len(columns) == 1:
            ((variable, values),) = columns.items()
            return f"{variable} in {values}"
        return f"{', '.join(columns)} in zip({', '.join(columns.values())})"

    @property
    def facts(self) -> frozenset[str]:
        """Properties of the container and the batch that are used, such as `container.name`."""
        return frozenset(self._facts)

    @property
    def is_constant(self) -> bool:
        """Whether the value is the same for all entries of a batch."""
        return not self._columns
