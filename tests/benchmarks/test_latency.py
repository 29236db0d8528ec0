"""Latency is from Docker's time, which its own log has, whatever time a program passes on."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.receiver import Receiver
from benchmarks.suite.latency import MARK, lags


def rows(*aged: tuple[int, float]) -> str:
    """A json-file with a line of each number, so many seconds old."""
    written = []
    for number, age in aged:
        moment = datetime.fromtimestamp(time.time() - age, UTC).isoformat().replace("+00:00", "Z")
        text = f'{{\\"path\\":\\"/items/{number}\\"}}'
        written.append(f'{{"log":"{text}\\n","stream":"stdout","time":"{moment}"}}\n')
    return "".join(written)


def test_each_arrival_is_held_against_the_time_of_its_own_line(tmp_path: Path) -> None:
    log = tmp_path / "json.log"
    begun = time.time()
    log.write_text(rows((1, 10), (2, 3), (1, 5)))
    with Receiver(MARK) as receiver:
        since = time.time()
        with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
            peer.sendall(b"".join(b'<30>1 - {"path":"/items/%d"}' % number for number in (1, 2, 1)))
            receiver.wait_for(3, 60)
        found = lags(receiver, log, since, time.time() + 1)
        late = time.time() - begun
        for lag, age in zip(found, (3, 5, 10), strict=True):
            assert age <= lag <= age + late + 0.01
        assert lags(receiver, log, since - 10, since - 5) == []
