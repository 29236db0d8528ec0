"""Objects of lines, whole whatever they are compressed with."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable

import cramjam
import pytest

from pipeline.encode.json import JsonEncoder
from pipeline.encode.s3.objects import BatchSlice
from pipeline.encode.s3.packing import Lines, packer_of
from pipeline.model.errors import ConfigError
from pipeline.testing.builders import batch
from pipeline.testing.hostile import hostile

JSON = JsonEncoder(host="here")


@pytest.mark.parametrize(
    ("compression", "suffix", "plain"),
    [
        ("zstd", ".ndjson.zst", lambda body: bytes(cramjam.zstd.decompress(body))),
        ("gzip", ".ndjson.gz", gzip.decompress),
        ("none", ".ndjson", bytes),
    ],
)
async def test_lines_come_out_as_they_went_in(
    compression: str, suffix: str, plain: Callable[[bytes], bytes]
) -> None:
    packer = packer_of("ndjson", compression, JSON, "here")
    some = [batch(*["x" * 200] * 1000, start=1000 * turn) for turn in range(10)]
    slices = [BatchSlice(one, range(len(one))) for one in some]
    slices.append(BatchSlice(batch("a", "b", "c", start=20_000), [0, 2]))
    body = await packer.pack(slices)
    entries = [json.loads(line) for line in plain(body).splitlines()]
    assert [entry["event"]["sequence"] for entry in entries] == [*range(10_000), 20_000, 20_002]
    assert packer.suffix == suffix
    assert packer.content_encoding == ("" if compression == "none" else compression)


async def test_hostile_entries_are_a_line_each() -> None:
    body = await Lines("none", JSON).pack([BatchSlice(one, range(len(one))) for one in hostile()])
    lines = body.splitlines()
    assert len(lines) == sum(map(len, hostile()))
    for line in lines:
        json.loads(line)


@pytest.mark.parametrize(
    ("format_", "module", "extra"),
    [("ndjson", "cramjam", "s3"), ("parquet", "pyarrow", "parquet")],
)
def test_without_its_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, format_: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'dockline\[{extra}\]'"):
        packer_of(format_, "zstd", JSON, "here")
