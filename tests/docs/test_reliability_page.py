"""`docs/explain/reliability.md` has each fault, with the files of the tests marked with it."""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path

import pytest

from tests import reliability
from tests.reliability import MARKER, ROOT, MarkedTest, marked, numbers, read, rendered

PAGE = reliability.PAGE.read_text()
MARKED = marked()


def test_the_page_names_the_files_of_the_marked_tests() -> None:
    """When this fails: `python -m tests.reliability --write`."""
    assert rendered(PAGE, MARKED) == PAGE


def test_faults_are_numbered_from_1_and_what_somebody_tries_from_101() -> None:
    faults = [number for number in numbers(PAGE) if number < 101]
    hostile = numbers(PAGE)[len(faults) :]
    assert len(faults) > 40
    assert faults == list(range(1, 1 + len(faults)))
    assert hostile == list(range(101, 101 + len(hostile)))


@pytest.mark.parametrize("number", numbers(PAGE))
def test_each_fault_has_a_test(number: int) -> None:
    assert any(number in test.faults for test in MARKED)


def test_a_marker_has_numbers_of_the_page() -> None:
    there = set(numbers(PAGE))
    assert [test for test in MARKED if not test.faults <= there] == []


def test_each_test_of_the_fault_suite_has_a_marker() -> None:
    files = (ROOT / "tests/faults").glob("test_*.py")
    tests = [test for file in files for test in read(file.name, file.read_text())]
    assert tests
    assert [test for test in tests if not test.faults] == []


def test_no_marker_is_without_a_number_or_where_it_is_not_read() -> None:
    for file, tests in groupby(MARKED, lambda test: test.file):
        nodes = list(ast.walk(ast.parse((ROOT / file).read_text())))
        markers = [node for node in nodes if isinstance(node, ast.Attribute)]
        calls = [node for node in nodes if isinstance(node, ast.Call) and node.args]
        written = [call for call in calls if ast.unparse(call.func) == MARKER]
        assert len(written) == sum(ast.unparse(node) == MARKER for node in markers), file
        there = {ast.literal_eval(number) for call in written for number in call.args}
        assert there == frozenset().union(*(test.faults for test in tests)), file


MARKERS = """
import pytest

pytestmark = [pytest.mark.server, pytest.mark.fault(1)]

@pytest.mark.fault(2, 3)
@pytest.mark.parametrize("x", [1, 2])
async def test_function(x): ...

@pytest.mark.fault(4)
class TestClass:
    pytestmark = pytest.mark.fault(5)

    @pytest.mark.fault(6)
    def test_method(self): ...

    def helper(self): ...

def test_other(): ...
"""


def test_a_marker_counts_on_a_test_its_class_and_its_module() -> None:
    assert list(read("test_it.py", MARKERS)) == [
        MarkedTest("test_it.py", "test_function", frozenset({1, 2, 3})),
        MarkedTest("test_it.py", "TestClass::test_method", frozenset({1, 4, 5, 6})),
        MarkedTest("test_it.py", "test_other", frozenset({1})),
    ]


def test_marked_tests_are_found_wherever_they_lie(tmp_path: Path) -> None:
    for file in ("tests/a/b/test_it.py", "pipeline/testing/kit.py"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("@pytest.mark.fault(7)\ndef test_it(): ...\n")
    (tmp_path / "tests/test_other.py").write_text("def test_it(): ...\n")
    assert [test.file for test in marked(tmp_path)] == [
        "pipeline/testing/kit.py",
        "tests/a/b/test_it.py",
    ]


def test_only_the_last_column_is_written() -> None:
    page = "Text.\n\n| | fault | tests |\n|---|---|---|\n| 1 | One | old |\n| 2 | Two | |\n"
    tests = [
        MarkedTest("tests/a/test_it.py", "test_one", frozenset({1, 2})),
        MarkedTest("tests/a/test_it.py", "test_two", frozenset({1})),
        MarkedTest("tests/test_it.py", "test_three", frozenset({1})),
    ]
    assert rendered(page, tests) == (
        "Text.\n\n| | fault | tests |\n|---|---|---|\n"
        "| 1 | One | [a/test_it.py](../../tests/a/test_it.py) (2)<br>"
        "[test_it.py](../../tests/test_it.py) |\n"
        "| 2 | Two | [a/test_it.py](../../tests/a/test_it.py) |\n"
    )


def test_the_command_lists_the_tests_of_a_fault_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = min(numbers(PAGE))
    tests = [test for test in MARKED if fault in test.faults]
    assert reliability.main([str(fault)]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == [f"{test.file}::{test.name}" for test in tests]
    page = tmp_path / "reliability.md"
    page.write_text(f"| {fault} | Something | what happens | |\n")
    monkeypatch.setattr(reliability, "PAGE", page)
    assert reliability.main(["--write"]) == 0
    assert f"](../../{tests[0].file})" in page.read_text()
