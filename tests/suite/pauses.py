"""`make pauses`: every test that waits, once for each of its statements, with a pause before it.

A test that looks at what it has not waited for passes on a quiet machine, and fails once in a
thousand runs on a busy one. With a pause in the right place it fails every time, and its name gives
the line: `test_x[stopped at 175]`.

In an `async` function the event loop stops too, while other processes go on. Behind a statement
that waits by looking now and then, the function may also be the only one that is late, while what
it tests goes on: `[late at 175]`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import sleep
from typing import NamedTuple

import pytest
from _pytest.assertion import rewrite

SECONDS = float(os.environ.get("PAUSES", "0"))
"""Of a pause; 0 for a run without any."""
WAITS = re.compile(r"\basync def|until\(|\beventually\(|\bsleep\(|\bThread\(")
"""In the source of a test that may notice."""
LOOKS = re.compile(r"until\(|\beventually\(|sleep\((?!0\))|wait_for\(|open_connection\(|timeout\(")
"""In a statement that another task's turn may follow."""


class Pause(NamedTuple):
    """One, before the statement at a line of a test."""

    line: int
    way: str
    """`stopped` or `late`."""

    def __str__(self) -> str:
        return f"{self.way} at {self.line}"


_possible: dict[tuple[str, str], list[Pause]] = {}
"""For each test, by its file and name."""

_due: set[Pause] = set()
"""In the test that runs; none when it has been."""


def before(line: int) -> None:
    """Stands before each statement of a function."""
    if _is_due(Pause(line, "stopped")):
        sleep(SECONDS)  # not `time.sleep`, which may not be called from within the product


async def before_async(line: int) -> None:
    """The same where the function may be the only one that is late."""
    before(line)
    if _is_due(Pause(line, "late")):
        await asyncio.sleep(SECONDS)


def _is_due(pause: Pause) -> bool:
    due = pause in _due
    _due.discard(pause)
    return due


# ------------------------------------------------------------------------------ as plugin


def pytest_configure() -> None:
    if not SECONDS:
        return
    sys.dont_write_bytecode = True  # what is kept has no pauses,
    rewrite.PYC_TAIL = ".pauses.pyc"  # and what was kept has none
    rewrite_asserts = rewrite.rewrite_asserts

    def rewritten(tree: ast.Module, source: bytes, path: str, config: pytest.Config) -> None:
        if Path(path).name.startswith("test_"):
            for name, pauses in _add_pauses(tree):
                _possible[path, name] = pauses
        rewrite_asserts(tree, source, path, config)

    rewrite.rewrite_asserts = rewritten  # type: ignore[assignment]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    test = metafunc.function
    pauses = _possible.get((str(metafunc.definition.path), test.__name__))
    if pauses and WAITS.search(inspect.getsource(test)):
        metafunc.fixturenames.append("pause")
        metafunc.parametrize("pause", pauses, ids=str, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SECONDS:
        os.environ.pop("PAUSES", None)  # not for a pytest that a test starts
        items[:] = _one_of_each(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    _due.clear()
    if pause := _pause_of(item):
        _due.add(pause)


def _pause_of(item: pytest.Item) -> Pause | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("pause") if callspec else None


def _one_of_each(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Each pause of a test once, with the test's own parameters in turn."""
    tests: dict[str, dict[Pause, list[pytest.Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        if pause := _pause_of(item):
            tests[item.nodeid.partition("[")[0]][pause].append(item)
    return [
        variants[number % len(variants)]
        for pauses in tests.values()
        for number, variants in enumerate(pauses.values())
    ]


# ------------------------------------------------------------------- in a module's syntax

_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def _add_pauses(tree: ast.Module) -> Iterator[tuple[str, list[Pause]]]:
    """Puts a call before each statement of the module's tests, and of the functions in them. Gives
    the name of each test, and the pauses that are possible there."""
    for function in tree.body:
        if isinstance(function, _FUNCTION) and function.name.startswith("test_"):
            pausing = _Pausing()
            pausing.visit(function)
            yield function.name, sorted(pausing.possible)
    imports = (n for n, one in enumerate(tree.body) if isinstance(one, ast.ImportFrom))
    behind_future = next(imports, -1) + 1
    tree.body[behind_future:behind_future] = ast.parse(f"import {__name__} as _pauses").body
    ast.fix_missing_locations(tree)


class _Pausing(ast.NodeTransformer):
    def __init__(self) -> None:
        self.possible: set[Pause] = set()
        self._async: list[bool] = []
        """Of the functions around."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, _FUNCTION):
            self._async.append(isinstance(node, ast.AsyncFunctionDef))
        self.generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and not isinstance(node, ast.ClassDef):
                setattr(node, name, list(self._paused(block)))
        if isinstance(node, _FUNCTION):
            self._async.pop()
        return node

    def _paused(self, block: list[ast.stmt]) -> Iterator[ast.stmt]:
        looked = False
        for statement in block:
            source = ast.unparse(statement)
            if not _declares(statement):
                yield self._pause(statement, late=looked and self._runs_in_a_loop())
            yield statement
            looked = bool(LOOKS.search(source))

    def _runs_in_a_loop(self) -> bool:
        """One in real time: a test that is not `async` runs those in it in virtual time."""
        return self._async[0] and self._async[-1]

    def _pause(self, statement: ast.stmt, late: bool) -> ast.stmt:
        line = statement.lineno
        self.possible.add(Pause(line, "stopped"))
        call = f"_pauses.before({line})"
        if late:
            self.possible.add(Pause(line, "late"))
            call = f"await _pauses.before_async({line})"
        (made,) = ast.parse(call).body
        for node in ast.walk(made):
            ast.copy_location(node, statement)
        return made


def _declares(statement: ast.stmt) -> bool:
    """It does nothing, and stands in its place for a reason."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    return isinstance(statement, ast.Global | ast.Nonlocal)
