"""Which of several nodes is asked, and under which URL."""

from __future__ import annotations

from tests.servers.http_receiver import answer, http_receiver
from tests.servers.ports import free_port
from tests.transport.http.opening import opened


async def test_a_request_has_the_path_behind_the_nodes_own_and_both_queries() -> None:
    async with http_receiver() as to, opened(to.url + "/base/?key=1") as http:
        await http.post("/in?a=b%20c", b"x")
        await http.post("", b"x")
    assert [one.path for one in to.requests] == ["/base/in?key=1&a=b+c", "/base/?key=1"]


async def test_of_several_nodes_each_has_its_turn_and_one_that_is_gone_is_left_out() -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    async with http_receiver() as one, http_receiver() as two:
        async with opened(one.url, gone, two.url) as http:
            for _ in range(8):
                await http.post("", b"x")
        assert len(one.requests) + len(two.requests) == 8
        assert min(len(one.requests), len(two.requests)) >= 3


async def test_while_a_node_is_busy_another_takes_it() -> None:
    busy = answer(503)
    async with http_receiver(lambda request: busy) as one, http_receiver() as two:
        async with opened(one.url, two.url) as http:
            for _ in range(4):
                await http.post("", b"x")
        assert len(one.requests) <= 1
        assert len(two.requests) == 4
