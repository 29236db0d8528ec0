"""VictoriaLogs, over its JSON stream API: the fastest of its APIs.

```toml
[sinks.store]
type = "victorialogs"
url = "http://victorialogs:9428"
```

Each container is a stream: `stream_fields` has the fields that define a stream, whose values should
change rarely. All other fields can be searched too, such as `status:500` or `log.level:error`. They
have the names of the Elastic Common Schema, with dots for nested objects. A multi-tenant server
needs `tenant = "7:1"`.

Answers mean the same as for the `http` sink, except that a web page, such as a login page, is not a
success, whatever its status. VictoriaLogs does not report single lines that it cannot use: it
counts them in its own `vl_rows_dropped_total`. It stores an entry twice that was sent twice;
`event.sequence` identifies duplicates. The API:
https://docs.victoriametrics.com/victorialogs/data-ingestion/#json-stream-api
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec
from yarl import URL

from pipeline.encode.json import JsonEncoder
from pipeline.model.address_form import AUTH, HTTP, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, SinkContext
from pipeline.model.errors import ConfigError
from pipeline.model.pieces import size_of
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import HttpClient, HttpSinkConfig, OverHttp
from pipeline.transport.split_retry import Part, SplitRetry, lines


class Config(HttpSinkConfig, frozen=True, kw_only=True):
    """The address of VictoriaLogs, and the fields of its streams."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes=HTTP,
            to="url",
            login=AUTH,
            example="victorialogs+http://victorialogs:9428",
        ),
    )

    url: Annotated[str, msgspec.Meta(examples=["http://victorialogs:9428"])]
    """Address of VictoriaLogs, `vlinsert` or `vlagent`, with the path before `/insert` if there is
    one."""
    stream_fields: list[str] = msgspec.field(
        default_factory=lambda: ["host.name", "container.name", "stream"]
    )
    """Fields that define a stream (`_stream`): few, with values that change rarely."""
    ignore_fields: list[str] = msgspec.field(default_factory=list)
    """Fields that are not stored."""
    compression: Literal["none", "gzip"] = "gzip"
    """Compression of requests. There is no `zstd`, since versions that do not know it drop the
    entries and answer with success."""
    tenant: Annotated[
        str | None, msgspec.Meta(pattern=r"^\d{1,10}(:\d{1,10})?$", examples=["7:1"])
    ] = None
    """Tenant, as `AccountID` or `AccountID:ProjectID`."""


class VictoriaLogs(OverHttp[SplitRetry]):
    """Sends a request for each payload, to `/insert/jsonline`."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        if not config.stream_fields:
            raise ConfigError("at least one field must define the streams", "stream_fields")
        query = {
            "_stream_fields": ",".join(config.stream_fields),
            "_msg_field": "message",
            "_time_field": "@timestamp",
        }
        if config.ignore_fields:
            query["ignore_fields"] = ",".join(config.ignore_fields)
        self._path = str(URL("/insert/jsonline").with_query(query))
        self._headers = {"Content-Type": "application/stream+json"}
        if config.tenant:
            account, _, project = config.tenant.partition(":")
            self._headers |= {"AccountID": account, "ProjectID": project or "0"}
        self._http = HttpClient(
            [config.url], config, probe="/health", pages=False, own=self._headers
        )
        self._json = JsonEncoder(host=context.host)
        self._evidence = Evidence()

    async def probe(self) -> None:
        await self._http.probe(self._path, b"", self._headers)

    def encode(self, batches: Sequence[Batch]) -> Payload[SplitRetry]:
        whole = self._json.pieces(batches)
        data = SplitRetry(whole, batches, lines, evidence=self._evidence)
        return Payload(data, sum(map(len, batches)), size_of(whole))

    async def send(self, payload: Payload[SplitRetry]) -> None:
        await payload.data.send(payload, self._post)

    async def _post(self, part: Part) -> None:
        await self._http.post(self._path, part.body, self._headers)
