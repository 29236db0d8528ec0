"""Requests of OTLP as they are written, and as opentelemetry-proto reads them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pipeline.encode.otlp.records import Body
from pipeline.encode.otlp.requests import Requests
from pipeline.encode.otlp.resource import Resources
from pipeline.model.batch import Batch
from tests.servers.otlp import read_logs, read_metrics, records

OBSERVED = 1_800_000_000_000_000_000


def requests(
    body: Body = "message", host: str = "", labels: Collection[str] | None = None
) -> Requests:
    return Requests(Resources(host, labels), body, "1.2.3")


def logs(*batches: Batch, **options: Any) -> Any:
    return read_logs(requests(**options).logs(batches, OBSERVED))


def log_records(*batches: Batch, **options: Any) -> list[Any]:
    return records(logs(*batches, **options))


def metrics(*batches: Batch, **options: Any) -> Any:
    return read_metrics(requests(**options).metrics(batches))
