"""JSON lines: Elastic Common Schema names, and one valid object per line for any input."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.records import RESERVED
from pipeline.testing import builders
from pipeline.testing.hostile import hostile

pytestmark = pytest.mark.usefixtures("either_loops")

LABELS = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
API = Container("0123456789ab" + "0" * 52, "shop-api-1", "shop/api:1.4", LABELS, host="web-1")

batch = partial(builders.batch, of=API)

FIELDS = st.dictionaries(
    st.text() | st.sampled_from(sorted(RESERVED)),
    st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5),
    max_size=8,
)


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a name stands twice in one object"
    return dict(pairs)


def encoded(*batches: Batch, host: str = "") -> list[dict[str, Any]]:
    """What a strict reader makes of the lines."""
    data = JsonEncoder(host=host).encode(batches)
    assert not data or data.endswith(b"\n")
    lines = data.decode().split("\n")[:-1]
    return [json.loads(line, object_pairs_hook=no_duplicates) for line in lines]


def test_an_unparsed_line_has_all_the_facts() -> None:
    (entry,) = encoded(batch(b'say "hi"', start=7))
    assert entry == {
        "@timestamp": "2026-01-31T23:59:59.000000000Z",
        "message": 'say "hi"',
        "stream": "stdout",
        "event": {"sequence": 7, "dataset": "docker.logs"},
        "container": {
            "id": "0123456789ab" + "0" * 52,
            "name": "shop-api-1",
            "runtime": "docker",
            "image": {"name": "shop/api", "tag": "1.4"},
            "labels": {
                "com_docker_compose_project": "shop",
                "com_docker_compose_service": "api",
            },
        },
        "host": {"name": "web-1"},
        "orchestrator": {
            "type": "compose",
            "namespace": "shop",
            "resource": {"type": "service", "name": "api"},
        },
        "ecs": {"version": "8.17.0"},
    }


def test_what_is_no_container_says_where_it_came_from_and_nothing_that_nobody_knows() -> None:
    of = Container("a" * 64, "cron", "", host="gw-1", module="syslog")
    (entry,) = encoded(batch(b"x", of=of))
    assert entry["event"]["dataset"] == "syslog.logs"
    assert entry["container"] == {"id": of.id, "name": "cron"}
    (entry,) = encoded(batch(b"x", of=replace(of, module="docker")))
    assert entry["event"]["dataset"] == "docker.logs"
    assert entry["container"] == {"id": of.id, "name": "cron", "runtime": "docker"}


def test_parsed_fields_stand_at_the_top_and_level_becomes_log_level() -> None:
    known, unknown = encoded(batch(b"a", b"b", fields=[{"level": "WARN", "status": 200}, {}]))
    assert known["log"] == {"level": "warning"}
    assert (known["level"], known["status"]) == ("WARN", 200)
    assert "log" not in unknown


def test_a_parsed_field_of_a_taken_name_is_kept_under_fields() -> None:
    fields = {"message": "m", "host": "h", "log.level": "error", "fields": 1, "hostname": "ok"}
    (entry,) = encoded(batch(b"line", fields=[fields]))
    assert (entry["message"], entry["host"]) == ("line", {"name": "web-1"})
    assert entry["fields"] == {"message": "m", "host": "h", "log.level": "error", "fields": 1}
    assert entry["hostname"] == "ok"
    assert entry["log"] == {"level": "error"}


def test_a_taken_name_is_noticed_after_thousands_of_others() -> None:
    encoder = JsonEncoder()
    for round_ in range(3):
        encoder.encode([batch(b"x", fields=[{f"{round_}.{n}": n for n in range(9_000)}])])
    (entry,) = map(json.loads, encoder.encode([batch(b"x", fields=[{"event": 1}])]).splitlines())
    assert entry["fields"] == {"event": 1}


def test_a_bare_entry_has_no_message_and_leaves_the_name_to_the_fields() -> None:
    without, with_ = encoded(batch(b"x", b"x", fields=[{"a": 1}, {"message": "m"}], bare=True))
    assert "message" not in without
    assert with_["message"] == "m"
    assert "fields" not in with_


def test_flags_are_on_the_entries_they_belong_to() -> None:
    entries = batch(b"a", b"b", b"c", fields=[{"level": "info"}, {}, {}], start=5)
    found = encoded(entries.replace(flags={5: "truncated", 6: "truncated"}))
    assert [entry.get("log") for entry in found] == [
        {"level": "info", "flags": ["truncated"]},
        {"flags": ["truncated"]},
        None,
    ]


def test_streams_and_sequences_are_each_entrys_own() -> None:
    entries = batch(b"a", b"b", b"c", streams="out err none").replace(sequences=[3, 8, 9])
    found = encoded(entries)
    assert [entry.get("stream") for entry in found] == ["stdout", "stderr", None]
    assert [entry["event"]["sequence"] for entry in found] == [3, 8, 9]


def test_a_part_is_told_where_an_entry_is_one() -> None:
    for fields in (None, [{}, {"a": 1}, {}]):
        entries = batch(b"a", b"b", b"c", fields=fields).replace(
            sequences=[3, 3, 4], parts=[1, 2, 0], flags={3: "truncated"}
        )
        found = encoded(entries)
        assert [list(entry["event"].items()) for entry in found] == [
            [("sequence", 3), ("part", 1), ("dataset", "docker.logs")],
            [("sequence", 3), ("part", 2), ("dataset", "docker.logs")],
            [("sequence", 4), ("dataset", "docker.logs")],
        ]
        assert ["log" in entry for entry in found] == [True, True, False]


@pytest.mark.parametrize("source", ["logs", "events", "stats"])
def test_the_dataset_tells_the_source(source: str) -> None:
    (entry,) = encoded(batch(b"x", source=source))
    assert entry["event"]["dataset"] == f"docker.{source}"


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("nginx", {"name": "nginx"}),
        ("nginx:1.27", {"name": "nginx", "tag": "1.27"}),
        ("registry:5000/shop/api", {"name": "registry:5000/shop/api"}),
        ("registry:5000/shop/api:1@sha256:ab", {"name": "registry:5000/shop/api", "tag": "1"}),
        ("api@sha256:ab", {"name": "api"}),
        ("sha256:abcdef", {"name": "sha256:abcdef"}),
    ],
)
def test_an_image_is_a_name_and_a_tag(reference: str, image: dict[str, str]) -> None:
    (entry,) = encoded(batch(b"x", of=replace(API, image=reference)))
    assert entry["container"]["image"] == image


def test_what_is_not_known_is_left_out() -> None:
    (entry,) = encoded(batch(b"x", of=replace(API, labels={}, host="")))
    assert not {"host", "orchestrator", "log"} & entry.keys()
    assert "labels" not in entry["container"]


def test_the_host_of_the_configuration_stands_in() -> None:
    (entry,) = encoded(batch(b"x", of=replace(API, host="")), host="fallback")
    assert entry["host"] == {"name": "fallback"}


def test_a_swarm_service_is_told_from_a_compose_one() -> None:
    labels = {"com.docker.swarm.service.name": "web", "com.docker.stack.namespace": "shop"}
    (entry,) = encoded(batch(b"x", of=replace(API, labels=labels)))
    assert entry["orchestrator"] == {
        "type": "swarm",
        "namespace": "shop",
        "resource": {"type": "service", "name": "web"},
    }


@pytest.mark.fault(24)
def test_labels_that_differ_by_a_dot_do_not_collide_as_objects() -> None:
    (entry,) = encoded(batch(b"x", of=replace(API, labels={"a_b": "2", "a": "0", "a.b": "1"})))
    assert entry["container"]["labels"] == {"a": "0", "a_b": "2"}


@given(st.lists(st.binary(), min_size=1))
def test_a_message_is_its_line_read_as_utf_8(lines: list[bytes]) -> None:
    found = encoded(batch(*lines))
    assert [entry["message"] for entry in found] == [
        line.decode("utf-8", "replace") for line in lines
    ]


@given(st.lists(FIELDS, min_size=1, max_size=4), st.booleans())
def test_any_fields_make_valid_lines_without_a_name_twice(
    fields: list[dict[str, Any]], bare: bool
) -> None:
    found = encoded(batch(*[b"x"] * len(fields), fields=fields, bare=bare))
    for entry, parsed in zip(found, fields, strict=True):
        assert entry["container"]["name"] == "shop-api-1"
        kept = len(entry.keys() - RESERVED) + len(entry.get("fields", ()))
        assert kept + ("message" in parsed and bare) == len({str(name) for name in parsed})


def test_hostile_batches_are_one_valid_object_per_line() -> None:
    assert len(encoded(*hostile())) == sum(map(len, hostile()))


def test_encoding_leaves_the_batch_as_it_was() -> None:
    fields = [{"host": 1, "big": 2**70}]
    entries = batch(b"x", fields=fields)
    JsonEncoder().encode([entries])
    assert entries.fields == fields
