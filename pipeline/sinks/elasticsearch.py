"""Elasticsearch, OpenSearch, and other servers that take their bulk requests.

```toml
[sinks.search]
type = "elasticsearch"
urls = ["https://es-1:9200", "https://es-2:9200"]
api_key = "${ES_API_KEY}"
index = "logs-docker.{source}-default"       # a data stream; "docker-%Y.%m.%d" is an index a day
```

- **Documents** have the names of the Elastic Common Schema.
- **The index** is a text with expressions in braces, and with `%Y`, `%m`, `%d` and `%H` of the
  entry's time (UTC). The result is in lower case, with `_` for characters that a name cannot have.
  The default matches the data streams that Elasticsearch creates for `logs-*-*`; OpenSearch creates
  indices with these names, or data streams if there is a template for them.
- **Each document has an `_id`** made of its container, source, route, time, sequence and part, and
  is sent with `create`: if it is sent again, the answer is 409, and it is not stored twice. This
  holds within an index: if a data stream has rolled over in between, a document may be duplicated.
- **Several nodes** are used in turn; one that fails is skipped for half a minute.

An entry counts as delivered when its result in the answer is 2xx or 409. Entries with 429 or 5xx
are sent again, without the others. Those with another status are refused with Elasticsearch's type
and reason, and may go to the `dead_letter` sink: documents that do not fit the index at once,
others only when something else was taken, since the index or its template may be wrong. 401, 403,
404 and 500 may be caused by the configuration or the server: entries with these are sent again too,
and refused only after ten times, if others have been taken. An answer that is cut short, not JSON,
or has another number of results is no success: everything is sent again; if it persists, it is
treated like 500. The status of a whole request means the same as for the `http` sink.
The API: https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal

import msgspec
from yarl import URL

from pipeline.encode.bulk import (
    BulkEncoder,
    Index,
    Result,
    are_all_created,
    pairs,
    results,
)
from pipeline.expression import compile_template
from pipeline.model.address_form import AUTH, HTTP, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Secret, SinkContext
from pipeline.model.errors import ConfigError
from pipeline.model.pieces import Pieces, size_of
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
"""The `filter_path`: it makes an answer twenty times smaller."""
ALREADY_STORED = 409
"""The status of a document whose `_id` exists already."""
OF_THE_DOCUMENT = (
    "document_parsing_exception",
    "mapper_parsing_exception",
    "strict_dynamic_mapping_exception",
)
"""Error types that are always caused by the document, not by the configuration of the sink."""
DUBIOUS = frozenset((401, 403, 404, 500))
"""Statuses of a result that the entry, the configuration or the server may have caused."""


class Config(HttpSinkConfig, frozen=True, kw_only=True):
    """The nodes, the credentials, and the name of the index."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes=HTTP,
            to="urls",
            many=True,
            login=AUTH,
            example="elasticsearch+https://es-1:9200,es-2:9200",
        ),
    )

    urls: Annotated[list[str], msgspec.Meta(min_length=1, examples=[["https://es-1:9200"]])]
    """Addresses of the nodes, each with the path before `/_bulk` if there is one."""
    api_key: Annotated[Secret | None, msgspec.Meta(examples=["${ES_API_KEY}"])] = None
    """API key, as `id:key` or encoded, instead of `auth`."""
    index: str = "logs-docker.{source}-default"
    """Name of the index, or of the data stream."""
    ids: bool = True
    """Whether the sink sets the `_id` of documents. Without it, Elasticsearch indexes faster, and
    stores an entry twice that is sent twice."""
    parameters: Annotated[dict[str, str], msgspec.Meta(examples=[{"pipeline": "docker"}])] = (
        msgspec.field(default_factory=dict)
    )
    """Parameters of the requests, such as `pipeline` for an ingest pipeline."""
    compression: Literal["none", "gzip"] = "gzip"
    """Compression of requests. Elasticsearch and OpenSearch take nothing but gzip."""


class BulkSplitRetry(SplitRetry):
    """A payload of a bulk request, with the results of entries that may or may not be at fault."""

    def __init__(self, whole: Pieces, batches: Sequence[Batch], evidence: Evidence) -> None:
        super().__init__(whole, batches, pairs, evidence=evidence)
        self.taken = False
        """Whether any entry of the payload has been taken."""
        self.doubts: Counter[int] = Counter()
        """How often each entry, by index, had a result of `DUBIOUS`."""
        self.taken_before: int | None = None
        """How many requests had been taken when all entries were first rejected; None before."""

    def is_proven(self) -> bool:
        """Whether the configuration is proven to work, so that a rejection is an entry's fault.

        It is if an entry of this payload was taken, or another request since all entries of this
        one were rejected.
        """
        if self.taken_before is None:
            self.taken_before = self.evidence.taken
        return self.taken or self.evidence.taken > self.taken_before


class Elasticsearch(OverHttp[BulkSplitRetry]):
    """Makes bulk requests, and decides what the results in an answer mean.

    What the status of a whole request means is decided in `pipeline.transport.http` and
    `split_retry`.
    """

    def __init__(self, config: Config, context: SinkContext) -> None:
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
        whole = self._encoder.pieces(batches)
        data = BulkSplitRetry(whole, batches, self._evidence)
        return Payload(data, sum(map(len, batches)), size_of(whole))

    async def send(self, payload: Payload[BulkSplitRetry]) -> None:
        await payload.data.send(payload, partial(self._post, payload))

    async def _post(self, payload: Payload[BulkSplitRetry], part: Part) -> None:
        answer = await self._http.post(self._path, part.body, self._headers)
        data = payload.data
        if are_all_created(answer.body, len(part)):
            data.taken = True
            return
        found = _results(answer, len(part))
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
        if not left and not any(taken):  # everything is rejected: let `SplitRetry` decide
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
            raise TooLarge(f"the answer of {answer.where} is too long", answer.status) from error
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
    """The configuration with `api_key` as a header `Authorization`."""
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
