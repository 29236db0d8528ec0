"""Why an expression about a container is false: the parts that made it so, and what they saw."""

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
    """A part of an expression that would have to be otherwise."""

    text: str
    """As the user wrote it."""
    values: dict[str, str]
    """The names in it, and what they stand for; an absent label is empty."""


def why_false(text: str, container: Container) -> list[Part]:
    """The smallest parts that make an expression false, in order; none where it is true.

    Of `a and b` those that are false, of `a or b` both. Raises `ConfigError` like
    `compile_container`.
    """
    explained = _Explained(text, container)
    tree = parse(explained.source)
    return [] if explained.truth(tree) else list(explained.parts(tree))


class _Explained:
    """One expression, any part of which can be computed by itself."""

    def __init__(self, text: str, container: Container) -> None:
        self.source = ExpressionText(text)
        self._text = f"[{text}\n]"
        self._container = container

    def truth(self, node: ast.expr) -> bool:
        return bool(self._value(node))

    def parts(self, node: ast.expr) -> Iterator[Part]:
        """Of a node that is false."""
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
        """On one line."""
        return " ".join((ast.get_source_segment(self._text, node) or "").split())


def _names(node: ast.expr) -> Iterator[ast.expr]:
    """The whole names in it, such as `labels["a.b"]`, each once by its place."""
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
