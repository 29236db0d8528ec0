"""Numbers that may be those of cards are found in C wherever Python finds them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.stages._redaction_kinds import MOST_DIGITS, runs_may_be_cards
from tests.native.examples import examples

PARTS = st.lists(
    st.sampled_from(
        [b"4111", b"1111", b"4", b"1", b"0", b"9", b" ", b"-", b"  ", b"--", b".", b"\n", b"a",
         b"411111111111111", b"5500000000000004", b"1764601200123", b"1764601200123456789", b"\xd9",
         b"1111 1111-1111 ", b"/" * 11, b":" * 12, b"x" * 13, b"\xff\x80"]
    ),
    max_size=14,
).map(b"".join)  # fmt: skip


@settings(max_examples=examples(5000))
@given(PARTS)
def test_it_answers_as_python_does(c: native.Loops, text: bytes) -> None:
    assert c.cards(text) == runs_may_be_cards(text)


@pytest.mark.parametrize("card", [b"4111111111111111", b"4222222222222", b"3782 822463 10005"])
def test_a_card_is_found_at_every_place(c: native.Loops, card: bytes) -> None:
    for around in (b"x", b"/", b":", b"\n", b'"'):
        for before in range(40):
            for behind in range(15):
                assert c.cards(around * before + card + around * behind)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        (b"", False),
        (b"4111111111111111", True),
        (b"4111111111111112", False),
        (b"1764601200123", False),
        (b"17646012001234567890", False),
        (b"4111  1111 1111 1111", False),
        (b"4111 1111 1111 1112", True),
        (b"1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", False),
        (b"4111.1111.1111.1111", False),
        ("٤١١١١١١١١١١١١١١١".encode(), False),
    ],
)
def test_what_may_be_a_card(c: native.Loops, text: bytes, may: bool) -> None:
    assert c.cards(text) == runs_may_be_cards(text) == may


def test_more_digits_than_are_searched_may_be_cards(c: native.Loops) -> None:
    for run in (b"4111111111111112", b"1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"):
        few = b",".join([run] * (MOST_DIGITS // len(run)))
        for text in (few, few + b"," + run):
            assert c.cards(text) == runs_may_be_cards(text) == (text is not few)


@pytest.mark.parametrize("odd", ["text", bytearray(b"4"), None])
def test_what_is_not_bytes_is_an_error(c: native.Loops, odd: object) -> None:
    with pytest.raises(TypeError):
        c.cards(odd)  # type: ignore[arg-type]
