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
from pipeline.accounting.total import Total
from pipeline.observe.choice import choice
from pipeline.observe.long_answers import LongAnswers, encode, with_list
from pipeline.observe.query import Query


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
    is_chosen = choice(patterns)
    return lambda account: is_chosen(account.name, account.id)
