"""Datagrams one behind the other are told apart by what ends them."""

from __future__ import annotations

import pytest

from pipeline import native
from pipeline.model.datagrams import Ended, Run, longest, one_by_one, size_of

pytestmark = pytest.mark.usefixtures("either_loops")


@pytest.mark.parametrize(
    ("run", "datagrams"),
    [
        (Ended(b"one\nthree\n\nx\n"), [b"one", b"three", b"", b"x"]),
        (Ended(b"a\nb\0"), [b"a\nb"]),
        (Ended(b"\0"), [b""]),
        ([b"one", b"three\n", b""], [b"one", b"three\n", b""]),
        ([], []),
    ],
)
def test_each_is_a_datagram(run: Run, datagrams: list[bytes]) -> None:
    assert one_by_one(run) == datagrams
    assert longest(run) == max(map(len, datagrams), default=0)
    assert size_of(run, len(datagrams)) == sum(map(len, datagrams))


def test_the_longest_may_be_any_of_many() -> None:
    for place in range(20):
        run = Ended(b"".join([b"x" * (30 + 50 * (index == place)) + b"\0" for index in range(20)]))
        assert longest(run) == 80
    assert native.loops is None or native.loops.longest(b"") == 0
