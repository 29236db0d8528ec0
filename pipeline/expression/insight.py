"""Analyses expressions about entries: where they read fields, and what they compare them with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, TypeGuard

from pipeline.expression.functions import FUNCTIONS
from pipeline.expression.scope import EntryScope
from pipeline.expression.syntax import (
    ExpressionText,
    Keys,
    called_on,
    is_literal,
    keys_of,
    literal_of,
    parse,
)
from pipeline.expression.template import placeholders
from pipeline.model.component import Compared, FieldUse

_SYMBOLS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.In: "in", ast.NotIn: "not in",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def fields_read(text: str, key: str = "") -> list[FieldUse]:
    """Where an expression about entries reads fields, in order.

    Leaves out fields that the expression also tests for, as in `"level" in fields`. `key` is the
    expression's path in the stage's configuration. Raises `ConfigError` for invalid expressions.
    """
    return sorted(_uses(text, key, 0), key=lambda use: use.column or 0)


def fields_of_template(text: str, key: str = "") -> list[FieldUse]:
    """Where the expressions in a template read fields, in order: see `fields_read`."""
    return [
        use
        for column, expression in placeholders(text)
        for use in sorted(_uses(expression, key, column), key=lambda use: use.column or 0)
    ]


def _uses(text: str, key: str, start: int) -> Iterator[FieldUse]:
    source = ExpressionText(text)
    tree = parse(source)
    asked = {literal_of(node.left) for node in ast.walk(tree) if _asks_for_a_field(node)}
    compared = _Comparisons(tree, source, start)
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        keys = keys_of(node)
        if isinstance(node, ast.Call):
            nodes += [*node.args, *called_on(node)]
        elif _asks_for_a_field(node):
            continue
        elif not keys:
            nodes += ast.iter_child_nodes(node)
        elif keys[0] == "fields" or keys[0] not in EntryScope.RESERVED:
            assert isinstance(node, ast.expr)
            keys = keys[1:] if keys[0] == "fields" else keys
            if keys[0] in asked:
                continue
            column = start + source.column(node.lineno, node.col_offset)
            yield FieldUse(
                str(keys[0]),
                _written(keys),
                key,
                column,
                tuple(compared.values.get(node, ())),
                compared.bare.get(node, ""),
            )


class _Comparisons:
    """What the fields in an expression are compared with."""

    def __init__(self, tree: ast.expr, source: ExpressionText, start: int) -> None:
        self.values: dict[ast.AST, list[Compared]] = {}
        """The literals that a field is compared with, by its node."""
        self.bare: dict[ast.AST, str] = {}
        """What a name without quotes is compared with by `==`, by its node."""
        self._source = source
        self._start = start
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
                    self._note(left, _SYMBOLS.get(type(operator), ""), right)

    def _note(self, left: ast.expr, symbol: str, right: ast.expr) -> None:
        if is_literal(right):
            self._add(left, symbol, right)
        elif is_literal(left):
            if symbol not in ("in", "not in"):
                self._add(right, _MIRRORED.get(symbol, symbol), left)
        elif symbol in ("==", "!=") and isinstance(right, ast.Name) and (keys := keys_of(left)):
            self.bare[right] = _written(keys)

    def _add(self, node: ast.expr, symbol: str, literal: ast.expr) -> None:
        items = [literal]
        if symbol in ("in", "not in"):
            if not isinstance(literal, (ast.Tuple, ast.List, ast.Set)):
                return  # a substring test
            items = literal.elts
        for item in items:
            column = self._start + self._source.column(item.lineno, item.col_offset)
            one = Compared(symbol, literal_of(item), column)
            self.values.setdefault(node, []).append(one)


def _written(keys: Keys) -> str:
    return ".".join(map(str, keys))


def reads_entries(text: str) -> bool:
    """Whether an expression depends on the message or on fields, so that lines of one container and
    stream can differ. Raises `ConfigError` for invalid expressions."""
    names = {keys[0] for node in ast.walk(parse(ExpressionText(text))) if (keys := keys_of(node))}
    return bool(names - {"stream", "source", "container", "time"} - FUNCTIONS.keys())


def _asks_for_a_field(node: ast.AST) -> TypeGuard[ast.Compare]:
    """Whether a node tests for a field, as in `"level" in fields`."""
    return isinstance(node, ast.Compare) and keys_of(node.comparators[-1]) == ("fields",)
