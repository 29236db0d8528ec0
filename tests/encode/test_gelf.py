"""GELF, read by a server that is strict about it."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import Any

import pytest

from pipeline.encode.gelf import GelfEncoder, field_name, timestamps
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import BARE, hostile
from tests.servers.graylog import message

pytestmark = pytest.mark.usefixtures("either_loops")


def read(one: Batch, host: str = "") -> list[dict[str, Any]]:
    return [message(data) for data in GelfEncoder(host=host).encode(one)]


SHOP = container(
    "api-1",
    image="shop/api:1.4",
    labels={"com.docker.compose.project": "shop", "com.docker.compose.service": "api", "50%": "%"},
)


def test_an_entry_has_what_json_has() -> None:
    (found,) = read(batch("boom", of=SHOP, streams="err", fields=[{"status": 500}], start=7))
    assert found == {
        "version": "1.1",
        "host": "web-1",
        "short_message": "boom",
        "timestamp": 1769903999.0,
        "level": 3,
        "_event_sequence": 7,
        "_event_dataset": "docker.logs",
        "_stream": "stderr",
        "_container_id": SHOP.id,
        "_container_name": "api-1",
        "_container_runtime": "docker",
        "_container_image_name": "shop/api",
        "_container_image_tag": "1.4",
        "_container_labels_com_docker_compose_project": "shop",
        "_container_labels_com_docker_compose_service": "api",
        "_container_labels_50_": "%",
        "_host_name": "web-1",
        "_orchestrator_type": "compose",
        "_orchestrator_namespace": "shop",
        "_orchestrator_resource_type": "service",
        "_orchestrator_resource_name": "api",
        "_status": 500,
    }


def test_the_time_is_exact_to_the_nanosecond() -> None:
    times = [b"2026-01-31T23:59:59.123456789Z", b"1969-12-31T23:59:59.000000001Z"]
    assert timestamps(times) == [b"1769903999.123456789", b"-1.000000001"]


@pytest.mark.parametrize(
    ("line", "short", "full"),
    [
        (b"one line", "one line", None),
        (b"one line\n", "one line\n", None),
        (b"", "-", None),
        (b" \t\r\n ", "-", None),
        (b"\n  \nTraceback:\r\n  line 1", "Traceback:", "\n  \nTraceback:\r\n  line 1"),
        (b'"quoted" \\ \xff\0', '"quoted" \\ \ufffd\0', None),
        (b"50% of %d and %b", "50% of %d and %b", None),
    ],
)
def test_the_short_message_is_never_empty_and_the_first_line_of_several(
    line: bytes, short: str, full: str | None
) -> None:
    found = read(batch(line, "another"))[0]
    assert (found["short_message"], found.get("full_message")) == (short, full)


def test_an_entry_without_a_message_shows_its_fields() -> None:
    one = batch("", "", fields=[{"cpu": 0.5}, {}], bare=True)
    assert [found["short_message"] for found in read(one)] == ['{"cpu":0.5}', "-"]


def test_the_level_is_a_number_by_the_entry_or_its_stream() -> None:
    fields = [{"level": "error"}, {}, {}, {}]
    one = batch("a", "b", "c", "d", streams="out out err none", fields=fields)
    assert [found["level"] for found in read(one)] == [3, 6, 3, 6]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("id", "_id_"), ("http.status", "_http_status"), ("a b/ü", "_a_b__"), ("", "_")],
)
def test_names_are_cleaned(name: str, cleaned: str) -> None:
    assert field_name(name) == cleaned


def test_objects_are_taken_apart_and_what_gelf_does_not_have_becomes_text() -> None:
    fields = {
        "http": {"status": 500, "deep": {"er": True}},
        "list": [1, {"a": None}],
        "nothing": None,
        "nan": math.nan,
        "big": 2**70,
        "empty": {},
        "id": 1,
    }
    (found,) = read(batch("x", fields=[fields]))
    own = {
        "_http_status": 500,
        "_http_deep_er": "true",
        "_list": '[1,{"a":null}]',
        "_big": str(2**70),
        "_empty": "{}",
        "_id_": 1,
    }
    assert {name: found.get(name) for name in own} == own
    assert {"_nothing", "_nan", "_http", "_id"}.isdisjoint(found)


def test_a_field_never_overwrites_what_is_ours() -> None:
    fields = {"container_name": "theirs", "stream": "theirs", "event": {"sequence": -1}}
    (found,) = read(batch("x", of=SHOP, fields=[fields]))
    assert (found["_container_name"], found["_stream"]) == ("api-1", "stdout")
    assert found["_fields_container_name"] == found["_fields_stream"] == "theirs"
    assert (found["_event_sequence"], found["_fields_event_sequence"]) == (0, -1)


def test_there_is_a_host_whatever_is_known() -> None:
    assert [found["host"] for found in read(batch("x", of=BARE), host="here")] == ["here"]
    assert [found["host"] for found in read(batch("x", of=BARE))] == [BARE.short_id]


def test_parts_of_an_entry_are_numbered() -> None:
    one = batch("x", "y").replace(sequences=[7, 8], parts=[2, 0])
    assert [(f["_event_sequence"], f.get("_event_part")) for f in read(one)] == [(7, 2), (8, None)]


def test_a_message_is_the_same_in_one_piece_and_packed() -> None:
    fields = [{"level": "error"}, {}, {"a": 1}]
    one = batch("a\nb", "c\x7f", "d" * 3000, streams="out err out", fields=fields, of=SHOP)
    for each in (one, one.replace(parsed=None), *hostile()):
        messages = GelfEncoder(host="h").encode(each)
        assert GelfEncoder(host="h").joined(each, b"\0") == b"".join(m + b"\0" for m in messages)
        for packing, unpack in (("gzip", gzip.decompress), ("zlib", zlib.decompress)):
            packed = GelfEncoder(host="h", packing=packing).packed(each, 1420)  # type: ignore[arg-type]
            assert [unpack(data) for data in packed] == messages


def test_whatever_comes_a_server_takes_it() -> None:
    for one in hostile():
        assert len(read(one, host="h")) == len(one)
