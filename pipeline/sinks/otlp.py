"""OpenTelemetry: logs and metrics over OTLP/HTTP, to a Collector or any compatible store.

```toml
[sinks.collector]
type = "otlp"
url = "http://collector:4318"            # /v1/logs and /v1/metrics are appended

[sinks.victorialogs]
type = "otlp"
url = "http://victorialogs:9428/insert/opentelemetry"

[routes.stats]
from = ["stats"]
to = ["collector"]
```

**Resource.** One per container, by OpenTelemetry's conventions: `service.name` (the Compose or
Swarm service, else the container's name), `service.namespace` (the Compose project or Swarm stack),
`service.instance.id` and `container.id` (64 digits), `container.name`, `container.runtime.name`,
`container.image.name`, `container.image.tags`, `container.label.NAME` (see `labels`), `host.name`.

**Log records** are made of logs and events. The body is the message, and parsed fields are
attributes (or the other way round: see `body`). More attributes are `log.iostream`,
`event.sequence`, and, if present, `event.part` and `log.flags`; parsed fields with these names are
moved under `fields`, and so are those beyond a thousand. A list or object of more than 4 KiB, or
deeper than 16 levels, becomes JSON text. `severity_text` is one of dockline's levels, or `fatal` or
`trace`; `severity_number` is OpenTelemetry's number for it. Fields called `trace_id`, `traceId`,
`traceid`, `trace.id`, and `span_id` and so on become the record's ids if they are valid.

**Metrics** are made of stats, with the names of the semantic conventions for containers
(`container.cpu.time`, `container.cpu.usage`, `container.memory.usage`, `container.network.io`, …),
or else of the Collector's `docker_stats` receiver (`container.pids.count`, …).

Logs wait while the server does not take metrics, and metrics while it does not take logs: use two
sinks to separate them. Use `compression = "zstd"` only if the server supports it, as the Collector
does. VictoriaLogs before April 2025 does not, and refuses what it cannot read; it also stores trace
ids as raw bytes: `rename` them for it.

| answer                     | what happens to the entries                                         |
|----------------------------|---------------------------------------------------------------------|
| 2xx                        | delivered                                                           |
| 2xx, some rejected         | that many are refused, with the server's reason; not sent again     |
| 429, 502, 503, 504, 5xx    | sent again, after `Retry-After` if present; a single entry that is  |
|                            | the cause is refused, once others have been taken                   |
| 413                        | sent again in halves; a single entry that is too large is refused   |
| 400 and other 4xx          | sent again in halves; single entries are refused, once others have  |
|                            | been taken                                                          |
| 3xx, 401, 403-5, 407, 415  | like 5xx: the configuration is probably wrong                       |
| 2xx, not an OTLP answer    | sent again: this is not an OTLP server                              |

A server that rejects part of a request does not say which entries. The last ones of the request are
counted instead; of metrics, as many samples as the server has rejected data points. With a
`dead_letter` sink all entries of the request go there, so that the rejected ones are among them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from pipeline.encode.otlp.answers import Partial, failure, read_answer
from pipeline.encode.otlp.requests import Requests
from pipeline.encode.otlp.resource import Resources
from pipeline.model.address_form import AUTH, HTTP, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, SinkContext
from pipeline.model.errors import Unavailable, untraced
from pipeline.model.pieces import size_of
from pipeline.support.plural import plural
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import (
    Answer,
    HttpClient,
    HttpSinkConfig,
    OverHttp,
    RequestFailed,
)
from pipeline.transport.net.errors import printable
from pipeline.transport.split_retry import Part, SplitRetry

log = logging.getLogger(__name__)

_VERSION: Final = version("dockline")
NO_READING: Final = "it has no sample of stats"


class Config(HttpSinkConfig, frozen=True, kw_only=True):
    """The server's address, and the content of the records."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes=HTTP,
            to="url",
            login=AUTH,
            example="otlp+http://collector:4318",
        ),
    )

    url: Annotated[
        str,
        msgspec.Meta(
            examples=["http://collector:4318", "http://victoriametrics:8428/opentelemetry"]
        ),
    ]
    """Address of the server, without `logs_path` and `metrics_path`."""
    body: Literal["message", "fields"] = "message"
    """Body of log records: the message, with parsed fields as attributes; or the parsed fields as a
    map, with the message as the attribute `log.record.original`."""
    labels: Annotated[
        tuple[str, ...] | None, msgspec.Meta(examples=[["com.docker.compose.project"]])
    ] = None
    """Container labels that become `container.label.NAME`; without this, all of them."""
    logs_path: Annotated[str, msgspec.Meta(pattern="^/")] = "/v1/logs"
    """Path for log records, appended to `url`."""
    metrics_path: Annotated[str, msgspec.Meta(pattern="^/", examples=["/api/v1/push"])] = (
        "/v1/metrics"
    )
    """Path for metrics, appended to `url`."""


