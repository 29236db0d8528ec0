"""Expressions: a small, safe subset of Python that says which entries or containers are meant.

    level in ("error", "fatal") or status >= 500
    http.status // 100 == 5 and not http["path"].startswith("/health")
    stream == "stderr" and matches(message, r"time(out|d out)")

They hold comparisons (chained too), `in`, `and`, `or`, `not`, arithmetic (`+ - * / // %`),
literals, lists of literals, `a.b` and `a["b"]`, and calls of the functions in `functions`. Nothing
else can be said, so nothing else can happen: text becomes a syntax tree of bounded size (`syntax`),
whose allowed parts become Python source (`translate`, with the names of `scope`), compiled once. No
name but ours and no builtin is in reach of it, and it runs as one comprehension over the columns of
a batch.

Names in a stage are the entry's parsed fields, and `message`, `stream`, `time`, `source`,
`container` (`container.name`, `.id`, `.image`, `.project`, `.service`, `.host`, `.labels["key"]`)
and `fields`, for fields with other names: `fields["weird-key"]`, `"level" in fields`. `http.status`
is the `status` in the object `http`, or else the field "http.status". In `containers = …` names are
the container's facts: `name`, `labels["key"]` and so on; a label that is absent reads as "".

A comparison with a field that is missing is false, `!=` and `not in` as well; `not (level ==
"debug")` is true without a level. How else values compare is told in `values`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from pipeline.expression.code import Code, Namespace
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
    "compile_predicate",
    "compile_template",
    "compile_value",
    "has_placeholders",
    "text_of",
]


class Predicate:
    """Which entries of a batch are meant."""

    def __init__(self, text: str) -> None:
        """Raises `ConfigError`, with the column, for what is not an expression about entries."""
        self.text = text
        self._mask = OverEntries(lambda scope: _truth(translate(text, scope)))
        self.fields = self._mask.fields
        """Names of all fields at the top level that it may read."""

    def __call__(self, batch: Batch) -> list[bool]:
        """One truth value for each entry. Never raises, whatever the entries hold."""
        return self._mask(batch)


def compile_predicate(text: str) -> Predicate:
    """Raises `ConfigError`, with the column, for what is not an expression about entries."""
    return Predicate(text)


def compile_container(text: str) -> Callable[[Container], bool]:
    """Raises `ConfigError`, with the column, for what is not an expression about containers."""
    scope = ContainerScope(Namespace())
    code = _truth(translate(text, scope))
    takes: Callable[[Container], bool] = scope.namespace.function(
        "container", [f"return {code.source}"]
    )
    return takes


def compile_template(text: str, clean: Callable[[str], str] | None = None) -> OverEntries:
    """The text for each entry, its placeholders filled in; what is missing is empty. `clean` gets
    what each placeholder gives, and not the text around them.

    Raises `ConfigError`, with the column, for a brace or an expression that is wrong."""

    def code(scope: EntryScope) -> Code:
        parts = [one.source for one in pieces(text, scope.namespace, scope, clean)]
        return Code(parts[0] if len(parts) == 1 else f"''.join(({', '.join(parts)}))", "text")

    return OverEntries(code)


def compile_value(text: str) -> OverEntries:
    """What an expression gives for each entry; `MISSING` where that is nothing.

    Raises `ConfigError`, with the column, for what is not an expression about entries."""
    return OverEntries(lambda scope: translate(text, scope))


def _truth(code: Code) -> Code:
    if code.kind == "boolean":
        return code
    return Code(f"(True if {code.source} else False)", "boolean")


class OverEntries:
    """From a batch to the value for each of its entries: one function where fields are
    dictionaries, and one for each shape of records."""

    fields: frozenset[str]
    """Names of all fields at the top level that it may read."""
    facts: frozenset[str]
    """What it may read of the container, such as `container.name`."""
    is_constant: bool
    """Whether it gives the same for all entries of a container and source."""

    def __init__(self, code: Callable[[EntryScope], Code]) -> None:
        self._code = code
        scope = EntryScope(Namespace())
        self._of_dictionaries = _function(code(scope), scope)
        self._of_records: WeakKeyDictionary[Shape, _Values] = WeakKeyDictionary()
        self.fields = frozenset(scope.fields)
        self.facts = scope.facts
        self.is_constant = scope.is_constant

    def __call__(self, batch: Batch) -> list[Any]:
        records = batch.parsed
        if type(records) is not Records or not self.fields:
            return self._of_dictionaries(batch)
        values = self._of_records.get(records.shape)
        if values is None:
            scope = EntryScope(Namespace(), records.shape)
            values = self._of_records[records.shape] = _function(self._code(scope), scope)
        return values(batch)


_Values = Callable[[Batch], list[Any]]


def _function(code: Code, scope: EntryScope) -> _Values:
    if scope.is_constant:
        result = f"[{code.source}] * len(batch.lines)"
    else:
        result = f"[{code.source} for {scope.loop()}]"
    values: _Values = scope.namespace.function("batch", [*scope.preparation(), f"return {result}"])
    return values
