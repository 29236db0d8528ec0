"""Explains why an expression about a container is false: its false parts, and their values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.expression.code import Code, Namespace
from pipeline.expression.scope import ContainerScope
from pipeline.expression.syntax import ExpressionText, parse
from pipeline.expression.translate import Translator
from pipeline.model.container import Container


@dataclass(frozen=True)
class Part:
    """A part of an expression that makes it false."""

    text: str
    """The part as the user wrote it, on one line."""
    values: dict[str, str]
    """The names in the part and their values; a missing label is empty."""


def why_false(text: str, container: Container) -> list[Part]:
    """The smallest parts that make an expression false for a container; none if it is true.

    They are in the order of the text. Of `a and b` these are the false ones, of `a or b` both.
    Raises `ConfigError`, with the column, for text that is not a valid expression.
    """
    return _explained(text).why_false(container)


class _Explained:
    """An expression whose parts can be evaluated one by one."""

    def __init__(self, text: str) -> None:
        self._source = ExpressionText(text)
        self._text = f"[{text}\n]"
        self._tree = parse(self._source)
        self._functions: dict[ast.expr, Callable[[Container], Any]] = {}
        """What evaluates a node, made when it is needed first."""

    def why_false(self, container: Container) -> list[Part]:
        """The smallest parts that make the expression false; none if it is true."""
        if self._value(self._tree, container):
            return []
        return list(self._parts(self._tree, container))

    def _parts(self, node: ast.expr, container: Container) -> Iterator[Part]:
        """The smallest false parts of a node that is false."""
        if isinstance(node, ast.BoolOp):
            for operand in node.values:
                if not self._value(operand, container):
                    yield from self._parts(operand, container)
        else:
            names = _names(node)
            values = {self._written(name): str(self._value(name, container)) for name in names}
            yield Part(self._written(node), values)

    def _value(self, node: ast.expr, container: Container) -> Any:
        function = self._functions.get(node)
        if function is None:
            scope = ContainerScope(Namespace())
            code: Code = Translator(self._source, scope).code(node)
            function = scope.namespace.function("container", [f"return {code.source}"])
            self._functions[node] = function
        return function(container)

    def _written(self, node: ast.expr) -> str:
        """A node as the user wrote it, on one line."""
        return " ".join((ast.get_source_segment(self._text, node) or "").split())


_explained = lru_cache(maxsize=32)(_Explained)
"""An expression is asked about one container after another."""


def _names(node: ast.expr) -> Iterator[ast.expr]:
    """The names in a node, with their keys, such as `labels["a.b"]`."""
    match node:
        case ast.Name() | ast.Attribute() | ast.Subscript():
            yield node
        case ast.Call(func=ast.Attribute(value=value), args=arguments):
            for inner in (value, *arguments):
                yield from _names(inner)
        case ast.Call(args=arguments):
            for inner in arguments:
                yield from _names(inner)
        case _:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    yield from _names(child)
