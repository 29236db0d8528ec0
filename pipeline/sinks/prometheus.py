"""A separate exporter of container metrics, with its own address and choice of containers.

The agent's own `/metrics` has container metrics whenever stats are on; this sink offers some of
them elsewhere. It serves the containers of its routes, under the same names (cAdvisor's), until
they stop. Containers of other hosts, which a `nats` source reads, are served until `max_age`, since
the agent does not know when they stop:

    [sinks.team-shop]
    type = "prometheus"
    listen = "0.0.0.0:9115"
    labels = ["com.docker.compose.service"]

    [routes.team-shop]
    from = ["stats"]
    containers = 'project == "shop"'
    to = ["team-shop"]

It takes stats only; logs and events that a route sends here are refused, and counted. Stages of the
route do not change the values; if a stage drops an entry, its sample is left out. Samples that
would make the page take more than 256 MiB, about 25,000 containers, are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from aiohttp import web
from msgspec import Meta

from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Payload, Sink, SinkConfig, SinkContext
from pipeline.model.container import EntryKind
from pipeline.model.errors import ConfigError, DocklineError, Unavailable
from pipeline.observe.metrics_page import MOST, Exposition
from pipeline.observe.server import Server, metrics_page

FULL = f"the metrics page has reached its limit of {MOST >> 20} MiB"
NOT_STATS = 'not stats: the prometheus sink needs a route with from = ["stats"]'


class Config(SinkConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An exporter for Prometheus to scrape."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            to="listen",
            path=("/path",),
            example="prometheus://127.0.0.1:9115",
        ),
    )

    listen: Annotated[str, Meta(examples=["127.0.0.1:9115", "[::]:9115"])] = "127.0.0.1:9115"
    """Address and port to listen on."""
    path: Annotated[str, Meta(pattern="^/[A-Za-z0-9/_.-]*$", examples=["/metrics"])] = "/metrics"
    """Path of the metrics page."""
    labels: Annotated[tuple[str, ...], Meta(examples=[["com.docker.compose.service"]])] = ()
    """Container labels that become labels of the metrics, as `container_label_NAME`. Choose few:
    every different value makes a series of its own."""
    max_age: Annotated[Duration, Meta(gt=0, examples=["5m"])] = Duration(300)
    """Age of its last sample at which a container is no longer shown."""


class Prometheus(Sink[list[Batch]]):
    """Serves the newest sample of each container that was sent to it."""

    takes: ClassVar[frozenset[EntryKind]] = frozenset(("stats",))

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._exposition = Exposition(
            labels=config.labels, alive=context.alive, max_age=float(config.max_age)
        )
        try:
            routes = [web.get(config.path, metrics_page(self._exposition))]
            self._server = Server(config.listen, routes)
        except DocklineError as error:
            raise ConfigError(str(error), "listen") from error

    @property
    def address(self) -> str:
        """`host:port` that it listens on, once open."""
        return self._server.address

    async def open(self) -> None:
        await self._server.close()
        try:
            await self._server.start()
        except DocklineError as error:
            raise Unavailable(str(error)) from error

    def encode(self, batches: Sequence[Batch]) -> Payload[list[Batch]]:
        newest = {batch.container.id: batch for batch in batches if batch.samples}
        readings = sum(len(batch) for batch in batches if batch.samples)
        refused = [
            (batch, index, NOT_STATS)
            for batch in batches
            if not batch.samples
            for index in range(len(batch))
        ]
        return Payload(list(newest.values()), readings, 0, refused=refused)

    async def send(self, payload: Payload[list[Batch]]) -> None:
        for batch in payload.data:
            if batch.samples is not None and not self._exposition.update(batch.samples):
                payload.refuse(batch, len(batch) - 1, FULL)

    async def close(self) -> None:
        await self._server.close()
