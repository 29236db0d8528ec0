"""The receivers break connections exactly: what was sent was read, is unread, or is still owed."""

from __future__ import annotations

import signal
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.transport.net.sockets import unacknowledged
from tests.chaos.receivers import Peer

pytestmark = pytest.mark.server


@pytest.fixture
def syslog(tmp_path: Path) -> Iterator[Peer]:
    yield from running(Peer("syslog", tmp_path / "syslog"))


@pytest.fixture
def beats(tmp_path: Path) -> Iterator[Peer]:
    yield from running(Peer("beats", tmp_path / "beats"))


def running(peer: Peer) -> Iterator[Peer]:
    peer.start()
    try:
        yield peer
    finally:
        peer.kill()


class Blast:
    """Sends as fast as it can until the connection breaks or the peer's window closes."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(1)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                self.sent += self.socket.send(b"x" * 50_000)
        except OSError:
            pass

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def acknowledged(self) -> int:
        """Bytes, once it has ended."""
        self._thread.join()
        with self.socket:
            return self.sent - unacknowledged(self.socket)


def kept(peer: Peer, kind: str) -> int:
    return sum(file.stat().st_size for file in peer.folder.glob(f"*.{kind}"))


@pytest.mark.parametrize("round", range(5))
def test_all_that_the_kernel_acknowledged_is_read_before_it_vanishes(
    syslog: Peer, round: int
) -> None:
    blast = Blast(syslog.port)
    time.sleep(0.01 * round)
    assert syslog.ask("vanish") == 1
    assert blast.acknowledged() == kept(syslog, "read")


def test_what_a_reset_leaves_unread_is_kept_to_the_byte(syslog: Peer) -> None:
    blast = Blast(syslog.port)
    time.sleep(0.05)
    syslog.ask("deaf")
    sent = blast.sent
    until(lambda: blast.sent > sent or blast.ended)  # there is something that nobody reads
    assert syslog.ask("reset") == 1
    assert blast.acknowledged() == kept(syslog, "read") + kept(syslog, "unread")
    assert kept(syslog, "unread") > 0
    syslog.ask("hear")
    with socket.create_connection(("127.0.0.1", syslog.port)) as another:
        another.sendall(b"hello")
        until(lambda: syslog.ask("newest") == 5)


def test_in_silence_nothing_is_acknowledged_and_afterwards_all_is(syslog: Peer) -> None:
    with socket.create_connection(("127.0.0.1", syslog.port)) as client:
        client.sendall(b"hello")
        until(lambda: syslog.ask("newest") == 5)
        syslog.ask("silence")
        client.sendall(b"world")
        time.sleep(0.1)
        assert unacknowledged(client) == 5
        syslog.ask("speak")
        until(lambda: syslog.ask("newest") == 10)


def window(*texts: str) -> bytes:
    events = [b'{"container":{"name":"c1"},"message":"%s"}' % text.encode() for text in texts]
    frames = b"".join(
        struct.pack(">2sII", b"2J", number, len(event)) + event
        for number, event in enumerate(events, 1)
    )
    packed = zlib.compress(frames)
    return struct.pack(">2sI2sI", b"2W", len(events), b"2C", len(packed)) + packed


def test_a_window_is_on_record_when_it_is_acknowledged(beats: Peer) -> None:
    with socket.create_connection(("127.0.0.1", beats.port)) as client:
        client.sendall(window("one", "two"))
        assert client.recv(6) == b"2A" + struct.pack(">I", 2)
        beats.signal(signal.SIGKILL)
    assert record(beats) == ["c1\tone", "c1\ttwo"]


def test_of_a_window_acknowledged_by_half_the_other_half_is_not_on_record(beats: Peer) -> None:
    beats.ask("half")
    with socket.create_connection(("127.0.0.1", beats.port)) as client:
        client.sendall(window("one", "two", "three", "four"))
        assert client.recv(12) == b"2A" + struct.pack(">I", 2)
        assert client.recv(1) == b""
    assert record(beats) == ["c1\tone", "c1\ttwo"]


def test_each_life_has_a_record_of_its_own(beats: Peer) -> None:
    for text in ("one", "two"):
        with socket.create_connection(("127.0.0.1", beats.port)) as client:
            client.sendall(window(text))
            assert client.recv(6)
        beats.kill()
        beats.start()
    assert record(beats) == ["c1\tone", "c1\ttwo"]


def record(peer: Peer) -> list[str]:
    files = sorted(peer.folder.glob("*.record"))
    return [line for file in files for line in file.read_text().splitlines()]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
