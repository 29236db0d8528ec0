"""What the containers of W4 write, and what is said of what came."""

from __future__ import annotations

import socket

import pytest

from benchmarks import mixed
from benchmarks.receiver import Receiver
from benchmarks.workloads import ROUTES
from pipeline.config.file import parse
from pipeline.encode.json import JsonEncoder
from pipeline.model import registry
from pipeline.model.component import StageContext
from pipeline.testing.builders import batch, container

CONTAINERS, LINES = 3, 240


def through_the_route(place: int) -> bytes:
    """What is sent of one container's lines."""
    route = parse(ROUTES["w4"].format(port=1), {}).config.routes["all"]
    stages = [
        registry.stage(each.name, each.config, StageContext()).bind(container())
        for each in route.stages
    ]
    whole = batch(*(line.rstrip(b"\n") for line in mixed._lines(place, LINES)))
    left = [whole]
    for stage in stages:
        left = [one for some in left if (one := stage(some))]
        if (last := stage.flush(float("inf"))) is not None:
            left.append(last)
    return JsonEncoder().encode(left)


def judged(content: bytes) -> str:
    with Receiver(mixed.MARK) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
            peer.sendall(content)
        receiver.wait_for(content.count(mixed.MARK), 10)
        return mixed.faults(receiver, CONTAINERS, LINES)


@pytest.mark.parametrize("place", range(CONTAINERS))
def test_each_writes_as_many_lines_as_it_was_asked_for(place: int) -> None:
    for count in (1, 7, LINES):
        assert len(mixed._lines(place, count)) == count


def test_what_comes_through_the_route_is_faultless() -> None:
    sent = [through_the_route(place) for place in range(CONTAINERS)]
    content = b"".join(sent)
    assert content.count(mixed.MARK) == mixed.expected(CONTAINERS, LINES)
    assert judged(content) == ""


def test_what_is_lost_repeated_or_not_hidden_is_told() -> None:
    sent = [through_the_route(place) for place in range(CONTAINERS)]
    first = sent[0].split(b"\n", 1)
    assert judged(b"".join([first[1], *sent[1:]])) == "1 of 3 containers: 1 lost, 0 too many"
    assert judged(b"".join([first[0], b"\n", *sent])) == "1 of 3 containers: 0 lost, 1 too many"
    assert judged(b"".join([*sent, b"hunter2\n"])) == "1 secrets came"
