"""Numbers of a variable length, as Protocol Buffers and Kafka have them, in bytes of others."""

from __future__ import annotations


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, which is not negative, and where it ends.

    Raises `IndexError` where the data end before the number does, and `ValueError` for more than
    ten bytes: no number of 64 bits has more.

    https://protobuf.dev/programming-guides/encoding/#varints
    """
    byte = data[at]
    number, shift = byte & 0x7F, 7
    while byte & 0x80:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise ValueError("a number of more than ten bytes")
    return number, at + 1
