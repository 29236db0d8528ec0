"""Tables of text."""

from __future__ import annotations

from pipeline.cli.top.table import Column, Order, Table


def test_a_table_that_is_sorted_by_none_is_as_the_agent_has_it() -> None:
    table: Table[str] = Table([Column("NAME", str, left=True)], order=Order())
    assert table.sorted(["b", "c", "a"]) == ["b", "c", "a"]
    table.sort_by(1)
    assert table.sorted(["b", "c", "a"]) == ["a", "b", "c"]
    table.sort_by(1)
    assert table.order.column is None
