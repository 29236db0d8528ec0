"""Elasticsearch and OpenSearch, and whatever else takes their bulk requests.

```toml
[sinks.search]
type = "elasticsearch"
urls = ["https://es-1:9200", "https://es-2:9200"]
api_key = "${ES_API_KEY}"
index = "logs-docker.{source}-default"       # a data stream; "docker-%Y.%m.%d" is an index a day
```

- **Documents** have the names of the Elastic Common Schema.
- **The index** is a text with expressions in braces, and with `%Y`, `%m`, `%d` and `%H` of the
  entry's time (UTC). It comes out in lower case, `_` for characters that a name cannot have. The
  default fits the data streams that Elasticsearch makes by itself of `logs-*-*`; OpenSearch makes
  indices of these names, or data streams where there is a template for them.
- **Each document has an `_id`** made of its container, source, route, time, sequence and part, and
  is sent with `create`: what is sent again is answered with 409, and not stored twice. Within an
  index, that is: when a data stream has rolled over in between, it may be.
- **Several nodes** are used in turn; one that fails is left alone for half a minute.

An entry counts as delivered when its result in the answer is 2xx or 409. Entries with 429 or 5xx
are sent again, alone; those with another status are refused with Elasticsearch's type and reason,
and may go to the `dead_letter` sink: documents that do not fit the index at once, for any other
reason when something else was taken, since the index or its template may be wrong. 401, 403, 404
and 500 may be the configuration's or the server's own fault: entries with these are sent again too,
and refused only after ten times, where others have been taken. An answer that is cut short, no
JSON, or of another number of results is no success: all is sent again; one that comes for ever is
dealt with as 500 is. What whole requests are answered with means what it does for the `http` sink.
The API: https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import msgspec
from yarl import URL

from pipeline.encode.bulk import BulkEncoder, Index, Result, pairs, results
from pipeline.expression import compile_template
from pipeline.model.batch import Batch
from pipeline.model.component import Context, Payload, Secret
from pipeline.model.errors import ConfigError
from pipeline.support.plural import plural
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import (
    LARGEST_ANSWER,
    Answer,
    HttpClient,
    HttpSinkConfig,
    OverHttp,
    Rejected,
    ServerFault,
    TooLarge,
)
from pipeline.transport.net.errors import printable
from pipeline.transport.split_retry import (
    LONG,
    AllLeftRejected,
    EntriesLeft,
    EntriesRejected,
    Part,
    SplitRetry,
)

WANTED = "items.*.status,items.*.error.type,items.*.error.reason"
"""Of an answer: a twentieth of it."""
ALREADY_STORED = 409
OF_THE_DOCUMENT = (
    "document_parsing_exception",
    "mapper_parsing_exception",
    "strict_dynamic_mapping_exception",
)
"""Errors that no configuration of a sink is the cause of."""
DUBIOUS = frozenset((401, 403, 404, 500))
"""Results that may be the fault of the entry, the configuration or the server."""


class Config(HttpSinkConfig, frozen=True, kw_only=True):
    """Where the nodes are, and which index takes what."""

    urls: Annotated[list[str], msgspec.Meta(min_length=1, examples=[["https://es-1:9200"]])]
    """Addresses of the nodes that take requests, and the path before `/_bulk` if there is one."""
    api_key: Annotated[Secret | None, msgspec.Meta(examples=["${ES_API_KEY}"])] = None
    """An API key, as `id:key` or encoded, instead of `auth`."""
    index: str = "logs-docker.{source}-default"
    """Name of the index, or of the data stream."""
    ids: bool = True
    """Whether documents have an `_id` of ours. Without, Elasticsearch indexes more quickly, and
    stores twice what is sent twice."""
    parameters: Annotated[dict[str, str], msgspec.Meta(examples=[{"pipeline": "docker"}])] = (
        msgspec.field(default_factory=dict)
    )
    """Parameters of the requests, such as `pipeline` for an ingest pipeline."""
    compression: Literal["none", "gzip"] = "gzip"
    """How requests are compressed; neither Elasticsearch nor OpenSearch takes anything else."""


class BulkSplitRetry(SplitRetry):
    """Remembers what has been said of entries that may or may not be to blame."""

    def __init__(self, whole: bytes, batches: Sequence[Batch], evidence: Evidence) -> None:
        super().__init__(whole, batches, pairs, evidence=evidence)
        self.taken = False
        """Whether any entry has been."""
        self.doubts: Counter[int] = Counter()
        """How often an entry's result was dubious."""
        self.taken_before: int | None = None
        """How many requests had been taken when all of it was first rejected."""

    def is_proven(self) -> bool:
        """Whether anything was taken that speaks for the configuration: of this payload, or since
        all of it was rejected."""
        if self.taken_before is None:
            self.taken_before = self.evidence.taken
        return self.taken or self.evidence.taken > self.taken_before


