"""Grafana Loki, and other servers that take its push requests.

```toml
[sinks.loki]
type = "loki"
url = "http://loki:3100"
labels = { container_name = "{container.name}", team = "{container.labels.team}" }
metadata = { trace_id = "{trace_id}" }
```

- **Labels** define the streams, which Loki indexes: choose few labels with few values. Each is a
  text with expressions in braces, and is left out if it is empty. If a label depends on the entry,
  such as `"{stream}"`, a container may have up to `max_streams` streams; an entry that would begin
  another one has those labels as structured metadata instead.
- **Structured metadata** has the rest: `container_id`, `stream`, `level`, `event_sequence`,
  `event_part`, `log_flags`, and what `metadata` adds. It needs Loki 3, or 2.9 with
  `allow_structured_metadata`; otherwise set `structured_metadata = false`.
- **The line** is the message, or with `line = "json"` the whole entry with the names of the Elastic
  Common Schema.
- **Order**: entries of a stream are sent together, in the order in which they were read. stdout and
  stderr of one container may be out of order by some milliseconds, which Loki accepts by default.

An entry counts as delivered when its request was answered with 2xx. After 429, 5xx or no answer the
request is retried, as `Retry-After` says; after 413 it is split in halves. After 400, the entries
that Loki names as too old, too far behind or too long are refused, and may go to the `dead_letter`
sink. If Loki named all entries that were too old or too long, it has stored the others; otherwise
these are sent again. Loki drops a duplicate within a stream, unless it shards the stream, as it
does by default above 1.5 MB/s (`limits_config.shard_streams`): then a copy may end up in another
shard. 260 means that Loki is configured to block the tenant: all of the request is refused. While
Loki takes nothing, nothing else is refused. Redirects, 401, 403, 404, 405, 407 and 415 are retried,
since they mostly mean a wrong configuration.
The API: https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal

import msgspec

from pipeline.encode.json import JsonEncoder
from pipeline.encode.level import LEVELS, UNKNOWN, severities
from pipeline.encode.loki.encoder import LokiEncoder, StreamFields
from pipeline.encode.loki.errors import are_others_stored, blamed
from pipeline.encode.loki.wire import Entry, Json, Protobuf
from pipeline.encode.protobuf import varint
from pipeline.expression import compile_template
from pipeline.model.address_form import AUTH, HTTP, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, SinkContext
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError
from pipeline.model.extras import needed
from pipeline.model.pieces import Pieces, in_pieces, size_of
from pipeline.support.rate_limit import RateLimit
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import HttpClient, HttpSinkConfig, OverHttp, Rejected
from pipeline.transport.net.errors import printable
from pipeline.transport.split_retry import EntriesRejected, Part, SplitRetry

log = logging.getLogger(__name__)

PUSH = "/loki/api/v1/push"
BLOCKED = 260
"""Loki's default status for a tenant that it is configured to block."""
IN_THREAD = 2**17
"""Bytes from which a request is compressed in a thread; that many take a third of a millisecond."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Config(HttpSinkConfig, frozen=True, kw_only=True):
    """The address of Loki, and the labels and content of its streams."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes=HTTP,
            to="url",
            login=AUTH,
            example="loki+http://loki:3100",
        ),
    )

    url: Annotated[str, msgspec.Meta(examples=["http://loki:3100"])]
    """Address of Loki, with the path before `/loki/api/v1/push` if there is one."""
    tenant: Annotated[str | None, msgspec.Meta(pattern=r"^[!-~]{1,150}$", examples=["shop"])] = None
    """Tenant (`X-Scope-OrgID`), if Loki has several."""
    labels: dict[_Name, str] = msgspec.field(
        default_factory=lambda: {
            "container_name": "{container.name}",
            "compose_project": "{container.project}",
            "compose_service": "{container.service}",
            "host": "{container.host}",
        }
    )
    """Labels of the streams. A table of your own replaces all of these."""
    level_label: bool = False
    """Makes the level a label `level` instead of structured metadata. Each stream becomes up to
    nine."""
    max_streams: Annotated[int, msgspec.Meta(ge=1)] = 100
    """Most streams of one container, if labels depend on the entry."""
    metadata: dict[_Name, str] = msgspec.field(default_factory=dict)
    """Additional structured metadata: `{ trace_id = "{trace_id}" }`."""
    structured_metadata: bool = True
    """Whether to send structured metadata."""
    line: Literal["message", "json"] = "message"
    """Content of the line: the message, or the whole entry as JSON."""
    encoding: Literal["protobuf", "json"] = "protobuf"
    """`protobuf`, compressed with snappy, is what Loki's own agents send; `json` is for servers
    that do not take protobuf."""
    compression: Literal["none", "gzip"] = "gzip"
    """Compression of requests in JSON."""


class LokiSplitRetry(SplitRetry):
    """A payload of a Loki push request. Entries are only separated if one of them is rejected."""

    def __init__(self, encoder: LokiEncoder, batches: Sequence[Batch], evidence: Evidence) -> None:
        super().__init__(encoder.pieces(batches), batches, evidence=evidence)
        self._encoder = encoder
        self._entries: list[Entry] = []

    def entries(self, part: Part) -> list[Entry]:
        """The entries of `part`, in the order of its indexes."""
        entries = self._all()
        return [entries[index] for index in part.indexes]

    def _all(self) -> list[Entry]:
        self._entries = self._entries or self._encoder.entries(self._batches)
        return self._entries

    def split(self, whole: bytes) -> list[bytes]:
        """The entries' indexes as text, in place of the entries.

        Their bytes cannot be cut out of a request, which groups entries by stream.
        """
        return [b"%d" % number for number in range(len(self._all()))]

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """A request with the entries of these indexes, encoded anew."""
        entries = self._all()
        return self._encoder.request(entries[int(number)] for number in pieces)


