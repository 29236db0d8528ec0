"""Entries as a table in a Parquet file, a row for each.

| column                                                | type                          |
|-------------------------------------------------------|-------------------------------|
| `timestamp`                                           | timestamp of nanoseconds, UTC |
| `message`                                             | string; null where removed    |
| `stream`, `log_level`, `event_dataset`                | string                        |
| `event_sequence`, `event_part`                        | int64                         |
| `container_id`, `container_name`, `container_image`   | string                        |
| `container_labels`                                    | map of strings                |
| `host_name`                                           | string                        |
| `fields`                                              | string: the parsed ones, JSON |

What is not known is null. Bytes that are not UTF-8 become U+FFFD.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

from pipeline.encode.level import LEVELS, severities
from pipeline.encode.s3.objects import BatchSlice
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.dumps import dumps
from pipeline.model.extras import needed
from pipeline.model.timestamps import nanoseconds
from pipeline.support.blocking import BlockingThread

PIECE: Final = 5000
"""Rows that are made between two turns of the event loop; a few milliseconds."""

HEAVY: Final = 4 << 20
"""Bytes of large labels and of tags, which each row has, after which a row group ends. Without
them an object is one."""

_LEVELS: Final = (*LEVELS, None)
_STREAMS: Final = tuple(name or None for name in STREAM_NAMES)
_LONGEST: Final = 2**63
Columns = dict[str, list[Any]]


class Parquet:
    """Packs entries as a Parquet file. All that pyarrow does is done in a thread."""

    suffix = ".parquet"
    content_type = "application/vnd.apache.parquet"
    content_encoding = ""

    def __init__(self, compression: str, host: str) -> None:
        """`compression` is pyarrow's name for it. `host` is that of containers that do not tell
        theirs."""
        self._arrow: Any = needed("pyarrow", "parquet", 'format = "parquet"')
        self._parquet: Any = needed("pyarrow.parquet", "parquet", 'format = "parquet"')
        self._compression = compression
        self._host = host
        self._thread = BlockingThread("pack")
        pa = self._arrow
        texts = ("container_id", "container_name", "container_image", "host_name", "fields")
        self._schema = pa.schema(
            [
                ("timestamp", pa.timestamp("ns", "UTC")),
                *((name, pa.string()) for name in ("message", "stream", "log_level")),
                ("event_dataset", pa.string()),
                ("event_sequence", pa.int64()),
                ("event_part", pa.int64()),
                *((name, pa.string()) for name in texts[:3]),
                ("container_labels", pa.map_(pa.string(), pa.string())),
                *((name, pa.string()) for name in texts[3:]),
            ]
        )

    async def pack(self, slices: Sequence[BatchSlice]) -> bytes:
        """A Parquet file with a row for each entry."""
        columns, rows, size = self._empty(), 0, 0
        file = _File(self._arrow, self._parquet, self._schema, self._compression)
        for each in slices:
            batch = each.picked()
            self._add(columns, batch)
            rows += len(batch)
            size += len(batch) * (batch.container.burden + batch.tagged)
            if rows >= PIECE or size >= HEAVY:
                await self._thread.run(file.add, columns, size >= HEAVY)
                columns, rows, size = self._empty(), 0, size % HEAVY
        if rows:
            await self._thread.run(file.add, columns)
        return await self._thread.run(file.finish)

    def close(self) -> None:
        """Lets the thread end. It may be used again."""
        self._thread.stop()

    def _empty(self) -> Columns:
        return {name: [] for name in self._schema.names}

    def _add(self, columns: Columns, batch: Batch) -> None:
        count, it = len(batch), batch.container
        levels, fields = severities(batch), batch.fields
        text = _text
        new: dict[str, Sequence[Any]] = {
            "timestamp": [_nanoseconds(time) for time in batch.times],
            "message": [line.decode("utf-8", "replace") for line in batch.lines],
            "stream": [_STREAMS[stream] for stream in batch.streams],
            "event_sequence": batch.sequences,
        }
        if batch.bare:
            new["message"] = [None] * count
        if levels is not None:
            new["log_level"] = [_LEVELS[level] for level in levels]
        if batch.parts is not None:
            new["event_part"] = [part or None for part in batch.parts]
        if fields is not None:
            new["fields"] = [dumps(entry).decode() if entry else None for entry in fields]
        shared = {
            "event_dataset": batch.dataset,
            "container_id": text(it.id),
            "container_name": text(it.name),
            "container_image": text(it.image) or None,
            "container_labels": [(text(key), text(value)) for key, value in it.labels.items()],
            "host_name": text(it.host or self._host) or None,
        }
        for name, column in columns.items():
            column.extend(new[name] if name in new else [shared.get(name)] * count)


class _File:
    """Written row group by row group, so that only what is compressed is there as a whole."""

    def __init__(self, arrow: Any, parquet: Any, schema: Any, compression: str) -> None:
        self._arrow, self._schema = arrow, schema
        self._bytes = io.BytesIO()
        self._writer = parquet.ParquetWriter(self._bytes, schema, compression=compression)
        self._tables: list[Any] = []

    def add(self, columns: Columns, ends: bool = False) -> None:
        """`ends`: a row group."""
        self._tables.append(self._arrow.table(columns, schema=self._schema))
        if ends:
            self._write()

    def _write(self) -> None:
        tables, self._tables = self._tables, []
        if tables:
            self._writer.write_table(self._arrow.concat_tables(tables))

    def finish(self) -> bytes:
        self._write()
        self._writer.close()
        return self._bytes.getvalue()


def _text(text: str) -> str:
    """Without lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def _nanoseconds(time: bytes) -> int | None:
    """Since the epoch; None of a time that such a number does not reach."""
    found = nanoseconds(time)
    return found if -_LONGEST <= found < _LONGEST else None
