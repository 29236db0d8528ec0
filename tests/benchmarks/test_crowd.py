"""What is said of many containers' lines is true, and the pace is kept."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.crowd import Crowd, Pace, faults
from benchmarks.lines import line_of
from benchmarks.receiver import Receiver
from pipeline.testing.docker_client import DockerClient


def came(lines: Sequence[tuple[str, int]], each: int) -> str:
    """The verdict on lines of two containers that came in this order."""
    text = b""
    for name, number in lines:
        message = f"<30>1 2026-11-24T08:00:00.000000Z host {name} 1 - - {line_of(number)[:-1]}"
        text += b"%d %s" % (len(message), message.encode())
    with Receiver() as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
            peer.sendall(text)
        receiver.wait_for(len(lines), 60)
        return faults(receiver, ["a", "b"], each)


def test_each_containers_lines_in_their_order_are_faultless() -> None:
    assert came([("a", 0), ("b", 0), ("b", 1), ("a", 1)], 2) == ""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([("a", 0), ("a", 1), ("b", 1)], "1 of 2 containers, such as b; 1 lines lost"),
        ([("a", 1), ("a", 0), ("b", 0), ("b", 1)], "1 of 2 containers, such as a; 0 lines lost"),
        ([("a", 0), ("a", 1), ("a", 1), ("b", 0), ("b", 1)], "1 of 2 containers, such as a; 0"),
    ],
    ids=["lost", "reordered", "repeated"],
)
def test_what_is_not_as_it_was_written_is_found(lines: list[tuple[str, int]], said: str) -> None:
    assert came(lines, 2).startswith(said)


def test_every_container_is_given_all_its_lines_at_their_pace(tmp_path: Path) -> None:
    (tmp_path / "fifos").mkdir()
    crowd = Crowd(DockerClient(f"unix://{tmp_path}/docker.sock"), 2)
    pipes = []
    for name in crowd.names:
        os.mkfifo(tmp_path / "fifos" / name)
        pipes.append(os.open(tmp_path / "fifos" / name, os.O_RDWR | os.O_NONBLOCK))
    pace = Pace(crowd, crowd.names, rate=100, seconds=1)
    pace.go()
    began = time.monotonic()
    pace.join()
    assert time.monotonic() - began >= 0.9
    assert pace.took >= 0.9
    for pipe in pipes:
        assert os.read(pipe, 1 << 16).decode() == "".join(map(line_of, range(100)))
        os.close(pipe)
