"""Explains why an expression about a container is false: its false parts, and their values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    explained = _Explained(text, container)
    tree = parse(explained.source)
    return [] if explained.truth(tree) else list(explained.parts(tree))


class _Explained:
    """An expression whose parts can be evaluated one by one."""

    def __init__(self, text: str, container: Container) -> None:
        self.source = ExpressionText(text)
        self._text = f"[{text}\n]"
        self._container = container

    def truth(self, node: ast.expr) -> bool:
        return bool(self._value(node))

    def parts(self, node: ast.expr) -> Iterator[Part]:
        """The smallest false parts of a node that is false."""
        if isinstance(node, ast.BoolOp):
            for operand in node.values:
                if not self.truth(operand):
                    yield from self.parts(operand)
        else:
            values = {self._written(name): str(self._value(name)) for name in _names(node)}
            yield Part(self._written(node), values)

    def _value(self, node: ast.expr) -> Any:
        scope = ContainerScope(Namespace())
        code: Code = Translator(self.source, scope).code(node)
        run: Callable[[Container], Any] = scope.namespace.function(
            "container", [f"return {code.source}"]
        )
        return run(self._container)

    def _written(self, node: ast.expr) -> str:
        """A node as the user wrote it, on one line."""
        return " ".join((ast.get_source_segment(self._text, node) or "").split())


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
