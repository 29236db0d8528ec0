"""Expressions: a small, safe subset of Python that selects entries or containers.

    level in ("error", "fatal") or status >= 500
    http.status // 100 == 5 and not http["path"].startswith("/health")
    stream == "stderr" and matches(message, r"time(out|d out)")

They consist of comparisons (chained too), `in`, `and`, `or`, `not`, arithmetic (`+ - * / // %`),
literals, lists of literals, `a.b` and `a["b"]`, and calls of the functions in `functions`.
Everything else is refused: the text is parsed into a syntax tree of bounded size (`syntax`), whose
allowed nodes are translated to Python source (`translate`, with the names of `scope`) and compiled
once. The code can reach only the names in `code.Namespace`, and no builtins. It runs as one
comprehension over the columns of a batch.

Names in a stage are the entry's parsed fields, and `message`, `stream`, `time`, `source`,
`container` (`container.name`, `.id`, `.image`, `.project`, `.service`, `.host`, `.labels["key"]`)
and `fields`, for fields with other names: `fields["weird-key"]`, `"level" in fields`. `http.status`
is the `status` in the object `http`, or else the field "http.status". In `containers = …` names are
the container's properties: `name`, `labels["key"]` and so on; a missing label is "".

A comparison with a missing field is false, also with `!=` and `not in`; `not (level == "debug")` is
true without a level. All other rules of comparison are in `values`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from pipeline.expression.code import Code, Namespace
from pipeline.expression.json_template import compiled_json
from pipeline.expression.scope import ContainerScope, EntryScope
from pipeline.expression.template import has_placeholders, pieces, text_of
from pipeline.expression.translate import translate
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.records import Records, Shape

__all__ = [
    "OverEntries",
    "Predicate",
    "compile_container",
    "compile_json",
    "compile_predicate",
    "compile_template",
    "compile_value",
    "has_placeholders",
    "text_of",
]


class Predicate:
    """An expression that is true or false for each entry of a batch."""

    def __init__(self, text: str, *, negated: bool = False) -> None:
        """`negated`: whether it is true where the text is false. Raises `ConfigError`, with the
        column, for text that is not a valid expression."""
        self.text = text
        """The expression as the user wrote it."""
        of = _untruth if negated else _truth
        self._mask = OverEntries(lambda scope: of(translate(text, scope, is_condition=True)))
        self.fields = self._mask.fields
        """Names of the top-level fields that it may read."""
        self.is_linear = self._mask.is_linear
        """Whether all of its patterns are linear in the text (see `patterns`)."""

    def __call__(self, batch: Batch) -> list[bool]:
        """Whether the expression is true, for each entry of the batch. Never raises."""
        return self._mask(batch)


def compile_predicate(text: str, *, negated: bool = False) -> Predicate:
    """Compiles an expression about entries, such as `level == "error"`, to a `Predicate`.

    `negated`: whether it is true where the text is false. Raises `ConfigError`, with the column,
    for text that is not a valid expression.
    """
    return Predicate(text, negated=negated)


def compile_container(text: str) -> Callable[[Container], bool]:
    """Compiles an expression about containers to a function that says whether it is true of one.

    Raises `ConfigError`, with the column, for text that is not a valid expression.
    """
    scope = ContainerScope(Namespace())
    code = _truth(translate(text, scope, is_condition=True))
    takes: Callable[[Container], bool] = scope.namespace.function(
        "container", [f"return {code.source}"]
    )
    return takes


def compile_template(text: str, clean: Callable[[str], str] | None = None) -> OverEntries:
    """Compiles a template such as `{container.name}-{stream}` to a text for each entry.

    Missing values are empty. `clean` is applied to the value of each placeholder, not to the text
    around them. Raises `ConfigError`, with the column, for an invalid brace or expression.
    """

    def code(scope: EntryScope) -> Code:
        parts = [one.source for one in pieces(text, scope.namespace, scope, clean)]
        return Code(parts[0] if len(parts) == 1 else f"''.join(({', '.join(parts)}))", "text")

    return OverEntries(code)


def compile_json(text: str) -> OverEntries:
    """Compiles a template of JSON to JSON text for each entry, on one line: see `json_template`.

    Raises `ConfigError`, with the column, for an invalid brace or expression, and for a template
    that no entry can make JSON of.
    """
    return OverEntries(lambda scope: compiled_json(text, scope))


def compile_value(text: str) -> OverEntries:
    """Compiles an expression to its value for each entry, `MISSING` if there is none.

    Raises `ConfigError`, with the column, for text that is not a valid expression.
    """
    return OverEntries(lambda scope: translate(text, scope))


def _truth(code: Code) -> Code:
    if code.kind == "boolean":
        return code
    return Code(f"(True if {code.source} else False)", "boolean")


def _untruth(code: Code) -> Code:
    return Code(f"(not {code.source})", "boolean")


class OverEntries:
    """A function from a batch to a list with a value for each entry.

    It is compiled once for fields that are dictionaries, and once for each `Shape` of records.
    """

    fields: frozenset[str]
    """Names of the top-level fields that it may read."""
    facts: frozenset[str]
    """Properties of the container that it may read, such as `container.name`."""
    is_constant: bool
    """Whether it has the same value for all entries of a container and source."""
    is_linear: bool
    """Whether all of its patterns are linear in the text (see `patterns`)."""

    def __init__(self, code: Callable[[EntryScope], Code]) -> None:
        """`code` makes the expression's code in a scope; it is called once for each shape."""
        self._code = code
        scope = EntryScope(Namespace())
        self._of_dictionaries = _function(code(scope), scope)
        self._of_records: WeakKeyDictionary[Shape, _Values] = WeakKeyDictionary()
        self._last: tuple[Shape | None, _Values] = None, self._of_dictionaries
        """The shape that was asked for last, and its function."""
        self.fields = frozenset(scope.fields)
        self.facts = scope.facts
        self.is_constant = scope.is_constant
        self.is_linear = scope.namespace.is_linear

    def __call__(self, batch: Batch) -> list[Any]:
        """The value for each entry of the batch. Never raises."""
        records = batch.parsed
        if type(records) is not Records or not self.fields:
            return self._of_dictionaries(batch)
        shape, values = self._last
        if shape is not records.shape:
            values = self._values_of(records.shape)
            self._last = records.shape, values
        return values(batch)

    def _values_of(self, shape: Shape) -> _Values:
        values = self._of_records.get(shape)
        if values is None:
            scope = EntryScope(Namespace(), shape)
            values = self._of_records[shape] = _function(self._code(scope), scope)
        return values


_Values = Callable[[Batch], list[Any]]


def _function(code: Code, scope: EntryScope) -> _Values:
    if scope.is_constant:
        result = f"[{code.source}] * len(batch.lines)"
    else:
        result = f"[{code.source} for {scope.loop()}]"
    values: _Values = scope.namespace.function("batch", [*scope.preparation(), f"return {result}"])
    return values
