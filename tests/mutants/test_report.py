"""The figures are what became of the mutants, and none that survived goes unsaid."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.mutants.equivalence import FILE, reason, reasons
from tests.mutants.mutation import mutants_of
from tests.mutants.report import survivors, table
from tests.mutants.rooms import ROOMS
from tests.mutants.trial import Outcome

ROOT = Path(__file__).parents[2]
ONE, TWO = mutants_of(b"f()\nx = a < b\n")
OUTCOMES = [
    Outcome("a.py", ONE, "own", "tests/test_a.py::test_it"),
    Outcome("a.py", TWO, "survived"),
    Outcome("b.py", ONE, "time", "30 s"),
    Outcome("b.py", TWO, "equivalent", "it is the same"),
    Outcome("c.py", TWO, "wider"),
]


def test_the_table_has_a_row_for_each_module_and_their_sum() -> None:
    assert table(OUTCOMES).splitlines()[2:] == [
        "| `a.py` | 2 | 1 | 0 | 0 | 0 | 1 |",
        "| `b.py` | 2 | 0 | 0 | 1 | 1 | 0 |",
        "| `c.py` | 1 | 0 | 1 | 0 | 0 | 0 |",
        "| all | 5 | 1 | 1 | 1 | 1 | 1 |",
    ]


def test_survivors_are_named_with_their_place() -> None:
    assert survivors(OUTCOMES) == ["a.py:2 : x = a < b → x = a <= b"]


def test_whatever_is_called_equivalent_is_a_mutant_that_there_is() -> None:
    listed = reasons()
    assert len(listed) == sum(map(len, tomllib.loads(FILE.read_text()).values()))
    found = {
        (module, *key)
        for module in ROOMS
        for one in mutants_of((ROOT / module).read_bytes())
        for key in [(one.where, one.before, one.after)]
        if reason(listed, module, one)
    }
    assert found == set(listed)


def test_the_tests_of_each_room_exist() -> None:
    for module, room in ROOMS.items():
        assert all((ROOT / path).exists() for path in (module, *room.own, *room.wider))
