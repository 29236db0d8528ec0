"""OTLP requests in JSON: Protocol Buffers' own, but ids are hexadecimal digits.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, ClassVar, Final

import orjson

from pipeline.batch import STREAM_NAMES, Batch, Container
from pipeline.cadvisor import Number
from pipeline.encode.dumps import dumps
from pipeline.encode.otlp import records
from pipeline.encode.otlp.metrics import CUMULATIVE, Metric, Point, measured, started
from pipeline.encode.otlp.records import SEVERITIES, Body, Fields, Traced
from pipeline.encode.otlp.resource import Resources
from pipeline.encode.otlp.values import is_int64, json, json_double, json_pairs, short
from pipeline.rendered import RENDERED

_NO_TRACE: Final[Traced] = ("", "")


class JsonRequests:
    """Writes requests, for one destination."""

    content_type: ClassVar[str] = "application/json"

    def __init__(self, resources: Resources, body: Body, version: str) -> None:
        self._resources = resources
        self._body: Body = body
        self._scope = {"name": "dockline", "version": version}
        self._key = "otlp json", *resources.key

    def _resource(self, container: Container) -> orjson.Fragment:
        def make() -> bytes:
            return dumps({"attributes": json_pairs(self._resources.of(container))})

        known: bytes = RENDERED.once(container, self._key, make, len)
        return orjson.Fragment(known)

    # -- logs ------------------------------------------------------------------------------------

    def logs(self, batches: Iterable[Batch], observed: int) -> bytes:
        found = []
        for container, some in groupby(batches, attrgetter("container")):
            log_records = chain.from_iterable(self._records(batch, observed) for batch in some)
            scope_logs = {"scope": self._scope, "logRecords": list(log_records)}
            found.append({"resource": self._resource(container), "scopeLogs": [scope_logs]})
        return dumps({"resourceLogs": found})

    def _records(self, batch: Batch, observed: int) -> Iterable[Fields]:
        rows = batch.fields
        known: Iterable[Traced] = [_NO_TRACE] * len(batch)
        if rows is not None and records.tells_of_traces(set().union(*rows)):
            known = records.traced(rows)
        columns = zip(
            records.times(batch),
            records.severities_of(batch),
            batch.lines,
            self._own(batch),
            rows or [{}] * len(batch),
            known,
            strict=True,
        )
        for time, severity, line, own, row, traced in columns:
            yield {
                "timeUnixNano": str(time),
                "observedTimeUnixNano": str(observed),
                **_severity(severity),
                **self._told(line.decode("utf-8", "replace"), batch.bare, row, own, traced),
                **({"traceId": row[traced[0]]} if traced[0] else {}),
                **({"spanId": row[traced[1]]} if traced[1] else {}),
            }

    def _own(self, batch: Batch) -> Iterable[Fields]:
        """The attributes of each entry that were not parsed out of it."""
        parts, flags = batch.parts or [0] * len(batch), batch.flags or {}
        for stream, sequence, part in zip(batch.streams, batch.sequences, parts, strict=True):
            own: Fields = {"event.sequence": sequence}
            if stream:
                own["log.iostream"] = STREAM_NAMES[stream]
            if part:
                own["event.part"] = part
            if flag := flags.get(sequence):
                own["log.flags"] = [flag]
            yield own

    def _told(self, message: str, bare: bool, row: Fields, own: Fields, traced: Traced) -> Fields:
        """Body and attributes."""
        if self._body == "fields" and row:
            original = {} if bare else {"log.record.original": message}
            return {"body": json(records.body(row)), "attributes": json_pairs(own | original)}
        found = {name: short(value) for name, value in records.attributes(row, traced).items()}
        attributes = json_pairs(own) + json_pairs(found)
        return {"attributes": attributes} | ({} if bare else {"body": {"stringValue": message}})

    # -- metrics ---------------------------------------------------------------------------------

    def metrics(self, batches: Iterable[Batch]) -> bytes:
        found = chain.from_iterable([self._reading(batch)] * len(batch) for batch in batches)
        return dumps({"resourceMetrics": list(found)})

    def _reading(self, batch: Batch) -> Fields:
        samples = batch.samples
        assert samples is not None
        time, since = records.times(batch)[0], started(samples)
        metrics = [_metric(metric, points, time, since) for metric, points in measured(samples)]
        scope_metrics = {"scope": self._scope, "metrics": metrics}
        return {"resource": self._resource(batch.container), "scopeMetrics": [scope_metrics]}

    # -- dividing --------------------------------------------------------------------------------

    @staticmethod
    def split_logs(request: bytes) -> list[bytes]:
        return [
            orjson.dumps({"resourceLogs": [_with_records(one, [record])]})
            for one in orjson.loads(request)["resourceLogs"]
            for record in one["scopeLogs"][0]["logRecords"]
        ]

    @staticmethod
    def join_logs(requests: Iterable[bytes]) -> bytes:
        found = chain.from_iterable(orjson.loads(one)["resourceLogs"] for one in requests)
        joined = []
        for _, some in groupby(found, lambda one: one["resource"]):
            first, *others = some
            all_records = (one["scopeLogs"][0]["logRecords"] for one in (first, *others))
            joined.append(_with_records(first, list(chain.from_iterable(all_records))))
        return orjson.dumps({"resourceLogs": joined})

    @staticmethod
    def split_metrics(request: bytes) -> list[bytes]:
        found = orjson.loads(request)["resourceMetrics"]
        return [orjson.dumps({"resourceMetrics": [one]}) for one in found]

    @staticmethod
    def join_metrics(requests: Iterable[bytes]) -> bytes:
        found = chain.from_iterable(orjson.loads(one)["resourceMetrics"] for one in requests)
        return orjson.dumps({"resourceMetrics": list(found)})


def _severity(severity: int) -> Fields:
    number, word = SEVERITIES[severity]
    return {"severityNumber": number, "severityText": word} if number else {}


def _metric(metric: Metric, points: list[Point], time: int, since: int) -> Fields:
    times = {"timeUnixNano": str(time)}
    if metric.kind != "gauge" and since:
        times["startTimeUnixNano"] = str(since)
    data: Fields = {
        "dataPoints": [
            {"attributes": json_pairs(attributes), **times, **_figure(value)}
            for attributes, value in points
        ]
    }
    named: Fields = {"name": metric.name, "unit": metric.unit}
    if metric.kind == "gauge":
        return {**named, "gauge": data}
    data["aggregationTemporality"] = CUMULATIVE
    if metric.kind == "counter":
        data["isMonotonic"] = True
    return {**named, "sum": data}


def _figure(value: Number) -> Fields:
    if isinstance(value, int) and is_int64(value):
        return {"asInt": str(value)}
    return {"asDouble": json_double(float(value))}


def _with_records(resource_logs: Fields, found: list[Any]) -> Fields:
    scope = resource_logs["scopeLogs"][0]["scope"]
    return {**resource_logs, "scopeLogs": [{"scope": scope, "logRecords": found}]}
