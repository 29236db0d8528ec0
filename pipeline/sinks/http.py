"""Any server that takes JSON over HTTP, such as a collector or a script of your own.

```toml
[sinks.collector]
type = "http"
url = "https://collector.example.com/ingest?source=docker"
auth = { bearer = "${COLLECTOR_TOKEN}" }
compression = "zstd"
```

A request has many entries, with the names of the Elastic Common Schema: one per line
(`application/x-ndjson`), or with `format = "array"` in one JSON array (`application/json`). A
`Content-Type` in `headers` replaces these.

An entry counts as delivered when its request was answered with 2xx. After 408, 425, 429, 5xx or no
answer the request is retried, as `Retry-After` says; so it is after redirects, 401, 403, 404, 405,
407 and 415, which mostly mean a wrong configuration. After 413 or another 4xx it is split in
halves until the rejected entries are found: these are refused, and may go to the `dead_letter`
sink; the others are delivered. While the server takes nothing at all, the configuration is probably
wrong: nothing is refused, and the sink counts as down. A single entry that always makes the server
answer 403, 500 or 503 is found in the same way, once others have been taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, SinkContext
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import HttpClient, HttpSinkConfig, OverHttp
from pipeline.transport.split_retry import Part, SplitRetry, lines

_TYPES = {"ndjson": "application/x-ndjson", "array": "application/json"}


class Config(HttpSinkConfig, frozen=True, kw_only=True):
    """The address, and the format of the requests."""

    url: Annotated[str, msgspec.Meta(examples=["https://collector.example.com/ingest"])]
    """Address of the requests, with path and query."""
    method: Literal["POST", "PUT"] = "POST"
    """Method of the requests."""
    format: Literal["ndjson", "array"] = "ndjson"
    """Body of a request: a line per entry, or one JSON array."""


class HttpSink(OverHttp[SplitRetry]):
    """Sends entries as JSON over HTTP.

    What answers mean is decided in `pipeline.transport.http` and `split_retry`.
    """

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._http = HttpClient([config.url], config, own=())
        self._json = JsonEncoder(host=context.host)
        self._method = config.method
        self._array = config.format == "array"
        self._headers = {}
        if not any(name.lower() == "content-type" for name in config.headers):
            self._headers["Content-Type"] = _TYPES[config.format]
        self._evidence = Evidence()

    def reached(self) -> str:
        reached, status = super().reached(), self._http.status
        return f"{reached}, which answers {status} to GET" if status in (403, 404) else reached

    async def probe(self) -> None:
        self._http.probe_by_get()

    def encode(self, batches: Sequence[Batch]) -> Payload[SplitRetry]:
        whole = self._json.encode(batches)
        data = SplitRetry(whole, batches, lines, evidence=self._evidence)
        return Payload(data, sum(map(len, batches)), len(whole))

    async def send(self, payload: Payload[SplitRetry]) -> None:
        await payload.data.send(payload, self._post)

    async def _post(self, part: Part) -> None:
        body = part.body
        if self._array:
            body = b"[" + body[:-1].replace(b"\n", b",") + b"]"  # JSON escapes line feeds
        await self._http.post("", body, self._headers, method=self._method)
