"""What is held in memory, and who is told when it may be forgotten."""

from __future__ import annotations

from pipeline.accounting.envelope import Envelope
from pipeline.buffer.queue import Item, Section, Ticket
from pipeline.testing.builders import batch
from tests.buffer.acknowledgements import Tracked


def test_a_ticket_settles_what_is_behind_it_when_all_holds_are_settled() -> None:
    source = Tracked()
    ticket = Ticket(source)
    ticket.hold(2)
    for _ in range(2):
        ticket.settle()
        assert not source.settled
    ticket.settle()
    assert source.settled


def test_a_ticket_handed_over_settles_the_first_at_once_and_the_second_at_the_end() -> None:
    source, spool = Tracked(), Tracked()
    ticket = Ticket(source)
    ticket.hold()
    ticket.settle()
    ticket.hand_over(spool)
    assert source.settled
    assert not spool.settled
    ticket.settle()
    assert spool.settled


def test_a_ticket_handed_over_too_late_settles_the_second_at_once() -> None:
    source, spool = Tracked(), Tracked()
    ticket = Ticket(source)
    ticket.settle()
    ticket.hand_over(spool)
    assert source.settled
    assert spool.settled


def test_a_taken_batch_has_a_ticket_unless_it_is_safe() -> None:
    source = Tracked()
    one, other = (Envelope(batch("a"), ack=source) for _ in range(2))
    item, safe = Item(one), Item(other, safe=True)
    item.take()
    safe.take()
    assert one.ack is item.ticket
    assert other.ack is source
    assert safe.ticket is None


def test_a_batch_that_is_given_back_has_the_acknowledgement_it_came_with() -> None:
    source = Tracked()
    item = Item(Envelope(batch("a"), ack=source))
    item.take()
    item.give_back()
    assert item.envelope.ack is source
    assert item.ticket is None


def test_a_section_is_a_queue_that_knows_its_sums() -> None:
    section = Section()
    items = [Item(Envelope(one)) for one in (batch("a"), batch("b", "c"))]
    for item in items:
        section.push(item)
    assert (section.entries, section.bytes) == (3, sum(item.envelope.size for item in items))
    assert list(section) == items
    assert section.first is section.pop() is items[0]
    assert (section.entries, section.bytes) == (2, items[1].envelope.size)
    section.pop()
    assert not section
    assert (section.entries, section.bytes) == (0, 0)
