"""The small faults that a source can have: one operator, condition, number, call or answer changed.

Each replaces one place by its offsets and leaves all the rest of the file as it was. Left out is
what changes no behaviour: annotations, docstrings, what is logged, the messages of errors, what
`assert` tells mypy, and a number with a name of its own at the top of a module, which is a choice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
SUMS: dict[type[ast.operator], tuple[str, str]] = {ast.Add: ("+", "-"), ast.Sub: ("-", "+")}
JOINS: dict[type[ast.boolop], tuple[str, str]] = {ast.And: ("and", "or"), ast.Or: ("or", "and")}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Mutant(NamedTuple):
    """One fault."""

    start: int
    """Bytes of the source from here…"""
    end: int
    """…to here are replaced."""
    new: str
    line: int
    where: str
    """Class and function that it is in; empty for the module itself."""
    kind: str
    before: str
    """The lines concerned, without the space around them."""
    after: str

    def __str__(self) -> str:
        return f"{self.line} {self.where}: {self.before} → {self.after}".replace("  ", " ")

    def applied_to(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]


def mutants_of(source: bytes) -> list[Mutant]:
    """All of them, in the order in which they are in the source."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(finder.found)


class _Finder(ast.NodeVisitor):
    def __init__(self, source: bytes) -> None:
        self.found: list[Mutant] = []
        self._source = source + b"\n"
        self._lines = [0, *(found.end() for found in re.finditer(rb"\n", source))]
        self._where: list[str] = []
        self._answers = False
        """Whether `return` of the function is an answer, and not the end of a generator."""

    # ------------------------------------------------------------------------------ places

    def _at(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._at(node.lineno, node.col_offset)
        return start, self._at(node.end_lineno, node.end_col_offset)

    def _add(self, kind: str, start: int, end: int, new: str) -> None:
        first = self._source.rfind(b"\n", 0, start) + 1
        last = self._source.index(b"\n", end)
        before = self._source[first:last]
        after = self._source[first:start] + new.encode() + self._source[end:last]
        line = self._source.count(b"\n", 0, start) + 1
        where = ".".join(self._where)
        self.found.append(Mutant(start, end, new, line, where, kind, _flat(before), _flat(after)))

    def _replace(self, kind: str, node: ast.expr | ast.stmt, new: str) -> None:
        self._add(kind, *self._span(node), new)

    def _swap(self, kind: str, left: ast.expr, right: ast.expr, swap: tuple[str, str]) -> None:
        """The operator between two operands."""
        start, end = self._span(left)[1], self._span(right)[0]
        old, new = swap
        pattern = r"\s+".join(re.escape(word) for word in old.split())
        if found := re.search(pattern.encode(), self._source[start:end]):
            self._add(kind, start + found.start(), start + found.end(), new)

    # ------------------------------------------------------------------- what is gone through

    @contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        self._where.append(name)
        yield
        self._where.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        with self._inside(node.name):
            self._visit_all(node.body)

    def _visit_function(self, node: Function) -> None:
        self._visit_all([default for default in node.args.defaults if default])
        self._visit_all([default for default in node.args.kw_defaults if default])
        outer, self._answers = self._answers, not _yields(node)
        with self._inside(node.name):
            self._visit_all(node.body)
        self._answers = outer

    visit_FunctionDef = visit_AsyncFunctionDef = _visit_function

    def _visit_all(self, nodes: list[ast.stmt] | list[ast.expr]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None and (self._where or not _is_number(node.value)):
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        named = all(isinstance(target, ast.Name) for target in node.targets)
        if self._where or not (named and _is_number(node.value)):
            self.visit(node.value)

    def _leave_out(self, node: ast.AST) -> None:
        """Changes no behaviour, or has (in an f-string) no offsets to rely on."""

    visit_Raise = visit_Assert = visit_JoinedStr = _leave_out

    # ------------------------------------------------------------------------------- faults

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, operands, node.comparators, strict=False):
            self._swap("comparison", left, right, COMPARISONS[type(operator)])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in SUMS and not (_is_text(node.left) or _is_text(node.right)):
            self._swap("sum", node.left, node.right, SUMS[type(node.op)])
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if type(node.op) in SUMS and not isinstance(node.value, ast.List | ast.ListComp):
            self._swap("sum", node.target, node.value, SUMS[type(node.op)])
        self.visit(node.value)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._swap("and/or", left, right, JOINS[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            start, end = self._span(node)
            word = re.compile(rb"not\b\s*").match(self._source, start, end)
            assert word is not None
            self._add("not", start, word.end(), "")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if type(node.value) in (int, float):
            self._replace("number", node, str(node.value + 1))

    def visit_Expr(self, node: ast.Expr) -> None:
        value = node.value
        call = value.value if isinstance(value, ast.Await) else value
        if isinstance(call, ast.Call) and not _is_logged(call):
            self._replace("call", node, "pass")
            self.generic_visit(node)
        elif isinstance(value, ast.Yield | ast.YieldFrom):
            self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        falsy = isinstance(node.value, ast.Constant) and not node.value.value
        if self._answers and not falsy:
            self._replace("answer", node.value, "None")
        self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if not _only_says(node):
            self._force(node.test, "True", "False")
            self.visit(node.test)
        self._visit_all(node.body)
        self._visit_all(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._force(node.test, "True", "False")
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._force(node.test, "False")
        self.generic_visit(node)

    def _force(self, test: ast.expr, *answers: str) -> None:
        """A condition, unless it gives a name to something."""
        named = any(isinstance(part, ast.NamedExpr) for part in ast.walk(test))
        if not named and not isinstance(test, ast.Constant):
            for answer in answers:
                self._replace("condition", test, answer)

    def visit_Break(self, node: ast.Break) -> None:
        self._replace("loop", node, "continue")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._replace("loop", node, "break")


def _flat(text: bytes) -> str:
    return " ".join(text.decode().split())


def _is_text(node: ast.expr) -> bool:
    """`-` of it is a `TypeError`, which tells nothing."""
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _is_number(node: ast.expr) -> bool:
    return all(
        isinstance(part, ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop)
        or (isinstance(part, ast.Constant) and isinstance(part.value, int | float))
        for part in ast.walk(node)
    )


def _is_logged(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "log"
    )


def _only_says(node: ast.If) -> bool:
    """Whether it is about nothing but what is logged."""
    *before, last = node.body
    return (
        not node.orelse
        and all(isinstance(one, ast.Assign) for one in before)
        and isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Call)
        and _is_logged(last.value)
    )


def _yields(function: Function) -> bool:
    """Of its own, not of a function inside of it."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, Function | ast.Lambda):
            left += ast.iter_child_nodes(node)
    return False
