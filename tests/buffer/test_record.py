"""Headers, and how they are found among damaged bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.buffer.record import HEADER, Header, first, pack

SALT = 0x5F0C8A21


def record(number: int, payload: bytes, salt: int = SALT, entries: int = 1) -> bytes:
    crc = zlib.crc32(payload)
    return pack(Header(number, entries, len(payload), len(payload), 100, crc), salt) + payload


def numbers(raw: bytes, salt: int = SALT) -> list[int]:
    return [header.number for header, _ in records(raw, salt)]


def records(raw: bytes, salt: int = SALT) -> Iterator[tuple[Header, int]]:
    offset = 0
    while found := first(lambda at, n: raw[at : at + n], offset, len(raw), salt):
        yield found
        offset = found[1] + found[0].length


PAYLOADS = [b"one", b"", b"three" * 20]
THREE = b"".join(record(number, payload) for number, payload in enumerate(PAYLOADS))


@given(
    st.builds(
        Header,
        number=st.integers(0, 2**64 - 1),
        entries=st.integers(0, 2**32 - 1),
        length=st.just(0),
        plain=st.integers(0, 2**32 - 1),
        size=st.integers(0, 2**32 - 1),
        crc=st.integers(0, 2**32 - 1),
    ),
    st.integers(0, 2**32 - 1),
)
def test_a_header_comes_back_as_it_was(header: Header, salt: int) -> None:
    assert list(records(pack(header, salt), salt)) == [(header, HEADER)]


def test_records_are_found_one_after_another_with_their_payloads() -> None:
    found = [THREE[at : at + header.length] for header, at in records(THREE)]
    assert found == PAYLOADS


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_one_damaged_bit_anywhere_hides_no_record(bit: int) -> None:
    for at in range(len(THREE)):
        damaged = bytearray(THREE)
        damaged[at] ^= bit
        assert numbers(bytes(damaged)) == [0, 1, 2], at


def test_after_any_cut_the_whole_records_are_found_and_no_others() -> None:
    ends = [record_end for record_end in (75, 147, 319) if record_end <= len(THREE)]
    assert ends[-1] == len(THREE)
    for at in range(len(THREE)):
        assert numbers(THREE[:at]) == list(range(sum(end <= at for end in ends))), at


def test_where_both_copies_of_a_header_are_damaged_the_next_record_is_found() -> None:
    damaged = bytearray(THREE)
    damaged[10] ^= 1
    damaged[46] ^= 1
    assert numbers(bytes(damaged)) == [1, 2]


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_rubbish_before_and_between_records_is_passed_over(one: bytes, two: bytes) -> None:
    raw = one + record(7, b"a") + two + record(8, b"b") + one
    assert numbers(raw) == [7, 8]


@pytest.mark.parametrize("before", [64 * 1024 - shift for shift in range(-80, 81)])
def test_a_record_is_found_wherever_it_lies_in_what_is_read_at_once(before: int) -> None:
    whole = record(1, b"x")
    first_copy_gone = bytes(36) + whole[36:]
    second_copy_gone = whole[:36] + bytes(36) + whole[72:]
    for raw in (first_copy_gone, second_copy_gone):
        assert numbers(b"\0" * before + raw) == [1]


def test_a_header_that_a_container_has_logged_is_not_taken_for_one() -> None:
    forged = record(1, b"forged", salt=0)
    damaged = bytearray(record(0, forged) + record(2, b"real"))
    damaged[0] ^= 1
    damaged[36] ^= 1  # both copies gone, so that the payload is searched
    assert numbers(bytes(damaged)) == [2]


def test_zeros_hold_no_record() -> None:
    assert numbers(b"\0" * 100_000) == []
    assert numbers(THREE + b"\0" * 100_000) == [0, 1, 2]


def test_a_record_that_says_to_be_longer_than_its_file_does_not_hide_the_next() -> None:
    long = pack(Header(0, 1, 1 << 30, 1 << 30, 1, 0), SALT)
    assert numbers(long + record(1, b"x")) == [1]
