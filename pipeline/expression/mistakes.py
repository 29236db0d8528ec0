"""Comparisons that cannot be meant, each refused with what to write instead.

They would be valid and silently false, or true of the wrong entries. What depends on the stages
before an expression is found by `config.advice`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, Final

from pipeline.encode.level import KEYS, UNKNOWN, severity_of
from pipeline.expression import severity
from pipeline.expression.scope import EntryScope, Scope
from pipeline.expression.syntax import ExpressionText, Keys, keys_of, literal_of
from pipeline.model.errors import ConfigError
from pipeline.support.quoted import quoted

_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_MIRRORED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE,
}  # fmt: skip
_OF_LEVELS: Final = {*((key,) for key in KEYS), *severity.NAMES}
_VALUES: Final[dict[Keys, tuple[str, ...]]] = {
    ("stream",): ("stdout", "stderr", ""),
    ("source",): ("logs", "events", "stats"),
}
"""All values of the names that have few."""
_SAME: Final = "by itself is the same for every entry"
_ID: Final = 64
"""Characters of a container's id."""
_SHORT_ID: Final = re.compile(r"[0-9a-f]{8,63}")


def refuse(operator: ast.cmpop, left: ast.expr, right: ast.expr, scope: Scope) -> None:
    """Raises `ConfigError` for a comparison that cannot be meant."""
    if isinstance(scope, EntryScope):
        _refuse_order(operator, left, right)
        _refuse_order(_mirrored(operator), right, left)
    if isinstance(operator, (ast.In, ast.NotIn)):
        if isinstance(literal_of(right), tuple):
            _refuse_values(left, right, scope)
    elif isinstance(operator, (ast.Eq, ast.NotEq)):
        for one, other in ((left, right), (right, left)):
            if isinstance(scope, EntryScope):
                _refuse_bare(keys_of(one), other)
            _refuse_values(one, other, scope)


def refuse_constants(tree: ast.expr, source: ExpressionText) -> None:
    """Raises `ConfigError` for a condition such as `level == "a" or "b"`, which is always true, and
    for `level != "a" or level != "b"`, which is true of every level."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        raise source.error(f"{quoted(tree.value)} {_SAME}; compare it with a field", tree)
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            nodes.append(node.operand)
        elif isinstance(node, ast.BoolOp):
            for part in node.values:
                if isinstance(part, ast.Constant) and type(part.value) in (str, int, float):
                    raise source.error(_constant(node, part.value), part)
            if isinstance(node.op, ast.Or):
                _refuse_either_unequal(node.values, source)
            nodes += node.values


def _refuse_either_unequal(parts: list[ast.expr], source: ExpressionText) -> None:
    unequal: dict[Keys, object] = {}
    for part in parts:
        match part:
            case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[ast.Constant(value=value)]):
                keys = keys_of(left)
                if keys and unequal.setdefault(keys, value) != value:
                    name, values = ast.unparse(left), (unequal[keys], value)
                    listed = ", ".join(map(quoted, values))
                    message = f"every {name} is unequal to one of these; write {name} not in"
                    raise source.error(f"{message} ({listed})", part)


def _constant(node: ast.BoolOp, value: object) -> str:
    """The message about a literal that is a part of an `and` or `or`."""
    message = f"{quoted(value)} {_SAME}"
    match node.values[0]:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as operator], comparators=[right]):
            name, other = keys_of(left) and ast.unparse(left), literal_of(right)
            is_or, is_equal = isinstance(node.op, ast.Or), isinstance(operator, ast.Eq)
            if name and other is not None and is_or is is_equal:
                symbol = "in" if is_equal else "not in"
                return f"{message}; write {name} {symbol} ({quoted(other)}, {quoted(value)})"
    return f"{message}; compare it with a field"


def refuse_affix(function: str, arguments: list[ast.expr], scope: Scope) -> None:
    """Raises `ConfigError` for a call such as `startswith(name, "/web")`, which is never true."""
    if function not in ("startswith", "matches") or scope.fact(keys_of(arguments[0])) != "name":
        return
    begin = "/" if function == "startswith" else "^/"
    for one in _texts(arguments[1]):
        if one.startswith(begin):
            rest = one.replace("/", "", 1)
            raise ConfigError(f"a container's name has no slash here; write {quoted(rest)}")


def _mirrored(operator: ast.cmpop) -> ast.cmpop:
    return _MIRRORED.get(type(operator), type(operator))()


def _refuse_order(operator: ast.cmpop, node: ast.expr, other: ast.expr) -> None:
    if not isinstance(operator, _ORDER) or (keys := keys_of(node)) not in severity.NAMES:
        return
    value = literal_of(other)
    name = ".".join(map(str, keys))
    instead = severity.instead_of_order(name, operator, value)
    message = f"texts and numbers have another order than severities; write {instead}"
    if isinstance(value, (int, float)):
        message += f', or fields["{name}"] for a number that is no severity'
    raise ConfigError(message)


def _refuse_bare(keys: Keys, other: ast.expr) -> None:
    """Refuses `level == error` and `stream == stderr`, where a field is not what is meant."""
    if not isinstance(other, ast.Name):
        return
    is_level = keys in _OF_LEVELS and severity_of(other.id) != UNKNOWN
    if is_level or other.id in _VALUES.get(keys, ()):
        raise ConfigError(
            f'{other.id} without quotes is a field of this name; for the text write "{other.id}"'
        )


def _refuse_values(node: ast.expr, other: ast.expr, scope: Scope) -> None:
    """Refuses texts that `stream`, `source` or a property of a container never is."""
    keys = keys_of(node)
    known = _VALUES.get(keys) if isinstance(scope, EntryScope) else None
    for text in _texts(other) if known else ():
        if known and text not in known:
            choices = ", ".join(f'"{one}"' for one in known if one)
            raise ConfigError(f"{keys[0]} is never {quoted(text)}; it is one of {choices}")
    if fact := scope.fact(keys):
        _refuse_fact(fact, other)


def _refuse_fact(fact: str, other: ast.expr) -> None:
    for text in _texts(other):
        if fact == "name" and text.startswith("/"):
            raise ConfigError(f"a container's name has no slash here; write {quoted(text[1:])}")
        if fact == "id" and _SHORT_ID.fullmatch(text):
            raise ConfigError(f"an id has {_ID} characters; write startswith(id, {quoted(text)})")
        if "*" in text:
            raise ConfigError(f"== takes * literally; {_without_star(fact, text)}")
    if isinstance(other, ast.Constant) and other.value is None:
        raise ConfigError(f'{fact} is always a text, empty if there is none; compare with ""')


def _without_star(fact: str, text: str) -> str:
    """What to write for a comparison with a pattern such as `api-*`."""
    if text.count("*") == 1 and text.endswith("*"):
        return f"write startswith({fact}, {quoted(text[:-1])})"
    if text.count("*") == 1 and text.startswith("*"):
        return f"write endswith({fact}, {quoted(text[1:])})"
    pattern = ".*".join(map(re.escape, text.split("*")))
    return f'write matches({fact}, r"^{pattern}$")'


def _texts(node: ast.expr) -> Iterator[str]:
    """The text of a literal, or those of a list."""
    value: Any = literal_of(node)
    yield from (
        one for one in (value if isinstance(value, tuple) else (value,)) if type(one) is str
    )
