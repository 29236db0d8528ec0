"""Acknowledgements are read in runs, and everything else as nats-py reads it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.protocol.parser import Parser

from pipeline import native
from pipeline.transport.nats.runs import Run, read_no_runs, read_runs

INBOX = "_INBOX.ab+c."


@pytest.fixture(params=["C", "Python"], autouse=True, scope="module")
def loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both of them read all that is here."""
    if request.param == "C" and native.loops is None:
        pytest.skip(native.described)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "Python":
            patch.setattr(native, "loops", None)
        yield


class Heard:
    """Stands for nats-py's client: keeps what its parser has read."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.runs: list[int] = []
        self._ps: Any = Parser(self)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, _: Any
    ) -> None:
        found = re.fullmatch(rb'\{"stream": ?"(\w+)", ?"seq": ?[1-9].*\}', data)
        token = subject.removeprefix(INBOX.encode())
        acknowledges = found and sid == 1 and re.fullmatch(rb"p\d+", token)
        self.said.append((found[1], token) if acknowledges else (sid, subject, reply, data))

    async def _process_ping(self) -> None:
        self.said.append("ping")

    def stored(self, runs: Sequence[Run]) -> None:
        for stream, first, stop in runs:
            self.runs.append(stop - first)
            self.said += [(stream, b"p%d" % number) for number in range(first, stop)]


def message(body: bytes, token: bytes = b"p7", sid: int = 1, inbox: str = INBOX) -> bytes:
    return b"MSG %b%b %d %d\r\n%b\r\n" % (inbox.encode(), token, sid, len(body), body)


def heard(*reads: bytes, runs: bool = True) -> Heard:
    client = Heard()
    if runs:
        read_runs(client, INBOX, 1, client.stored)  # type: ignore[arg-type]

    async def read() -> None:
        for each in reads:
            await client._ps.parse(each)

    asyncio.run(read())
    assert not client._ps.buf
    return client


ACK = b'{"stream":"DOCKLINE","seq":7}'


def test_a_run_is_read_at_once_and_in_order() -> None:
    found = heard(b"".join(message(ACK, b"p%d" % number) for number in range(2500)))
    assert found.said == [(b"DOCKLINE", b"p%d" % number) for number in range(2500)]
    assert found.runs == [2500]


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream": "DOCKLINE", "seq": 7}',
        b'{"stream":"DOCKLINE", "seq":7}',
        b'{"stream":"DOCKLINE","seq":7,"duplicate":true}',
        b'{"stream":"DOCKLINE","seq":7,"domain":"hub","duplicate": true}',
    ],
)
def test_a_server_may_write_it_in_several_ways(body: bytes) -> None:
    found = heard(message(body) * 3)
    assert (found.said, found.runs) == ([(b"DOCKLINE", b"p7")] * 3, [1, 1, 1])


@pytest.mark.parametrize(
    "odd",
    [
        message(b'{"error":{"code":503,"err_code":10077},"stream":"DOCKLINE","seq":0}'),
        message(b'{"stream":"DOCKLINE","seq":0}'),
        message(ACK, b"7"),
        message(ACK, b"p07"),
        message(ACK, sid=2),
        message(ACK, inbox="_INBOX.abbc."),
        message(ACK, inbox="x" + INBOX),
        message(b""),
        message(b"[" * 5000),
        message(ACK + b"\r\n" + message(ACK)),
        b"PING\r\n",
    ],
)
def test_what_is_something_else_is_left_to_nats_py(odd: bytes) -> None:
    reads = message(ACK, b"p1") + odd + message(ACK, b"p2")
    found = heard(reads)
    assert found.said == heard(reads, runs=False).said
    assert max(found.runs, default=0) <= 1


def test_a_size_that_is_not_that_of_the_body_is_not_believed() -> None:
    longer = ACK + b"\r\nPING\r\n"
    reads = message(ACK) + message(longer)
    assert heard(reads).said == heard(reads, runs=False).said


def test_one_that_is_not_whole_is_waited_for_but_not_without_end() -> None:
    whole = message(ACK, b"p3")
    for cut in range(1, len(whole)):
        found = heard(whole[:cut], whole[cut:] + message(ACK, b"p4"))
        assert found.said == [(b"DOCKLINE", b"p3"), (b"DOCKLINE", b"p4")]
        if cut >= len(f"MSG {INBOX}p"):
            assert found.runs == [2]
    body = b"x" * 50_000
    begun = b"MSG %bp5 1 %d\r\n" % (INBOX.encode(), len(body))
    odd = [begun, *(body[at : at + 100] for at in range(0, len(body), 100)), b"\r\n", whole]
    assert heard(*odd).said == heard(b"".join(odd), runs=False).said


def test_after_the_end_nobody_is_told() -> None:
    client = Heard()
    read_runs(client, INBOX, 1, client.stored)  # type: ignore[arg-type]
    read_no_runs(client)  # type: ignore[arg-type]
    asyncio.run(client._ps.parse(message(ACK)))
    assert client.runs == []


PIECES = st.sampled_from(
    [
        *(message(ACK, b"p%d" % number) for number in range(20)),
        message(b'{"stream":"OTHER", "seq":1}'),
        message(b'{"stream":"DOCKLINE","seq":0}'),
        message(b"PING\r\n"),
        message(ACK, sid=2),
        b"PING\r\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 900), max_size=6))
def test_bytes_cut_anywhere_say_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    ends = [*sorted(cuts), len(data)]
    reads = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert heard(*reads).said == heard(data, runs=False).said
