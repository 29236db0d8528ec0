"""The receiver keeps what came, and when."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime

from benchmarks.lags import syslog_lags
from benchmarks.receiver import Receiver


def test_what_came_is_kept_and_counted_by_connection() -> None:
    with Receiver(b"MARK") as receiver:
        address = "127.0.0.1", receiver.port
        with socket.create_connection(address) as one, socket.create_connection(address) as two:
            one.sendall(b"MARK one MA")
            receiver.wait_for(1, 60)
            two.sendall(b"MARK two")
            receiver.wait_for(2, 60)
            one.sendall(b"RK")
            receiver.wait_for(3, 60)
        kept = set()
        for connection in receiver.used():
            with connection.content() as content:
                kept.add(bytes(content))
    assert kept == {b"MARK one MARK", b"MARK two"}


def test_nothing_for_a_while_is_told_from_all() -> None:
    with Receiver(b"MARK") as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
            peer.sendall(b"MARK")
            assert receiver.come(1, timeout=60, idle=60)
        assert not receiver.come(2, timeout=10, idle=0.1)


def test_lags_are_those_of_the_containers_asked_for_since_a_moment() -> None:
    begun = time.time()
    with Receiver(b"<30>") as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
            for number, (app, age) in enumerate((("quiet-1", 60), ("loud-1", 1), ("quiet-2", 5))):
                moment = datetime.fromtimestamp(time.time() - age, UTC).isoformat(
                    "T", "microseconds"
                )[:26]
                peer.sendall(f"<30>1 {moment}Z host {app} 1 - - text\n".encode())
                receiver.wait_for(number + 1, 60)
        lags = syslog_lags(receiver, "quiet-")
        late = time.time() - begun
        for lag, age in zip(lags, (5, 60), strict=True):
            assert age <= lag + 0.01 <= age + late + 0.02
        assert syslog_lags(receiver, "quiet-", since=time.time()) == []
