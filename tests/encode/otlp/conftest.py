"""The two forms of OTLP requests, which are to say the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.batch import Batch
from pipeline.encode.otlp import Requests
from pipeline.encode.otlp.json import JsonRequests
from pipeline.encode.otlp.protobuf import ProtobufRequests
from pipeline.encode.otlp.records import Body
from pipeline.encode.otlp.resource import Resources
from tests.servers.otlp import read_logs, read_metrics, records

OBSERVED = 1_800_000_000_000_000_000


@dataclass(frozen=True)
class Form:
    """One of them, and what opentelemetry-proto reads of it."""

    kind: type[Any]

    def requests(
        self,
        body: Body = "message",
        host: str = "",
        labels: Collection[str] | None = None,
    ) -> Requests:
        made: Requests = self.kind(Resources(host, labels), body, "1.2.3")
        return made

    def logs(self, *batches: Batch, **options: Any) -> Any:
        requests = self.requests(**options)
        return read_logs(requests.logs(batches, OBSERVED), requests.content_type)

    def records(self, *batches: Batch, **options: Any) -> list[Any]:
        return records(self.logs(*batches, **options))

    def metrics(self, *batches: Batch, **options: Any) -> Any:
        requests = self.requests(**options)
        return read_metrics(requests.metrics(batches), requests.content_type)


@pytest.fixture(params=[ProtobufRequests, JsonRequests], ids=["protobuf", "json"])
def form(request: pytest.FixtureRequest) -> Form:
    return Form(request.param)
