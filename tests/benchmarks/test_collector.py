"""The destination of whole agents counts lines while they come, and finds what is missing after."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import msgpack
import pytest

from benchmarks.collector import MARK, Came, CameInColumns, Collector, check
from benchmarks.lines import line_of
from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.nats.messages import ColumnsMessages
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container
from tests.servers.nats import NatsServer

TEXTS = [line_of(number).rstrip("\n") for number in range(10)]
LINES = [text.encode() for text in TEXTS]


def test_a_mark_counts_once_wherever_it_is_cut() -> None:
    whole = b"a" + MARK + b"b" + MARK
    for size in range(1, len(whole) + 1):
        came = Came()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert sum(map(came.add, pieces)) == 2, size
        assert came.content() == whole


def nested(text: str, depth: int) -> bytes:
    """A line as a JSON text in a JSON text, and so on."""
    for _ in range(depth):
        text = json.dumps({"log": text})
    return text.encode()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_line_is_found_however_often_it_was_encoded(depth: int) -> None:
    verdict = check([b"\n".join(nested(text, depth) for text in TEXTS)], range(10))
    assert str(verdict) == "none"


def test_slashes_may_be_escaped() -> None:
    assert str(check([LINES[0].replace(b"/", b"\\/")], range(1))) == "none"


def test_what_is_lost_cut_short_repeated_or_out_of_order_is_told() -> None:
    content = b"\n".join([LINES[1], LINES[0], LINES[3][:-1], LINES[4], LINES[4]])
    verdict = check([content], range(5))
    assert (verdict.lost, verdict.repeated, verdict.reordered) == (2, 1, 1)


def test_each_connection_has_an_order_of_its_own() -> None:
    assert str(check([b" ".join(LINES[1::2]), b" ".join(LINES[::2])], range(10))) == "none"


def send(port: int, pieces: Iterable[bytes], answers: int = 0) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        for piece in pieces:
            peer.sendall(piece)
        said = b""
        while len(said) < answers:
            said += peer.recv(1000)
        return said


def test_streams_are_counted_while_they_come_and_looked_at_afterwards() -> None:
    with Collector("stream") as there:
        send(there.port, [b" ".join(LINES[:6])])
        time.sleep(0.01)
        send(there.port, LINES[6:9])
        assert there.come(9, 60, 60)
        assert there.flow > 0
        checked = there.checked(range(10))
    assert str(checked.verdict) == "1 lost"
    assert checked.size == sum(map(len, LINES[:9])) + 5


def test_requests_are_answered_and_counted_as_they_were_before_they_were_compressed() -> None:
    body = gzip.compress(b"\n".join(LINES))
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with Collector("http") as there:
        assert b" 200 " in send(there.port, [head, body], 10)
        assert there.come(10, 60, 60)
        assert str(there.checked(range(10)).verdict) == "none"


def test_chunks_are_acknowledged() -> None:
    entries = b"".join(msgpack.packb([0, {"log": line}]) for line in LINES)
    with Collector("forward") as there:
        said = send(there.port, [msgpack.packb(["tag", entries, {"chunk": "abc"}])], 9)
        assert msgpack.unpackb(said) == {"ack": "abc"}
        assert str(there.checked(range(10)).verdict) == "none"


def test_datagrams_are_counted_and_may_be_compressed() -> None:
    with (
        Collector("datagrams") as there,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        for number, line in enumerate(LINES):
            datagram = gzip.compress(line) if number % 2 else line
            peer.sendto(datagram, ("127.0.0.1", there.port))
        assert there.come(10, 60, 60)
        assert str(there.checked(range(10)).verdict) == "none"


def test_a_file_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with Collector("file", path) as there:
        with path.open("wb", buffering=0) as file:
            for line in LINES:
                file.write(line[:70])
                time.sleep(0.002)
                file.write(line[70:] + b"\n")
        assert there.come(10, 60, 60)
        assert str(there.checked(range(10)).verdict) == "none"


def test_nothing_for_a_while_is_told_from_all() -> None:
    with Collector("stream") as there:
        send(there.port, LINES[:1])
        assert not there.come(2, timeout=60, idle=0.1)
        assert str(there.checked(range(2)).verdict) == "1 lost"


def test_who_has_ended_is_not_waited_for() -> None:
    with Collector("stream") as there:
        begun = time.monotonic()
        assert not there.come(1, timeout=60, idle=60, alive=lambda: False)
        assert time.monotonic() - begun < 50


@pytest.mark.server
def test_what_is_published_at_a_nats_server_is_heard(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats") as server, Collector("nats", server=server.port) as there:
        body = b"\n".join(LINES)
        published = b"CONNECT {}\r\nPUB any %d\r\n%b\r\nPING\r\n" % (len(body), body)
        threading.Thread(target=send, args=(there.port, [published], 10), daemon=True).start()
        assert there.come(10, 60, 60)
        assert str(there.checked(range(10)).verdict) == "none"


def heard(*batches: Batch) -> bytes:
    """What a subscriber gets of messages of `columns`, among others."""
    messages = ColumnsMessages(ColumnCodec().encode, lambda batch: "s", {}).of(batches)
    pieces = [b"PING\r\nMSG $JS.API.x 1 r 6\r\nab\r\ncd\r\n"]
    for one in messages:
        head = b"HMSG s 1 reply %d %d\r\n" % (len(one.head), len(one.head) + len(one.body))
        pieces += head, one.head, one.body, b"\r\nMSG reply 1 2\r\n{}\r\n"
    return b"".join(pieces)


COLUMNS = heard(
    batch(*TEXTS[:7], of=container(number=1)), batch(*TEXTS[7:], of=container(number=2))
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 41, 1000, 100_000])
def test_entries_in_columns_are_counted_wherever_they_are_cut(size: int) -> None:
    came = CameInColumns()
    pieces = [COLUMNS[at : at + size] for at in range(0, len(COLUMNS), size)]
    assert sum(map(came.add, pieces)) == 10
    assert str(check([came.content()], range(10))) == "none"
    assert came.content().startswith(b"ab\r\ncd\n")


@pytest.mark.server
def test_columns_that_are_published_at_a_nats_server_are_heard(tmp_path: Path) -> None:
    (one,) = ColumnsMessages(ColumnCodec().encode, lambda batch: "s", {}).of([batch(*TEXTS)])
    command = one.commands(0, 1, b"reply.", 1)
    with NatsServer(tmp_path / "nats") as server, Collector("columns", server=server.port) as there:
        published = b'CONNECT {"headers":true}\r\n' + command + b"PING\r\n"
        threading.Thread(target=send, args=(there.port, [published], 10), daemon=True).start()
        assert there.come(10, 60, 60)
        assert str(there.checked(range(10)).verdict) == "none"


def test_what_is_not_in_columns_is_counted_by_its_marks() -> None:
    came = CameInColumns()
    body = b"[" + b",".join(LINES) + b"]"
    assert came.add(b"MSG docker 1 %d\r\n%b\r\n" % (len(body), body)) == 10
    assert str(check([came.content()], range(10))) == "none"
