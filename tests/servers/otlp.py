"""Requests of OTLP as opentelemetry-proto reads them, and a receiver that rejects some of them.

The real ones, VictoriaLogs, VictoriaMetrics and Prometheus, neither reject a part of a request nor
fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from tests.servers.http_receiver import OK, Request, answer

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def read_logs(body: bytes) -> Any:
    """An `ExportLogsServiceRequest`."""
    return logs_service_pb2.ExportLogsServiceRequest.FromString(body)


def read_metrics(body: bytes) -> Any:
    """An `ExportMetricsServiceRequest`."""
    return metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)


def records(request: Any) -> list[Any]:
    """All log records of a request, in order."""
    return [
        record
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def messages(request: Any) -> list[str]:
    return [record.body.string_value for record in records(request)]


def plain(value: Any) -> Any:
    """An `AnyValue`, or attributes, as Python has them."""
    if hasattr(value, "WhichOneof"):
        kind = value.WhichOneof("value")
        if kind == "kvlist_value":
            return plain(value.kvlist_value.values)
        if kind == "array_value":
            return [plain(one) for one in value.array_value.values]
        return getattr(value, kind) if kind else None
    names = [pair.key for pair in value]
    assert len(set(names)) == len(names), f"a name twice: {names}"
    return {pair.key: plain(pair.value) for pair in value}


def some_rejected(rejected: int, message: str, content_type: str = PROTOBUF) -> bytes:
    """A whole answer that says so."""
    body, kind = partial(rejected, message, content_type)
    return answer(200, body, Content_Type=kind)


def partial(rejected: int, message: str, content_type: str = PROTOBUF) -> tuple[bytes, str]:
    """The body and the content type of an answer to a request of logs."""
    answer = logs_service_pb2.ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = rejected
    answer.partial_success.error_message = message
    if content_type == JSON:
        return json_format.MessageToJson(answer).encode(), JSON
    return answer.SerializeToString(), PROTOBUF


class Collector:
    """A judge for `http_receiver` that reads the requests. `answers` may have another answer than
    `OK` for one, given as opentelemetry-proto has it; None for `OK`."""

    def __init__(self, answers: Callable[[Any], bytes | None] = lambda request: None) -> None:
        self.answers = answers
        self.taken: list[Any] = []
        """The requests that were answered with 2xx, in order."""

    def __call__(self, request: Request) -> bytes:
        logs = request.path.endswith("/logs")
        assert request.headers["content-type"] == PROTOBUF
        read = (read_logs if logs else read_metrics)(request.body)
        said = self.answers(read) or OK
        if said.startswith(b"HTTP/1.1 2"):
            self.taken.append(read)
        return said

    @property
    def messages(self) -> list[str]:
        """Of all log records that were taken."""
        logs = [one for one in self.taken if hasattr(one, "resource_logs")]
        return [message for one in logs for message in messages(one)]

    @property
    def readings(self) -> list[Any]:
        """All that were taken, of metrics."""
        metrics = [one for one in self.taken if hasattr(one, "resource_metrics")]
        return [reading for one in metrics for reading in one.resource_metrics]
