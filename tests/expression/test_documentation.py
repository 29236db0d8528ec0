"""The examples in docs/reference/expressions.md are expressions, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.expression import compile_container, compile_predicate
from pipeline.expression.functions import FUNCTIONS
from pipeline.expression.scope import EntryScope

PAGE = (Path(__file__).parents[2] / "docs/reference/expressions.md").read_text()
IN_STAGES, ABOUT_CONTAINERS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", IN_STAGES.splitlines())
def test_an_example_for_a_stage_compiles(text: str) -> None:
    compile_predicate(text)


@pytest.mark.parametrize("text", ABOUT_CONTAINERS.splitlines())
def test_an_example_about_containers_compiles(text: str) -> None:
    compile_container(text)


def test_every_function_and_every_name_of_ours_is_in_a_table() -> None:
    rows = "\n".join(re.findall(r"^\| .*", PAGE, re.MULTILINE))
    assert [name for name in FUNCTIONS if f"`{name}(" not in rows] == []
    assert [name for name in EntryScope.RESERVED if f"| `{name}` |" not in rows] == []
