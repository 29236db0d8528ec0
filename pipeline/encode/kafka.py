"""Entries as the columns of Kafka's records: key, value, time and headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from weakref import WeakKeyDictionary

from pipeline.batch import Batch, Container
from pipeline.encode.json import JsonEncoder
from pipeline.timestamps import nanoseconds
from pipeline.transport.kafka_records import Headers, Records, Run


class KafkaEncoder:
    """`topics` names the topic of each entry of a batch."""

    def __init__(self, topics: Callable[[Batch], list[str]], *, host: str = "") -> None:
        self._topics = topics
        self._host = host
        self._json = JsonEncoder(host=host)
        self._headers: WeakKeyDictionary[Container, dict[str, Headers]] = WeakKeyDictionary()

    def encode(self, batches: Sequence[Batch]) -> Records:
        records = Records([batch for batch in batches if len(batch)])
        for batch in records.batches:
            start = len(records.values)
            records.values += self._json.encode([batch]).split(b"\n")[:-1]
            records.times += milliseconds(batch.times)
            places: dict[str, list[int]] = {}
            for place, topic in enumerate(self._topics(batch), start):
                places.setdefault(topic, []).append(place)
            key, headers = batch.container.id.encode(), self._of(batch)
            records.runs += [Run(topic, key, headers, those) for topic, those in places.items()]
        return records

    def _of(self, batch: Batch) -> Headers:
        known = self._headers.setdefault(batch.container, {})
        if batch.source not in known:
            host = batch.container.host or self._host
            known[batch.source] = [
                ("content-type", b"application/json"),
                ("source", batch.source.encode()),
                ("host", host.encode("utf-8", "replace")),
            ]
        return known[batch.source]


def milliseconds(times: Iterable[bytes]) -> list[int | None]:
    """Since the epoch; None for a time that there is not, such as the 31st of February."""
    found: list[int | None] = []
    second, base = b"", 0
    for time in times:
        if time[:19] != second:
            try:
                base = nanoseconds(time[:19] + b".000000000Z") // 1_000_000
            except ValueError:
                found.append(None)
                continue
            second = time[:19]
        found.append(base + int(time[20:23]))
    return found
