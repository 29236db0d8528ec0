"""Decides whether an expression can ever be true, without entries.

`dockline check` warns only of what is certain; everything else counts as possible.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.encode.level import UNKNOWN, severity_of
from pipeline.expression import compile_container, compile_predicate
from pipeline.expression.comparisons import is_word
from pipeline.expression.scope import EntryScope
from pipeline.expression.syntax import ExpressionText, called_on, keys_of, literal_of, parse
from pipeline.expression.values import NUMBERS, number
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError

_ONE_ENTRY: Final = Batch(Container("0" * 64, "", ""), [b""], [b""], b"\1", range(1))


def never_true(*texts: str, containers: bool = False) -> bool:
    """Whether these expressions can certainly not all be true of the same entry (or container).

    False if that is not certain, also for invalid expressions.
    """
    try:
        trees = [parse(ExpressionText(text)) for text in texts]
        both = trees[0] if len(trees) == 1 else ast.BoolOp(ast.And(), trees)
        return _Judge(containers).truth(both) is False
    except (ConfigError, RecursionError):
        return False


def opposite(text: str) -> str:
    """An expression that is true where this one is false."""
    return f"not ({text}\n)"


@dataclass
class _Demands:
    """What the parts of an `and` require of one value."""

    is_text: bool
    """Whether the value is always a text."""
    allowed: list[set[str]] = field(default_factory=list)
    """Sets of texts; the value must be in each of them."""
    banned: set[str] = field(default_factory=set)
    """Texts that the value must not be."""
    beginnings: list[tuple[str, ...]] = field(default_factory=list)
    """Tuples of prefixes; the value must have one of each."""
    endings: list[tuple[str, ...]] = field(default_factory=list)
    """Tuples of suffixes; the value must have one of each."""
    low: tuple[float, bool] = (float("-inf"), False)
    """The lower bound, and whether the bound itself is excluded."""
    high: tuple[float, bool] = (float("inf"), True)
    """The upper bound, and whether the bound itself is included."""
    is_number: bool = False
    """Whether the value must be a number."""
    severity: int = UNKNOWN
    """The value must be at least as severe as this; `UNKNOWN` for any value."""
    milder: int = -1
    """The value must be less severe than this, or no level; -1 for any value."""

    def take(self, operator: type[ast.cmpop], value: Any) -> None:
        """Adds a comparison of the value with a literal."""
        many = value if isinstance(value, tuple) else (value,)
        if operator in (ast.Eq, ast.In) and self._are_words(many):
            self.allowed.append(set(many))
        elif operator in (ast.NotEq, ast.NotIn):
            self.banned |= {one for one in many if isinstance(one, str)}
        elif all(type(one) in NUMBERS for one in many):
            self._bound(operator, min(many), max(many))

    def _are_words(self, many: tuple[Any, ...]) -> bool:
        """Whether all are texts that only equal themselves, unlike "503", which equals 503."""
        return all(isinstance(one, str) and (self.is_text or is_word(one)) for one in many)

    def _bound(self, operator: type[ast.cmpop], least: float, most: float) -> None:
        self.is_number = True
        if operator in (ast.Gt, ast.GtE, ast.Eq, ast.In):
            self.low = max(self.low, (least, operator is ast.Gt))
        if operator in (ast.Lt, ast.LtE, ast.Eq, ast.In):
            self.high = min(self.high, (most, operator is not ast.Lt))

    def _has(self, value: float) -> bool:
        return self.low <= (value, False) and (value, True) <= self.high

    def contradict(self) -> bool:
        """Whether no value can meet the requirements."""
        (low, is_above), (high, reached) = self.low, self.high
        if self.severity < UNKNOWN and self.severity <= self.milder:
            return True
        if low > high or (low == high and (is_above or not reached)):
            return True
        if self.allowed:
            return not any(map(self._fits, set.intersection(*self.allowed)))
        return not (_overlap(self.beginnings, "startswith") and _overlap(self.endings, "endswith"))

    def _fits(self, text: str) -> bool:
        value = number(text)
        in_range = value is not None and self._has(value)
        return (
            text not in self.banned
            and all(map(text.startswith, self.beginnings))
            and all(map(text.endswith, self.endings))
            and (in_range or not self.is_number)
            and (self.severity == UNKNOWN or severity_of(text) <= self.severity)
            and severity_of(text) > self.milder
        )


def _overlap(demands: list[tuple[str, ...]], affix: str) -> bool:
    """Whether a text can have a prefix (or suffix) of each tuple."""
    return all(
        any(getattr(a, affix)(b) or getattr(b, affix)(a) for a in one for b in other)
        for index, one in enumerate(demands)
        for other in demands[:index]
    )


class _Judge:
    """Decides whether a node is always true, always false, or depends on the entry."""

    def __init__(self, containers: bool) -> None:
        self._containers = containers

    def truth(self, node: ast.expr) -> bool | None:
        """The truth of a node; None if it depends on the entry."""
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                found = [self.truth(part) for part in parts]
                if False in found or self._contradict(parts):
                    return False
                return None if None in found else True
            case ast.BoolOp(values=parts):
                found = [self.truth(part) for part in parts]
                return True if True in found else (None if None in found else False)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                inner = self.truth(part)
                return None if inner is None else not inner
        return False if self._contradict([node]) else self._constant(node)

    def _constant(self, node: ast.expr) -> bool | None:
        """The truth of a node without names; None if it has any."""
        called = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        names = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
        if any(id(name) not in called for name in names):
            return None
        text = ast.unparse(node)
        if self._containers:
            return compile_container(text)(_ONE_ENTRY.container)
        return compile_predicate(text)(_ONE_ENTRY)[0]

    def _contradict(self, parts: list[ast.expr]) -> bool:
        parts = [*_flat(parts)]
        is_true = {ast.dump(part) for part in parts}
        is_false = {
            ast.dump(part.operand)
            for part in parts
            if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not)
        }
        if is_true & is_false:
            return True
        demands: dict[str, _Demands] = {}
        for part in parts:
            self._note(part, demands)
        return any(one.contradict() for one in demands.values())

    def _note(self, part: ast.expr, demands: dict[str, _Demands]) -> None:
        """Adds what a part of an `and` requires, by value."""
        if isinstance(part, ast.Compare):
            sides = [part.left, *part.comparators]
            for left, operator, right in zip(sides, part.ops, sides[1:], strict=False):
                self._compare(left, type(operator), right, demands)
        elif isinstance(part, ast.UnaryOp) and (level := _at_least(part.operand)):
            found = self._demands(level[0], demands)
            found.milder = max(found.milder, level[1])
        elif isinstance(part, ast.Call):
            if level := _at_least(part):
                found = self._demands(level[0], demands)
                found.severity = min(found.severity, level[1])
            name = part.func.id if isinstance(part.func, ast.Name) else ""
            name = part.func.attr if isinstance(part.func, ast.Attribute) else name
            arguments = [*called_on(part), *part.args]
            affix = literal_of(arguments[-1])
            if name in ("startswith", "endswith") and affix is not None:
                texts = affix if isinstance(affix, tuple) else (affix,)
                found = self._demands(arguments[0], demands)
                (found.beginnings if name == "startswith" else found.endings).append(texts)

    def _compare(
        self,
        left: ast.expr,
        operator: type[ast.cmpop],
        right: ast.expr,
        demands: dict[str, _Demands],
    ) -> None:
        value = literal_of(right)
        if value is None and operator in _MIRRORED:
            left, operator, value = right, _MIRRORED[operator], literal_of(left)
        if value is None or literal_of(left) is not None:
            return
        if operator in (ast.In, ast.NotIn) and not isinstance(value, tuple):
            return  # a substring test
        self._demands(left, demands).take(operator, value)

    def _demands(self, node: ast.expr, demands: dict[str, _Demands]) -> _Demands:
        """The requirements of a node's value, by the name of the node."""
        keys = keys_of(node)
        name = ".".join(map(str, keys)) if keys else ast.dump(node)
        text = bool(keys) and (
            self._containers or (keys[0] in EntryScope.RESERVED and keys[0] != "fields")
        )
        return demands.setdefault(name, _Demands(text))


def _at_least(node: ast.expr) -> tuple[ast.expr, int] | None:
    """The value and the severity of a call of `at_least`; None for other nodes."""
    match node:
        case ast.Call(func=ast.Name(id="at_least"), args=[value, level]):
            return value, severity_of(literal_of(level))
    return None


_MIRRORED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}


def _flat(parts: list[ast.expr]) -> Iterator[ast.expr]:
    """The parts of an `and`, with those of nested ones."""
    for part in parts:
        if isinstance(part, ast.BoolOp) and isinstance(part.op, ast.And):
            yield from _flat(part.values)
        else:
            yield part
