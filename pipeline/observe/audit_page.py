"""`/audit`: the ledger's report as JSON.

The query may have `container` any number of times: shell patterns of names, or the first six or
more digits of an id. With `total=1`, the containers are added up as one called `(all)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from aiohttp import web

from pipeline.accounting.audit import AuditReport, ContainerPart
from pipeline.accounting.auditor import Chosen, Take, everything
from pipeline.accounting.ledger import ContainerAccount
from pipeline.accounting.total import Total
from pipeline.model import plain
from pipeline.observe.long_answers import LongAnswers, encode, with_list
from pipeline.observe.query import Query
from pipeline.topology.tap import any_of

SHORTEST = 6
"""Digits of an id that a container can be chosen by, at least."""


class Audit(Protocol):
    """Makes a report (see `Auditor.audit`)."""

    def __call__(self, take: Take, chosen: Chosen) -> Awaitable[AuditReport]: ...


class AuditPage:
    """Handles requests for `/audit`."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._answers = LongAnswers()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers 400 for an unknown parameter, and 503 when too many ask at once."""
        query = Query(request, single=("total",), several=("container",))
        patterns = query.several("container")
        chosen = _chooses(patterns) if patterns else everything
        make = self._total if query.flag("total") else self._each
        return await self._answers.answer(request, lambda: make(chosen))

    async def _each(self, chosen: Chosen) -> list[bytes]:
        encoded: dict[int, bytes] = {}

        def take(place: int, part: ContainerPart) -> None:
            encoded[place] = encode(part)

        report = await self._audit(take, chosen)
        return with_list(report, "containers", [encoded[place] for place in sorted(encoded)])

    async def _total(self, chosen: Chosen) -> list[bytes]:
        total = Total()
        report = await self._audit(lambda place, part: total.add(part), chosen)
        return with_list(report, "containers", [encode(total.part)])


def _chooses(patterns: Sequence[str]) -> Chosen:
    """Chooses containers by patterns of their names, or by how their ids begin."""
    name = any_of(patterns)
    ids = tuple(pattern for pattern in patterns if len(pattern) >= SHORTEST)

    def chosen(container_account: ContainerAccount) -> bool:
        if name.match(plain.name(container_account.name)):
            return True
        return container_account.id.startswith(ids)

    return chosen
