"""A batch on its way to one sink: what it weighs, and whose it is."""

from __future__ import annotations

import pytest

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch
from tests.buffer.acknowledgements import Tracked


def test_it_has_the_entries_and_the_size_of_its_batch() -> None:
    one = batch("a", "b")
    assert (len(Envelope(one)), Envelope(one).size) == (2, one.size)


def test_its_size_is_fixed_whatever_becomes_of_the_batch() -> None:
    one = batch("a")
    envelope = Envelope(one)
    size = one.size
    one.parsed = [{"text": "x" * 1000}]  # as `fields` leaves it, once somebody has read records
    assert one.size > size
    assert envelope.size == size


def test_a_size_that_is_known_already_is_not_reckoned_again() -> None:
    assert Envelope(batch("a"), size=7).size == 7


def test_some_of_its_entries_are_on_the_same_account_with_the_same_acknowledgement() -> None:
    account, ack = Ledger().container("1", "api").route("logs", "r").sink("out"), Tracked()
    whole = Envelope(batch("a", "b" * 1000), account, ack)
    part = whole.around(whole.batch.pick([0]))
    assert part.batch.lines == [b"a"]
    assert part.account is account
    assert part.ack is ack
    assert part.size == 0  # the buffer has counted it already


def test_a_part_of_it_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be no memory for that: a delivery halves what it cannot encode."""
    whole = Envelope(batch("a", "b"))

    def measure(one: Batch) -> int:
        raise MemoryError

    monkeypatch.setattr(Batch, "size", property(measure))
    assert len(whole.around(whole.batch.pick([1]))) == 1
