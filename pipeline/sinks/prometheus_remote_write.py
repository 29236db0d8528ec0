"""Container metrics to Prometheus, VictoriaMetrics, Mimir and others, by remote write 1.0.

```toml
[sinks.metrics]
type = "prometheus_remote_write"
url = "http://prometheus:9090/api/v1/write"
labels = ["com.docker.compose.project", "com.docker.compose.service"]
external_labels = { cluster = "west" }
agent_metrics = "15s"

[routes.metrics]
from = ["stats"]
to = ["metrics"]
```

Use it if `/metrics` cannot be scraped: behind a NAT, or for many hosts into one store. Prometheus
accepts it with `--web.enable-remote-write-receiver`, VictoriaMetrics at the same path.

Series are those of `/metrics`, with cAdvisor's names, `job="dockline"`, and the host's name as
`instance`; `external_labels` replaces these labels, or removes one with an empty text. When a
container has stopped or was removed, its series end with a stale marker. `agent_metrics` also sends
the agent's own metrics, `dockline_*`. There is no `up` with remote write, so alert on
`absent_over_time(dockline_engine_up{instance="web-1"}[5m])`. Samples that are read within a second
are sent together (`batch.linger`).

A container's stats at one time are an entry here. It counts as delivered when its request was
answered with 2xx. After 429, 5xx or no answer the request is retried. After 400 the receiver has
stored nothing, because one sample is bad, too old or out of order: the request is split in halves
down to single entries, and these down to the series at fault. Such an entry is refused with the
answer, and may go to the `dead_letter` sink; all others are delivered. While the receiver takes
nothing, only samples that it calls out of order, out of bounds or too old are refused; for other
reasons the configuration may be wrong. After a long outage Prometheus refuses samples more than an
hour older than its newest; with `sample_age_limit` they are not even sent.

Stats only: logs and events that a route sends here are refused, and counted. The protocol:
https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from pipeline.encode.remote_write import (
    LABEL_NAME,
    SeriesEncoder,
    Snapshot,
    stale,
    write_request,
)
from pipeline.model.address_form import AUTH, HTTP, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.cadvisor import label_names
from pipeline.model.component import BatchConfig, Duration, Payload, SinkContext
from pipeline.model.container import EntryKind
from pipeline.model.errors import ConfigError, untraced
from pipeline.model.extras import needed
from pipeline.model.pieces import size_of, whole
from pipeline.support.rate_limit import RateLimit
from pipeline.support.selector import Pause
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import HttpClient, HttpSinkConfig, OverHttp, Rejected
from pipeline.transport.split_retry import EntriesRejected, Part, SplitRetry

log = logging.getLogger(__name__)

NOT_STATS = 'not stats: remote write needs a route with from = ["stats"]'

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
TOGETHER = 5000
"""Series of the agent's own metrics in a request, and stale markers' snapshots in a request."""
AT_ONCE = 500
"""Series of the agent's own metrics that are encoded before the event loop may run other tasks."""
LOOKBACK = 300.0
"""Seconds after which Prometheus considers a series without new samples stale."""
REMEMBERED = 3600.0
"""Seconds for which a container is remembered after it was last alive. Its samples may wait for the
receiver until long after its end."""
_OF_ITS_TIME = re.compile(
    rb"out of order|out-of-order|out of bounds|too old|too far in|duplicate sample", re.IGNORECASE
)
"""Reasons of Prometheus, Mimir and Thanos that are always the sample's fault, not the
configuration's."""
TRIES = 16
"""Most requests that are made to find the series at fault."""
LARGE = 2**18
"""Bytes from which a request is compressed in a thread; that many take half a millisecond."""


class SeriesBatchConfig(BatchConfig, frozen=True, kw_only=True):
    """How many samples are sent at once: as soon as one of the limits is reached."""

    linger: Duration = Duration(1)
    """How long to wait for more. Containers are read one after another."""


class Config(HttpSinkConfig, frozen=True, kw_only=True):
    """The receiver's address, and the labels and metrics to send."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes=HTTP,
            to="url",
            login=AUTH,
            example="prometheus_remote_write+http://prometheus:9090/api/v1/write",
        ),
    )

    url: Annotated[str, msgspec.Meta(examples=["http://prometheus:9090/api/v1/write"])]
    """Address of the remote-write receiver, with its path."""
    labels: Annotated[list[str], msgspec.Meta(examples=[["com.docker.compose.service"]])] = (
        msgspec.field(default_factory=list)
    )
    """Container labels that become labels of the series, as `container_label_NAME`. Choose few:
    every different value makes a series of its own."""
    external_labels: Annotated[
        dict[str, str], msgspec.Meta(examples=[{"cluster": "west", "instance": "web-1:9114"}])
    ] = msgspec.field(default_factory=dict)
    """Labels for every series that has no label of that name; an empty text removes `job` or
    `instance`."""
    sample_age_limit: Annotated[Duration | None, msgspec.Meta(gt=0, examples=["1h"])] = None
    """Age at which samples are refused without being sent; without it, no sample is too old."""
    agent_metrics: Annotated[Duration | None, msgspec.Meta(gt=0, examples=["15s", "off"])] = None
    """How often the agent's own metrics are sent; `"off"` for never."""
    compression: Literal["snappy"] = "snappy"  # type: ignore[assignment]
    """Compression of requests; the protocol has only this one."""
    batch: SeriesBatchConfig = SeriesBatchConfig()
    """How much is sent at once."""


