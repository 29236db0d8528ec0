"""What is shown of an address."""

from __future__ import annotations

import pytest

from pipeline.config.one_line.address import Address


@pytest.mark.parametrize(
    ("hidden", "span", "shown", "marked"),
    [
        ([], (2, 4), "0123456789", "23"),
        ([(1, 3)], (0, 1), "0***3456789", "0"),
        ([(1, 3)], (1, 3), "0***3456789", "***"),
        ([(1, 3)], (2, 3), "0***3456789", "***"),
        ([(1, 3)], (2, 5), "0***3456789", "***34"),
        ([(1, 3)], (5, 10), "0***3456789", "56789"),
        ([(7, 10), (1, 3)], (3, 8), "0***3456***", "3456***"),
        ([(1, 5), (2, 4)], (6, 7), "0***56789", "6"),
        ([(3, 3)], (3, 3), "0123456789", ""),
    ],
)
def test_a_part_is_marked_where_it_is_among_the_stars(
    hidden: list[tuple[int, int]], span: tuple[int, int], shown: str, marked: str
) -> None:
    address = Address("0123456789", hidden=hidden, spans={("sink",): span})
    place = address.place(("sink",))
    assert place is not None
    assert (place.shown, place.shown[slice(*place.mark)]) == (shown, marked)
    assert address.shown == shown
