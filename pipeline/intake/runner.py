"""One source of the configuration, and the task that runs it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.accounting.audit import SourcePart
from pipeline.intake import Intake
from pipeline.model import registry
from pipeline.model.component import Source, SourceConfig, SourceContext
from pipeline.model.errors import Unavailable, whole_traceback
from pipeline.model.metrics import Metrics
from pipeline.model.secrecy import Stars
from pipeline.observe.overview import SourceNow
from pipeline.topology import Router

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before a source is opened again. They double with each failure, from the first to the
second."""
LONGEST_ASKED = 3600.0
"""Longest wait in seconds that a peer may ask for."""
STEADY = 60.0
"""Seconds of running after which a failure counts as the first one again."""


class SourceRunner:
    """Opens a source, runs it, and opens it again after a failure."""

    def __init__(
        self, config: SourceConfig, context: SourceContext, router: Router, metrics: Metrics
    ) -> None:
        """Makes the source and its intake, and opens nothing yet.

        Raises `DocklineError` if the configuration can't be used.
        """
        self.name = context.name
        self.config = config
        self.source: Source = registry.implementation("sources", config.type)(config, context)
        self.intake = Intake(context.name, int(config.in_flight), router, metrics)
        self._shown = Stars(config)
        self.is_open = False
        self._restarts = metrics.source_restarts.labels(context.name)

    async def run(self) -> None:
        """Runs the source until `stop`, and until it has acknowledged what is settled.

        Never raises for a failure of the source: it is logged, and the source is opened again
        later.
        """
        attempt = 0
        loop = asyncio.get_running_loop()
        while not self.intake.stopping:
            began = loop.time()
            problem, after = await self._run_once()
            if self.intake.stopping:
                break
            self.intake.trouble(self._shown(problem))
            self._restarts.inc()
            attempt = 0 if loop.time() - began > STEADY else attempt + 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 10))
            async with self.intake.taking():
                await asyncio.sleep(random.uniform(wait / 2, wait) if after is None else after)

    async def _run_once(self) -> tuple[str, float | None]:
        """Opens and runs the source once. Returns why it ended, and the seconds to wait if a peer
        asked for it."""
        try:
            async with self.intake.taking():
                await self.source.open()
                self.is_open = True
                self.intake.trouble(None)
            if self.is_open:
                await self.source.run(self.intake)
            return "it has ended", None
        except Exception as error:
            known = _unavailable(error)
            if known is not None:
                asked = known.retry_after
                return str(known), None if asked is None else min(max(asked, 0.05), LONGEST_ASKED)
            log.error("source %s failed\n%s", self.name, self._shown(whole_traceback(error)))
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            return f"{type(error).__name__}: {error}", None
        finally:
            self.is_open = False
            await self.source.close()

    def stop(self) -> None:
        """Makes the source stop taking entries; `run` returns when it has acknowledged what is
        settled."""
        self.intake.stop()

    def give_up(self) -> None:
        """Gives up messages that aren't settled yet: they won't be acknowledged."""
        self.intake.give_up()

    def not_ready(self) -> str | None:
        """Why it takes no entries, in a sentence for `/readyz`; None while it takes some."""
        if self.intake.problem:
            return f"source {self.name}: {self.intake.problem}"
        return None if self.is_open else f"source {self.name}: it is not open yet"

    def now(self) -> SourceNow:
        """The source's state, for `GET /top`."""
        intake = self.intake
        return SourceNow(
            self.name,
            self.config.type,
            intake.problem or "",
            intake.taken,
            intake.entries,
            intake.unsettled,
            intake.bytes,
            len(intake.feeds),
            dict(intake.refused),
        )

    def part(self) -> SourcePart:
        """The source's part in the ledger's report."""
        it = self.intake
        refused = dict(it.refused)
        return SourcePart(self.name, it.taken, it.settled, it.given_up, it.unsettled, refused)


def _unavailable(error: BaseException) -> Unavailable | None:
    """The `Unavailable` in an error or in the exception groups around it; None if anything else is
    in it."""
    if isinstance(error, BaseExceptionGroup):
        found = [_unavailable(one) for one in error.exceptions]
        return found[0] if all(found) else None
    return error if isinstance(error, Unavailable) else None


class SourceGauges(Collector):
    """The gauges of all sources, read at scrape time."""

    def __init__(self, runners: Iterable[SourceRunner]) -> None:
        """`runners`: iterated over at each scrape."""
        self._runners = runners

    def collect(self) -> Iterator[Metric]:
        """Yields the gauges: whether each source is up, what is in flight, and its containers."""
        up = _gauge("source_up", "1 while a source takes entries.")
        size = _gauge("source_in_flight_bytes", "Bytes of messages that are not settled.")
        messages = _gauge("source_in_flight_messages", "Messages that are not settled.")
        containers = _gauge("source_containers", "Containers that sent entries lately.")
        for runner in self._runners:
            name = [runner.name]
            up.add_metric(name, 0 if runner.not_ready() else 1)
            size.add_metric(name, runner.intake.bytes)
            messages.add_metric(name, runner.intake.unsettled)
            containers.add_metric(name, len(runner.intake.feeds))
        yield from (up, size, messages, containers)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"dockline_{name}", text, labels=["source"])
