"""Entries as the columns of Kafka's records: key, value, time and headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.rendered import RENDERED
from pipeline.model.timestamps import whole_seconds
from pipeline.transport.kafka.records import Headers, Records, TopicEntries

LONGEST_TOPIC: Final = 249


class KafkaEncoder:
    """Batches as records of Kafka, for one destination. A record's key is its container's id."""

    def __init__(self, topics: Callable[[Batch], list[str]], *, host: str = "") -> None:
        """`topics` names the topic of each entry of a batch. `host` is that of containers that do
        not tell theirs."""
        self._topics = topics
        self._host = host
        self._json = JsonEncoder(host=host)

    def encode(self, batches: Sequence[Batch]) -> Records:
        """All entries in order, as columns, and which of them are for which topic."""
        records = Records([batch for batch in batches if len(batch)])
        for batch in records.batches:
            start, key = len(records.values), batch.container.id.encode()
            records.values += self._json.encode([batch]).split(b"\n")[:-1]
            records.times += milliseconds(batch.times)
            records.keys += [key] * len(batch)
            records.headers += [self._of(batch)] * len(batch)
            names = self._topics(batch)
            if names.count(names[0]) == len(names):
                places = range(start, start + len(names))
                records.topics.append(TopicEntries(topic(names[0]), key, places))
                continue
            several: dict[str, list[int]] = {}
            for place, name in enumerate(map(topic, names), start):
                several.setdefault(name, []).append(place)
            records.topics += [TopicEntries(name, key, places) for name, places in several.items()]
        return records

    def _of(self, batch: Batch) -> Headers:
        key = "kafka", self._host, batch.source
        host = batch.container.host or self._host

        def make() -> Headers:
            return [
                ("content-type", b"application/json"),
                ("source", batch.source.encode()),
                ("host", host.encode("utf-8", "replace")),
            ]

        return RENDERED.once(batch.container, key, make, lambda _: len(host) + 500)


def topic(name: str) -> str:
    """A name as that of a topic: cut to 249 characters, and `_` for `.` and `..`. It has none but
    the characters of topics already."""
    return "_" if name in (".", "..") else name[:LONGEST_TOPIC]


def milliseconds(times: Iterable[bytes]) -> list[int | None]:
    """Each time in milliseconds since the epoch; None for one that there is not, such as the 31st
    of February."""
    found: list[int | None] = []
    second, base = b"", 0
    for time in times:
        if time[:19] != second:
            try:
                base = whole_seconds(time[:19]) * 1000
            except ValueError:
                found.append(None)
                continue
            second = time[:19]
        found.append(base + int(time[20:23]))
    return found
