"""Each worker has its share of what takes long, first."""

from __future__ import annotations

from typing import cast

import pytest

from tests.suite.lanes import lane
from tests.suite.order import in_shares


class Item:
    def __init__(self, module: str, number: int, *lanes: str) -> None:
        self.nodeid = f"{module}.py::test_{number}"
        self._marks = [getattr(pytest.mark, name).mark for name in lanes]

    def iter_markers(self) -> list[pytest.Mark]:
        return self._marks


def test_each_share_begins_with_as_much_that_takes_long_and_modules_stay_together() -> None:
    long = [Item(module, n, "engine") for module in "abcd" for n in range(5)]
    made = cast(list[pytest.Item], long + [Item("e", n) for n in range(80)])
    ordered = in_shares(made, 2)
    assert sorted(map(id, ordered)) == sorted(map(id, made))
    for share in ordered[:50], ordered[50:]:
        lanes = [lane(item) for item in share]
        assert lanes == ["engine"] * 10 + ["unit"] * 40
        modules = [item.nodeid[0] for item in share[:10]]
        assert modules == sorted(modules)


def test_no_test_is_left_out_where_all_take_long() -> None:
    made = cast(list[pytest.Item], [Item("a", n, "slow") for n in range(7)])
    assert in_shares(made, 3) == made