class Readings(SplitRetry):
    """A payload of a write request: a `Snapshot` per entry, and which are still to be sent."""

    def __init__(
        self,
        sources: list[str],
        snapshots: list[Snapshot],
        of: Sequence[Batch],
        evidence: Evidence,
    ) -> None:
        """`sources` has each snapshot's container id, `of` the batches that they are from."""
        self.sources = sources
        self.snapshots = snapshots
        whole = write_request(snapshots)
        hopeless = len(snapshots) + 1
        super().__init__(whole, of, evidence=evidence, hopeless=hopeless)

    def split(self, whole: bytes) -> list[bytes]:
        """The snapshots' indexes as text, in place of the snapshots."""
        return [b"%d" % index for index in range(len(self.snapshots))]

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """A write request with the snapshots of these indexes."""
        return write_request([self.snapshots[int(number)] for number in pieces])


class PrometheusRemoteWrite(OverHttp[Readings]):
    """Writes series to the receiver, and ends those of each container that has stopped."""

    takes: ClassVar[frozenset[EntryKind]] = frozenset(("stats",))
    tends = 1.0

    def __init__(self, config: Config, context: SinkContext) -> None:
        for name in config.external_labels:
            if not LABEL_NAME.fullmatch(name) or name.startswith("__"):
                raise ConfigError(f'"{name}" is not the name of a label', "external_labels")
        self._snappy = needed("cramjam", "prometheus_remote_write").snappy
        self._http = HttpClient([config.url], config, pages=False, own=HEADERS)
        self._encoder = SeriesEncoder(
            {"job": "dockline", **config.external_labels}, label_names(config.labels), context.host
        )
        self._context = context
        self._age_limit = config.sample_age_limit
        self._agent_every = config.agent_metrics
        self._agent_at = 0.0
        """When to send the agent's own metrics next, by the monotonic clock."""
        self._shown = Shown(context)
        self._refusals, self._evidence = RateLimit(), Evidence()
        self._divides = True
        """Whether to look for the series at fault in a rejected snapshot: not if none was good."""

    async def probe(self) -> None:
        body = bytes(self._snappy.compress_raw(write_request([])))
        await self._http.probe("", body, HEADERS, compressed=False)

    def encode(self, batches: Sequence[Batch]) -> Payload[Readings]:
        sources: list[str] = []
        snapshots: list[Snapshot] = []
        refused: list[tuple[Batch, int, str]] = []
        for batch in batches:
            reading: Snapshot | str = NOT_STATS
            if batch.samples is not None:
                try:
                    reading = self._encoder.reading(batch.samples)
                except (ValueError, OverflowError) as error:
                    reading = str(error)
            if isinstance(reading, str):
                refused += [(batch, index, reading) for index in range(len(batch))]
            else:
                sources += [batch.container.id] * len(batch)
                snapshots += [reading] * len(batch)
        data = Readings(sources, snapshots, batches, self._evidence)
        return Payload(data, len(snapshots), size_of(data.whole), refused=refused)

    async def send(self, payload: Payload[Readings]) -> None:
        if payload.entries:
            it: Payload[Any] = payload
            await payload.data.send(it, partial(self._post, payload.data))

    async def _post(self, readings: Readings, part: Part) -> None:
        snapshots = [readings.snapshots[index] for index in part.indexes]
        self._not_too_old(snapshots)
        try:
            await self._write(whole(part.body))
        except Rejected as rejected:
            if len(part) > 1 or not self._divides:
                raise
            snapshots = [await self._what_is_good(snapshots[0], rejected)]
        else:
            self._divides = True
        for index, snapshot in zip(part.indexes, snapshots, strict=True):
            self._shown.take(readings.sources[index], snapshot)

    def _not_too_old(self, snapshots: Sequence[Snapshot]) -> None:
        if self._age_limit is None:
            return
        oldest = (time.time() - self._age_limit) * 1000
        old = [index for index, snapshot in enumerate(snapshots) if snapshot.time < oldest]
        if old:
            age = f"{float(self._age_limit):g} s"
            reason = f"measured more than {age} ago, which is sample_age_limit"
            raise EntriesRejected(Rejected(reason, 0), dict.fromkeys(old, reason))

    async def _what_is_good(self, snapshot: Snapshot, rejected: Rejected) -> Snapshot:
        """Sends the good series of a rejected snapshot, and always raises `Rejected`."""
        series = list(snapshot.values.items())
        middle = (len(series) + 1) // 2
        parts, good, tries = [series[middle:], series[:middle]], 0, 0
        while parts and len(series) > 1 and tries < TRIES:
            part = parts.pop()
            tries += 1
            try:
                await self._write(write_request([Snapshot(snapshot.time, dict(part))]))
            except Rejected as found:
                rejected = untraced(found)
                middle = len(part) // 2
                if middle:
                    parts += [part[middle:], part[:middle]]
            else:
                good += len(part)
        self._divides = good > 0
        if good:
            bad = len(series) - good
            reason = f"{bad} of its {len(series)} series: {rejected}"
            raise EntriesRejected(rejected, {0: reason}, taken=True)
        try:
            raise rejected
        finally:
            del rejected  # breaks the reference cycle of exception and frame

    async def _write(self, body: bytes) -> None:
        compress = self._snappy.compress_raw
        if len(body) < LARGE:
            compressed = bytes(compress(body))
        else:
            compressed = bytes(await asyncio.to_thread(compress, body))
        try:
            await self._http.post("", compressed, HEADERS, compressed=False)
        except Rejected as rejected:
            rejected.certain = bool(_OF_ITS_TIME.search(rejected.body))
            raise

    # ------------------------------------------- stale markers, and the agent's own metrics

    async def tend(self) -> None:
        self._shown.look()
        while self._shown.ended:
            await self._write_what_is_taken(
                [snapshot for _, snapshot in self._shown.ended[:TOGETHER]]
            )
            del self._shown.ended[:TOGETHER]
        if self._agent_every is not None and time.monotonic() >= self._agent_at:
            self._agent_at = time.monotonic() + self._agent_every
            await self._write_own()

    async def _write_own(self) -> None:
        now, pause = time.time(), Pause()
        values: dict[bytes, bytes] = {}
        for metric in self._context.metrics():
            samples = iter(metric.samples)
            while some := list(islice(samples, AT_ONCE)):
                values |= self._encoder.own(some)
                await pause()
        own = Snapshot.at(now, values)
        series = list(values.items())
        for start in range(0, len(series), TOGETHER):
            part = Snapshot(own.time, dict(series[start : start + TOGETHER]))
            await self._write_what_is_taken([part])
        self._shown.take("", own)

    async def _write_what_is_taken(self, snapshots: Sequence[Snapshot]) -> None:
        """Sends snapshots that belong to no entry; what is rejected is dropped and logged."""
        todo, tries = [list(snapshots)], 0
        while todo and tries < TRIES:
            some = todo.pop()
            tries += 1
            try:
                await self._write(write_request(some))
            except Rejected as rejected:
                if self._refusals():
                    name = self._context.name
                    log.warning(
                        "sink %s: the agent's own metrics, or stale markers: %s", name, rejected
                    )
                middle = len(some) // 2
                if middle:
                    todo += [some[middle:], some[:middle]]


