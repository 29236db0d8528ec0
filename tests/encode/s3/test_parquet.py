"""Entries as a table, read back with pyarrow."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet
import pytest

from pipeline.encode.s3.objects import BatchSlice
from pipeline.encode.s3.parquet import Parquet
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile


async def table(*batches: Batch, compression: str = "zstd") -> Any:
    packer = Parquet(compression, "here")
    body = await packer.pack([BatchSlice(one, range(len(one))) for one in batches])
    return pyarrow.parquet.read_table(pyarrow.BufferReader(body))


async def test_each_entry_is_a_row_with_what_is_known_of_it() -> None:
    of = container("shop-api-1", labels={"team": "shop"})
    fields = [{"level": "error", "status": 500}, {}]
    found = await table(
        batch("it broke", b"\xff", of=of, fields=fields, streams="err out", start=7)
    )
    first, second = found.to_pylist()
    assert first.pop("timestamp") == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert json.loads(first.pop("fields")) == fields[0]
    assert first == {
        "message": "it broke",
        "stream": "stderr",
        "log_level": "error",
        "event_dataset": "docker.logs",
        "event_sequence": 7,
        "event_part": None,
        "container_id": of.id,
        "container_name": "shop-api-1",
        "container_image": "shop/api:1.4",
        "container_labels": [("team", "shop")],
        "host_name": "web-1",
    }
    assert (second["message"], second["stream"], second["fields"]) == ("\ufffd", "stdout", None)


async def test_times_keep_their_nanoseconds_and_one_beyond_them_is_null() -> None:
    times = [b"2026-01-31T23:59:59.123456789Z", b"9999-01-01T00:00:00.000000000Z"]
    found = await table(batch("a", "b").replace(times=times))
    column = found["timestamp"].cast("int64").to_pylist()
    assert column == [1769903999123456789, None]


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
async def test_hostile_entries_are_a_row_each(compression: str) -> None:
    found = await table(*hostile(), compression=compression)
    assert found.num_rows == sum(map(len, hostile()))


async def test_many_entries_keep_their_order() -> None:
    some = [batch(*["x"] * 1000, start=1000 * turn) for turn in range(20)]
    found = await table(*some)
    assert found["event_sequence"].to_pylist() == list(range(20_000))


@pytest.mark.parametrize(("size", "groups"), [(1000, 1), (100_000, 2)])
async def test_rows_with_large_labels_are_written_in_several_groups(size: int, groups: int) -> None:
    of = container(labels={"big": "x" * size})
    some = [batch(*[b""] * 25, of=of, start=25 * turn) for turn in range(4)]
    body = await Parquet("zstd", "here").pack([BatchSlice(one, range(len(one))) for one in some])
    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(body))
    assert file.num_row_groups == groups
    found = file.read()
    assert found["event_sequence"].to_pylist() == list(range(100))
    assert found["container_labels"].to_pylist()[99] == [("big", "x" * size)]
