"""The check sees a lost line, a late one, one too many, and one that was never written."""

from __future__ import annotations

import pytest

from tests.chaos.talk import Line
from tests.chaos.tally import Compared, Fragment, Tally, compare


def of(*numbers: int, name: bytes = b"c1", run: int = 7, stream: bytes = b"o") -> Tally:
    tally = Tally()
    for number in numbers:
        tally.take(name, b"%s %d %s %d 0 ." % (name, run, stream, number))
    return tally


def test_all_is_good_where_all_came_in_order() -> None:
    compared = compare(of(1, 2, 3), of(1, 2, 3))
    assert compared == Compared(3, 3, [], 0, 0, [], [])
    assert compared.good


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_lost_line_is_found_wherever_it_was(missing: int) -> None:
    compared = compare(of(1, 2, 3), of(*({1, 2, 3} - {missing})))
    assert compared.lost == [Line(b"c1", 7, b"o", missing)]
    assert (compared.delivered, compared.good) == (2, False)
    assert not of(*({1, 2, 3} - {missing})).has(of(1, 2, 3))


def test_a_container_that_never_came_is_lost() -> None:
    assert len(compare(of(1, 2), Tally()).lost) == 2


def test_repeats_are_counted_and_allowed() -> None:
    compared = compare(of(1, 2, 3), of(1, 2, 1, 2, 2, 3))
    assert (compared.repeated, compared.delivered, compared.good) == (3, 3, True)


def test_a_line_behind_a_later_one_is_out_of_order() -> None:
    compared = compare(of(1, 2, 3), of(1, 3, 2))
    assert compared.disordered == [Line(b"c1", 7, b"o", 2)]
    assert not compared.good


def test_order_is_that_of_each_run_and_stream() -> None:
    sink = of(1, 2)
    sink.take(b"c1", b"c1 7 e 1 0 .")
    sink.take(b"c1", b"c1 8 o 1 0 .")
    assert sink.disordered == []


def test_a_line_that_the_engine_does_not_have_is_foreign() -> None:
    compared = compare(of(1), of(1, 2))
    assert compared.foreign == [Line(b"c1", 7, b"o", 2)]
    assert not compared.good


def test_a_line_under_anothers_name_is_lost_and_its_text_foreign() -> None:
    sink = Tally()
    sink.take(b"c2", b"c1 7 o 1 0 .")
    compared = compare(of(1), sink)
    assert compared.lost == [Line(b"c1", 7, b"o", 1)]
    assert compared.foreign == [Fragment(b"c2", b"c1 7 o 1 0 .")]


def test_a_fragment_must_come_like_any_line() -> None:
    truth, sink = of(1), of(1)
    truth.take(b"c1", b"c1 7 o 2 30 xxx")
    assert compare(truth, sink).lost == [Fragment(b"c1", b"c1 7 o 2 30 xxx")]
    sink.take(b"c1", b"c1 7 o 2 30 xxx")
    assert compare(truth, sink).good


def test_what_the_receiver_never_read_is_not_lost_and_not_delivered() -> None:
    sink = of(1)
    sink.take(b"c1", b"c1 7 o 2 0 .", excused=True)
    sink.take(b"c1", b"c1 7 o 3 0 .")
    compared = compare(of(1, 2, 3), sink)
    assert (compared.lost, compared.unread, compared.delivered) == ([], 1, 2)
    assert compared.good
    sink.take(b"c1", b"c1 7 o 2 0 .")  # it comes after all
    compared = compare(of(1, 2, 3), sink)
    assert (compared.unread, compared.delivered, compared.disordered) == (0, 3, [])
