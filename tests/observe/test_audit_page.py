"""`/audit` is answered in pieces, of the containers that are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from pipeline.accounting.audit import AuditReport
from pipeline.accounting.auditor import Auditor, BufferSnapshot
from pipeline.accounting.ledger import Ledger, add
from pipeline.observe.audit_page import AuditPage
from pipeline.observe.server import Server


class Serving:
    """A ledger of three containers, and its page."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        for number, name in enumerate(("api-1", "api-2", "web-1"), 1):
            container_account = self.ledger.container(f"abcdef{number:058x}", name)
            route_account = container_account.route("logs", "all")
            route_account.bind(("out",))
            add(container_account.read, "logs", number)
            route_account.taken = number
            account = route_account.sink("out")
            account.routed = account.delivered = number
        nothing = BufferSnapshot([], [])
        page = AuditPage(Auditor(self.ledger, lambda: nothing, lambda: {"out": 5}).audit)
        self.server = Server("127.0.0.1:0", [web.get("/audit", page.handle)])

    async def get(self, query: str = "", **headers: str) -> tuple[int, str]:
        url = f"http://{self.server.address}/audit{query}"
        async with ClientSession() as client, client.get(url, headers=headers) as response:
            return response.status, await response.text()

    async def names(self, query: str) -> list[str]:
        status, text = await self.get(query)
        assert status == 200
        return [one.name for one in msgspec.json.decode(text, type=AuditReport).containers]


@pytest_asyncio.fixture
async def serving() -> AsyncIterator[Serving]:
    serving = Serving()
    await serving.server.start()
    yield serving
    await serving.server.close()


async def test_it_has_all_containers_and_the_rest_of_the_report(serving: Serving) -> None:
    status, text = await serving.get()
    one = msgspec.json.decode(text, type=AuditReport)
    assert (status, one.balanced, one.carried) == (200, True, {"out": 5})
    assert [part.name for part in one.containers] == ["api-1", "api-2", "web-1"]
    assert text.startswith('{"balanced":true,"containers":[{"id":"abcdef')


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?container=api-*", ["api-1", "api-2"]),
        ("?container=api-2&container=web-?", ["api-2", "web-1"]),
        ("?container=abcdef", ["api-1", "api-2", "web-1"]),
        ("?container=abcde", []),
        ("?container=abcdef" + "0" * 57 + "3", ["web-1"]),
        ("?container=", []),
        ("?container=[", []),
        ("?container=*&total=0", ["api-1", "api-2", "web-1"]),
        ("?total=1", ["(all)"]),
    ],
)
async def test_containers_are_chosen_by_patterns_and_ids(
    serving: Serving, query: str, names: list[str]
) -> None:
    assert await serving.names(query) == names


@pytest.mark.parametrize(
    ("query", "read"),
    [("?total=1", 6), ("?total=1&container=api-*", 3), ("?total=1&container=x", 0)],
)
async def test_the_total_is_of_those_that_are_chosen(
    serving: Serving, query: str, read: int
) -> None:
    (part,) = msgspec.json.decode((await serving.get(query))[1], type=AuditReport).containers
    assert (part.id, part.name, sum(part.read.values())) == ("", "(all)", read)
    assert sum(sink.delivered for route in part.routes for sink in route.sinks) == read


async def test_only_what_is_chosen_has_to_balance(serving: Serving) -> None:
    serving.ledger.containers[f"abcdef{1:058x}"].routes["logs", "all"].accounts["out"].routed += 1
    for query, balanced in (("", False), ("?total=1", False), ("?container=web-*", True)):
        one = msgspec.json.decode((await serving.get(query))[1], type=AuditReport)
        assert one.balanced is balanced, query


async def test_another_parameter_is_refused_in_a_sentence(serving: Serving) -> None:
    assert await serving.get("?total=1&contaner=x") == (400, 'there is no parameter "contaner"\n')
    assert await serving.get("?a%0Ab=1") == (400, 'there is no parameter "a\ufffdb"\n')