class Shown:
    """The series that the receiver has, by container, and the stale markers to send.

    The agent's own series have an empty id.
    """

    def __init__(self, context: SinkContext) -> None:
        self._alive = context.alive
        self._newest: dict[str, tuple[Snapshot, float]] = {}
        """The newest snapshot of each container, and when it was sent, by the monotonic clock."""
        self._been: dict[str, float] = {}
        """Containers that were alive when a snapshot was sent, and when last.

        One of another host counts as alive while samples of it arrive.
        """
        self.ended: list[tuple[float, Snapshot]] = []
        """Stale markers that are still to be sent, each with the time it was made."""

    def take(self, source: str, snapshot: Snapshot) -> None:
        """Notes that a container's snapshot was sent. Series that it no longer has are ended.

        `source` is the container's id, empty for the agent. Ignores a snapshot that is older than
        the newest one.
        """
        before, _ = self._newest.get(source, (None, 0.0))
        if before is not None and before.time > snapshot.time:
            return
        now = time.monotonic()
        if source and self._alive(source):
            self._been[source] = now
        self._newest[source] = snapshot, now
        if before is not None and (gone := before.values.keys() - snapshot.values.keys()):
            self.ended.append((now, stale(snapshot.time, gone)))

    def look(self) -> None:
        """Ends the series of containers that are gone, or had no samples for `LOOKBACK` seconds."""
        now = time.monotonic()
        for source, (snapshot, heard) in list(self._newest.items()):
            if now - heard > LOOKBACK or (source in self._been and not self._alive(source)):
                del self._newest[source]
                # right after the last sample, since later ones may still be waiting
                self.ended.append((now, stale(snapshot.time + 1, snapshot.values)))
        self.ended = [(since, one) for since, one in self.ended if now - since < LOOKBACK]
        if len(self._been) > 2 * len(self._newest) + 100:
            self._been = {id_: at for id_, at in self._been.items() if now - at < REMEMBERED}
