"""A source gives the mutants that it should, each of one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.mutation import mutants_of
from tests.mutants.rooms import ROOMS
from tests.mutants.sample import sample

ROOT = Path(__file__).parents[2]


def of(source: str) -> list[str]:
    """What each mutant has in the place of the line that it changes."""
    return [one.after for one in mutants_of(source.encode())]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = a <= b", ["x = a < b"]),
        ("x = a > b", ["x = a >= b"]),
        ("x = a == b", ["x = a != b"]),
        ("x = a is not  b", ["x = a is b"]),
        ("x = a not in b", ["x = a in b"]),
        ("x = (a) < (b) in c", ["x = (a) <= (b) in c", "x = (a) < (b) not in c"]),
        ("x = a + b", ["x = a - b"]),
        ("x = a + b'text'", []),
        ("x += a", ["x -= a"]),
        ("x = a and b and c", ["x = a or b and c", "x = a and b or c"]),
        ("x = not a", ["x = a"]),
        ("x = not (a)", ["x = (a)"]),
        ("x = f(-1)", ["x = f(-2)"]),
        ("x = 'ö' + y[0]", ["x = 'ö' + y[1]"]),
        ("x = True", []),
        ("f(a)", ["pass"]),
        ("x = a if b else c", ["x = a if True else c", "x = a if False else c"]),
        ("if a: b = c", ["if True: b = c", "if False: b = c"]),
        ("if (a := b): c = d", []),
        ("while a: break", ["while False: break", "while a: continue"]),
        ("for a in b: continue", ["for a in b: break"]),
    ],
)  # fmt: skip
def test_each_fault_is_of_one_place(source: str, wanted: list[str]) -> None:
    assert sorted(of(source)) == sorted(wanted)


def test_an_awaited_call_whose_answer_nobody_wants_is_left_out() -> None:
    assert of("async def f():\n    await g()") == ["pass"]


def test_an_answer_becomes_none_unless_that_says_the_same() -> None:
    assert of("def f():\n    return a") == ["return None"]
    assert of("def f():\n    return False") == []
    assert of("def f():\n    return") == []
    assert of("def f():\n    yield a\n    return a") == []
    assert of("def f():\n    def g():\n        yield a\n    return g") == ["return None"]


def test_a_condition_of_what_is_logged_alone_is_left_alone() -> None:
    assert of("if a:\n    b = c\n    log.warning('%d', 1)") == []
    assert of("if a:\n    log.warning(a)\nelse:\n    b = c") == ["if False:", "if True:"]


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of 1 < 2."""',
        "LIMIT = 16 << 20",
        "LIMIT: Final = -0.5",
        "__all__ = ['a']",
        "raise Wrong(f'{a} < {1}', 2)",
        "assert a is not None",
        "log.warning('%d', a + 1)",
        "def f(a: tuple[int, Literal[1]]) -> Literal[2]: ...",
        "if TYPE_CHECKING:\n    f(1)",
        "x = f'{a + 1}'",
    ],
)
def test_what_changes_no_behaviour_is_left_out(source: str) -> None:
    assert of(source) == []


def test_a_number_in_a_function_or_in_a_table_counts() -> None:
    assert of("_TABLE = (0, 2)") == ["_TABLE = (1, 2)", "_TABLE = (0, 3)"]
    assert of("def f():\n    limit = 5") == ["limit = 6"]
    assert of("def f(limit=5): ...") == ["def f(limit=6): ..."]


def test_a_mutant_says_where_it_is() -> None:
    (one,) = mutants_of(b"class A:\n    async def b(self):\n\n        c()\n")
    assert str(one) == "4 A.b: c() → pass"


def test_mutants_of_the_rooms_compile_and_are_another_code() -> None:
    sources = {module: (ROOT / module).read_bytes() for module in ROOMS}
    found = {module: mutants_of(source) for module, source in sources.items()}
    assert all(len(mutants) > 20 for mutants in found.values())
    for module, one in sample(found, seed=1, count=60):
        changed = one.applied_to(sources[module])
        compile(changed, module, "exec")
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(sources[module])), one