class Elasticsearch(OverHttp[BulkSplitRetry]):
    """Says what a request looks like, and what the results in its answer mean; the transport knows
    what whole answers mean."""

    def __init__(self, config: Config, context: Context) -> None:
        self._http = HttpClient(config.urls, _with_key(config), key="urls")
        parameters = config.parameters | {"filter_path": WANTED}
        self._path = str(URL("/_bulk").with_query(parameters))
        self._headers = {"Content-Type": "application/x-ndjson"}
        try:
            index = Index(config.index, compile_template)
        except ConfigError as error:
            raise ConfigError(error.message, "index", error.column) from None
        self._evidence = Evidence()
        self._encoder = BulkEncoder(index, ids=config.ids, host=context.host)

    async def probe(self) -> None:
        await self._http.probe(self._path, b"", self._headers)

    def encode(self, batches: Sequence[Batch]) -> Payload[BulkSplitRetry]:
        whole = self._encoder.encode(batches)
        data = BulkSplitRetry(whole, batches, self._evidence)
        return Payload(data, sum(map(len, batches)), len(whole))

    async def send(self, payload: Payload[BulkSplitRetry]) -> None:
        await payload.data.send(payload, partial(self._post, payload))

    async def _post(self, payload: Payload[BulkSplitRetry], part: Part) -> None:
        answer = await self._http.post(self._path, part.body, self._headers)
        found = _results(answer, len(part))
        data = payload.data
        taken = [200 <= one.status < 300 or one.status == ALREADY_STORED for one in found]
        data.taken = data.taken or any(taken)
        if all(taken):
            return
        is_proven, left, bad = data.is_proven(), [], dict[int, str]()
        for index, result in enumerate(found):
            if taken[index]:
                continue
            is_it = is_proven or result.error.startswith(OF_THE_DOCUMENT)
            if not is_it or _worth_another(data, part.indexes[index], result):
                left.append(index)
            else:
                bad[index] = _reason(result)
        if not left and not any(taken):  # of which nothing is known but that
            raise EntriesRejected(Rejected(bad[0], found[0].status), bad)
        for index, reason in bad.items():
            payload.refuse(*data.place(part, index, payload), reason)
        if left:
            said = f"{len(left)} of {len(part)} {plural(len(part), 'entry')}"
            said = f"{answer.where} has not taken {said}; the first: {_reason(found[left[0]])}"
            if not is_proven and not any(result.status == 429 for result in found):
                raise AllLeftRejected(said, left, taken=False)
            raise EntriesLeft(said, left, taken=any(taken))


def _results(answer: Answer, count: int) -> list[Result]:
    try:
        return results(answer.body, count)
    except ValueError as error:
        if len(answer.body) >= LARGEST_ANSWER:
            raise TooLarge(f"{answer.where} has more to say than is read", answer.status) from error
        said = printable(answer.body[:1000].decode("utf-8", "replace")) or "nothing"
        raise ServerFault(
            f"what {answer.where} says {error}: {said}; check that it is Elasticsearch"
        ) from error


def _worth_another(data: BulkSplitRetry, entry: int, result: Result) -> bool:
    if result.status in DUBIOUS:
        data.doubts[entry] += 1
        return data.doubts[entry] < LONG
    return result.status == 429 or result.status >= 500


def _reason(result: Result) -> str:
    return printable(f"{result.status} {result.error}")


def _with_key(config: Config) -> Config:
    """The key as a header like any other."""
    if config.api_key is None:
        return config
    if config.auth is not None:
        raise ConfigError("write either auth or api_key", "api_key")
    key = str(config.api_key)
    if ":" in key:
        key = base64.b64encode(key.encode()).decode()
    if any(name.lower() == "authorization" for name in config.headers):
        raise ConfigError("write either a header Authorization or api_key", "api_key")
    headers = config.headers | {"Authorization": Secret(f"ApiKey {key}")}
    return msgspec.structs.replace(config, headers=headers)
