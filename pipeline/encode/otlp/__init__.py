"""Batches as requests of the OpenTelemetry protocol, OTLP 1.x, in protobuf or in JSON.

Logs and events become log records (`records`), stats become metrics (`metrics`); `resource` says
what is known of their container, `values` how a value is written, and `answers` reads what the
server says of it all. `protobuf` and `json` write the same things in the two forms.

The protocol: https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol

from pipeline.batch import Batch


class Requests(Protocol):
    """Writes requests in one of the forms, for one destination."""

    content_type: ClassVar[str]

    def logs(self, batches: Iterable[Batch], observed: int) -> bytes:
        """An `ExportLogsServiceRequest`. `observed` is in nanoseconds since the epoch."""

    def split_logs(self, request: bytes) -> list[bytes]:
        """A request for each log record, in order."""

    def join_logs(self, requests: Sequence[bytes]) -> bytes:
        """One request of many; what is of the same container is put together."""

    def metrics(self, batches: Iterable[Batch]) -> bytes:
        """An `ExportMetricsServiceRequest`, with a `ResourceMetrics` for each entry of `batches`,
        which all have samples."""

    def split_metrics(self, request: bytes) -> list[bytes]:
        """A request for each reading, in order."""

    def join_metrics(self, requests: Sequence[bytes]) -> bytes:
        """One request of many."""
