"""Which messages are still to be published."""

from __future__ import annotations

from pipeline.encode.nats.messages import JsonMessages
from pipeline.testing.builders import batch


def test_what_is_settled_is_not_left() -> None:
    (some,) = JsonMessages(lambda batch: "s", {}).of([batch(*map(str, range(9)))])
    assert len(some) == 9 and some.left() == [(0, 9)]
    some.settle(0, 2)
    some.settle(4, 5)
    some.settle(4, 5)
    assert some.left() == [(2, 4), (5, 9)]
    some.settle(8, 9)
    assert some.left() == [(2, 4), (5, 8)]
    some.settle(1, 8)
    assert some.left() == []