class Loki(OverHttp[LokiSplitRetry]):
    """Makes push requests, and finds the entries that an answer rejects.

    What other answers mean is decided in `pipeline.transport.http` and `split_retry`.
    """

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._name = context.name
        url = config.url.rstrip("/").removesuffix(PUSH)
        self._protobuf = config.encoding == "protobuf"
        self._headers = {"Content-Type": "application/json"}
        if self._protobuf:
            self._snappy = needed("cramjam", "loki").snappy
            self._headers = {"Content-Type": "application/x-protobuf"}
        if config.tenant:
            self._headers["X-Scope-OrgID"] = config.tenant
        self._http = HttpClient([url], config, probe="/ready", pages=False, own=self._headers)
        self._warnings, self._evidence = RateLimit(), Evidence()
        json = JsonEncoder(host=context.host)
        self._encoder = LokiEncoder(
            Protobuf() if self._protobuf else Json(),
            _labels(config),
            _metadata(config),
            lines=partial(_objects, json) if config.line == "json" else None,
            most_streams=config.max_streams,
            host=context.host,
            overflows=self._overflows,
        )

    async def probe(self) -> None:
        body = await self._compressed(b"") if self._protobuf else b'{"streams":[]}'
        await self._http.probe(PUSH, body, self._headers, compressed=not self._protobuf)

    def encode(self, batches: Sequence[Batch]) -> Payload[LokiSplitRetry]:
        count = sum(map(len, batches))
        data = LokiSplitRetry(self._encoder, batches, self._evidence)
        return Payload(data, count, size_of(data.whole) if count else 0)

    async def send(self, payload: Payload[LokiSplitRetry]) -> None:
        await payload.data.send(payload, partial(self._post, payload))

    async def _post(self, payload: Payload[LokiSplitRetry], part: Part) -> None:
        body = await self._compressed(part.body) if self._protobuf else part.body
        compressed = not self._protobuf
        try:
            answer = await self._http.post(PUSH, body, self._headers, compressed=compressed)
        except Rejected as rejected:
            said = rejected.body.decode("utf-8", "replace")
            reasons = blamed(said, payload.data.entries(part))
            if not reasons or rejected.status != 400:
                raise
            stored = are_others_stored(said, reasons)
            raise EntriesRejected(rejected, reasons, taken=stored) from rejected
        if answer.status == BLOCKED:
            said = printable(answer.body.decode("utf-8", "replace"))
            reason = f"{answer.where} answers 260, as it is configured to block this tenant: {said}"
            raise EntriesRejected(
                Rejected(reason, BLOCKED), dict.fromkeys(range(len(part)), reason)
            )

    async def _compressed(self, body: Pieces) -> bytes:
        if size_of(body) < IN_THREAD:
            return snappy(self._snappy.compress_raw, body)
        return await asyncio.to_thread(snappy, self._snappy.compress_raw, body)

    def _overflows(self, container: Container) -> None:
        if self._warnings():
            log.warning(
                "sink %s: container %s has reached max_streams; labels that depend on the entry "
                "are structured metadata from now on",
                self._name,
                container.name,
            )


def snappy(compress: Callable[[bytes], bytes], body: Pieces) -> bytes:
    """A whole block of snappy, of pieces that `compress` makes blocks of: all refer to what stands
    before in their own block only, so they stand behind each other, without their lengths."""
    blocks = ((piece, bytes(compress(piece))) for piece in in_pieces(body))
    bare = (block[len(varint(len(piece))) :] for piece, block in blocks)
    return b"".join([varint(size_of(body)), *bare])


def _labels(config: Config) -> StreamFields:
    found = _columns(config.labels, "labels")
    if config.level_label:
        if "level" in found.names:
            raise ConfigError("the level is one of the labels already", "level_label")
        found.varying["level"] = _levels
    return found


def _metadata(config: Config) -> StreamFields | None:
    found = _columns(config.metadata, "metadata")
    if not config.structured_metadata:
        if found.names:
            raise ConfigError("metadata needs structured_metadata = true", "metadata")
        return None
    for name in found.names & (config.labels.keys() | ({"level"} if config.level_label else set())):
        raise ConfigError("that is the name of a label", f"metadata.{name}")
    return found


def _columns(templates: dict[str, str], key: str) -> StreamFields:
    found = StreamFields()
    for name, text in templates.items():
        try:
            template = compile_template(text)
        except ConfigError as error:
            raise ConfigError(error.message, f"{key}.{name}", error.column) from None
        (found.constant if template.is_constant else found.varying)[name] = template
    return found


def _levels(batch: Batch) -> list[str]:
    levels = severities(batch)
    if levels is None:
        return [""] * len(batch)
    return ["" if level == UNKNOWN else LEVELS[level] for level in levels]


def _objects(json: JsonEncoder, batch: Batch) -> list[bytes]:
    return json.encode([batch]).split(b"\n")[:-1]
