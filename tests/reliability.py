"""The tests of the faults in `docs/explain/reliability.md`.

A test says which faults it makes happen with a marker: `@pytest.mark.fault(12)`, or `pytestmark`
for a class or a module. What each number means is written on the page by hand.

    python -m tests.reliability 12        lists the tests of fault 12; without a number, of all
    python -m tests.reliability --write   writes the last column of the page's tables

The markers are read from the source; no test is imported.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/explain/reliability.md"
FOLDERS = ("tests", "pipeline/testing")
"""Where there are tests; the kits have some, too."""
MARKER = "pytest.mark.fault"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROW = re.compile(r"^\| (\d+) \|.*\|$", re.MULTILINE)


class MarkedTest(NamedTuple):
    file: str
    """Its path from the repository's root."""
    name: str
    """`test_one`, or `TestThis::test_one` in a class."""
    faults: frozenset[int]
    """The numbers of its own marker, its class's and its module's."""


def marked(root: Path = ROOT) -> list[MarkedTest]:
    """All tests with a marker `fault`, by path and then in order."""
    files = sorted(file for folder in FOLDERS for file in (root / folder).rglob("*.py"))
    texts = {file.relative_to(root).as_posix(): file.read_text() for file in files}
    return [
        test
        for file, text in texts.items()
        if MARKER in text
        for test in read(file, text)
        if test.faults
    ]


def read(file: str, text: str) -> Iterator[MarkedTest]:
    """The tests in a file's text, those without a fault as well."""
    return _tests(ast.parse(text, file).body, file, "", frozenset())


def _tests(
    body: list[ast.stmt], file: str, outer: str, faults: frozenset[int]
) -> Iterator[MarkedTest]:
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            faults |= _faults([node.value])
    for node in body:
        if isinstance(node, ast.ClassDef):
            inner = faults | _faults(node.decorator_list)
            yield from _tests(node.body, file, f"{outer}{node.name}::", inner)
        elif isinstance(node, FUNCTIONS) and node.name.startswith("test_"):
            own = faults | _faults(node.decorator_list)
            yield MarkedTest(file, outer + node.name, own)


def _faults(expressions: Iterable[ast.expr]) -> frozenset[int]:
    """The numbers of the markers in decorators, or in what `pytestmark` is."""
    return frozenset(
        ast.literal_eval(number)
        for expression in expressions
        for node in ast.walk(expression)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == MARKER
        for number in node.args
    )


def numbers(page: str) -> list[int]:
    """The faults of the page's tables, in their order."""
    return [int(number) for number in ROW.findall(page)]


def rendered(page: str, tests: Iterable[MarkedTest]) -> str:
    """The page with the last column of each fault's row as `tests` say; all else stays."""
    counts: dict[int, Counter[str]] = {}
    for test in tests:
        for fault in test.faults:
            counts.setdefault(fault, Counter())[test.file] += 1

    def row(old: re.Match[str]) -> str:
        written_by_hand = old[0].removesuffix("|").rpartition("|")[0].rstrip()
        return f"{written_by_hand} | {_cell(counts.get(int(old[1]), {}))} |"

    return ROW.sub(row, page)


def _cell(counts: dict[str, int]) -> str:
    links = (
        f"[{file.removeprefix('tests/')}](../../{file})" + (f" ({count})" if count > 1 else "")
        for file, count in counts.items()
    )
    return "<br>".join(links)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability", description="The tests of faults, by their markers."
    )
    parser.add_argument(
        "fault", type=int, nargs="*", help="a number of docs/explain/reliability.md"
    )
    parser.add_argument("--write", action="store_true", help="write the page's column of tests")
    options = parser.parse_args(arguments)
    tests = marked()
    if options.write:
        PAGE.write_text(rendered(PAGE.read_text(), tests))
        return 0
    for test in tests:
        if not options.fault or test.faults & set(options.fault):
            print(f"{test.file}::{test.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