@dataclass(slots=True)
class Signal:
    """The part of a payload that goes to one path: its logs or its metrics."""

    path: str
    """Path of the requests, appended to `url`."""
    unit: str
    """What the server counts in partial successes: `log record` or `data point`."""
    batches: Sequence[Batch]
    """The batches that the part is made of."""
    payload: Payload[SplitRetry]
    """The part's own payload."""


class Otlp(OverHttp[list[Signal]]):
    """Sends logs and metrics to one server, in separate requests."""

    most_values = 25_000  # some 25 ms

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._config = config
        self._name = context.name
        self._http = HttpClient([config.url], config, said=failure)
        resources = Resources(context.host, config.labels)
        self._requests = Requests(resources, config.body, _VERSION)
        self._warned = ""
        self._logs_taken, self._metrics_taken = Evidence(), Evidence()

    async def probe(self) -> None:
        """Succeeds if the server takes logs or metrics: many servers take only one of them."""
        headers = {"Content-Type": self._requests.content_type}
        try:
            await self._http.probe(self._config.logs_path, b"", headers)
        except Unavailable as problem:
            try:
                await self._http.probe(self._config.metrics_path, b"", headers)
            except Unavailable:
                raise problem from None

    def encode(self, batches: Sequence[Batch]) -> Payload[list[Signal]]:
        logs = _by_container([one for one in batches if one.source != "stats"])
        stats = [one for one in batches if one.source == "stats"]
        readings = [one for one in stats if one.samples is not None]
        refused = [
            (one, index, NO_READING)
            for one in stats
            if one.samples is None
            for index in range(len(one))
        ]
        signals = []
        if any(map(len, logs)):
            signals.append(self._logs(logs))
        if any(map(len, readings)):
            signals.append(self._metrics(readings))
        entries = sum(signal.payload.entries for signal in signals)
        size = sum(signal.payload.size for signal in signals)
        return Payload(signals, entries, size, refused=refused)

    def _logs(self, batches: Sequence[Batch]) -> Signal:
        to = self._requests
        whole = to.log_pieces(batches, time.time_ns())
        parts = SplitRetry(whole, batches, to.split_logs, to.join_logs, evidence=self._logs_taken)
        payload = Payload(parts, sum(map(len, batches)), size_of(whole))
        return Signal(self._config.logs_path, "log record", batches, payload)

    def _metrics(self, batches: Sequence[Batch]) -> Signal:
        to = self._requests
        whole = to.metrics(batches)
        taken = self._metrics_taken
        parts = SplitRetry(whole, batches, to.split_metrics, to.join_metrics, evidence=taken)
        payload = Payload(parts, sum(map(len, batches)), len(whole))
        return Signal(self._config.metrics_path, "data point", batches, payload)

    async def send(self, payload: Payload[list[Signal]]) -> None:
        trouble: Unavailable | None = None
        for signal in payload.data:
            inner = signal.payload
            known = len(inner.refused)
            try:
                await inner.data.send(inner, partial(self._post, signal))
            except Unavailable as error:
                if error.doubts is None:
                    raise
                trouble = trouble or untraced(error)  # the other signal is sent all the same
            finally:
                for one in inner.refused[known:]:
                    payload.refuse(*one)
        try:
            if trouble is not None:
                raise trouble
        finally:
            trouble = None  # breaks the reference cycle of exception and frame

    async def _post(self, signal: Signal, part: Part) -> None:
        kind = self._requests.content_type
        answer = await self._http.post(signal.path, part.body, {"Content-Type": kind})
        try:
            said = read_answer(answer.body, answer.headers.get("Content-Type", kind))
        except ValueError as error:
            raise RequestFailed(
                f"{answer.where} answers {answer.status} in a form that is not OTLP ({error}); "
                "check the path in `url`"
            ) from error
        if said.rejected:
            self._reject(signal, part, said, answer)
        elif said.message and said.message != self._warned:
            self._warned = said.message
            log.warning("sink %s: %s says: %s", self._name, answer.where, printable(said.message))

    def _reject(self, signal: Signal, part: Part, said: Partial, answer: Answer) -> None:
        """Refuses as many entries as were rejected, or all if there is a `dead_letter` sink."""
        count = min(said.rejected, len(part))
        rejected = f"{said.rejected} {plural(said.rejected, signal.unit)}"
        reason = f"{answer.where} rejected {rejected} of {len(part)} {plural(len(part), 'entry')}"
        if said.message:
            reason += f": {printable(said.message)}"
        first = 0 if self._config.dead_letter is not None else len(part) - count
        inner = signal.payload
        for index in range(first, len(part)):
            inner.refuse(*inner.data.place(part, index, inner), reason)


def _by_container(batches: Sequence[Batch]) -> list[Batch]:
    """The batches grouped by container, otherwise in the same order."""
    groups: dict[int, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(id(batch.container), []).append(batch)
    return [batch for group in groups.values() for batch in group]
