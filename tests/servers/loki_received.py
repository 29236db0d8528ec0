"""Push requests of Loki, read as Loki reads them: protobuf by Google's own library."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

from tests.servers.http_receiver import Request

Pair = tuple[str, str]


@dataclass(frozen=True)
class Pushed:
    """An entry."""

    labels: str
    """As Prometheus writes them; sorted."""
    nanoseconds: int
    line: str
    metadata: dict[str, str]


def _push_request() -> Any:
    """`pkg/push/push.proto`."""
    text, message = (
        descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
    )
    file = descriptor_pb2.FileDescriptorProto(
        name="push.proto", syntax="proto3", dependency=["google/protobuf/timestamp.proto"]
    )

    def add(name: str, *fields: tuple[str, int, str]) -> None:
        described = file.message_type.add(name=name)
        for field, number, kind in fields:
            many = kind.startswith("*")
            described.field.add(
                name=field,
                number=number,
                type=text if kind == "" else message,
                type_name=kind.lstrip("*") or None,
                label=3 if many else 1,
            )

    add("Pair", ("name", 1, ""), ("value", 2, ""))
    moment = ".google.protobuf.Timestamp"
    add("Entry", ("timestamp", 1, moment), ("line", 2, ""), ("metadata", 3, "*.Pair"))
    add("Stream", ("labels", 1, ""), ("entries", 2, "*.Entry"))
    add("PushRequest", ("streams", 1, "*.Stream"))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("PushRequest"))


_PushRequest = _push_request()


def from_protobuf(body: bytes) -> list[list[Pushed]]:
    """Of each stream its entries, in order."""
    return [
        [
            Pushed(stream.labels, one.timestamp.ToNanoseconds(), one.line, _pairs(one.metadata))
            for one in stream.entries
        ]
        for stream in _PushRequest.FromString(body).streams
    ]


def _pairs(metadata: Any) -> dict[str, str]:
    pairs = {pair.name: pair.value for pair in metadata}
    assert len(pairs) == len(metadata), "a name stands there twice"
    return pairs


def from_json(body: bytes) -> list[list[Pushed]]:
    """The same."""
    streams = []
    for stream in json.loads(body)["streams"]:
        pairs = sorted(stream["stream"].items())
        labels = "{" + ", ".join(f'{name}="{_quoted(value)}"' for name, value in pairs) + "}"
        streams.append([Pushed(labels, int(t), line, more) for t, line, more in stream["values"]])
    return streams


def _quoted(value: str) -> str:
    return re.sub(r'[\\"\n]', lambda found: {"\n": "\\n"}.get(found[0], "\\" + found[0]), value)


def streams(request: Request) -> list[list[Pushed]]:
    """What came over HTTP."""
    if request.headers["content-type"] == "application/json":
        return from_json(request.body)
    return from_protobuf(bytes(cramjam.snappy.decompress_raw(request.body)))


def pushed(*requests: Request) -> list[Pushed]:
    """All entries of these, stream by stream."""
    return [entry for request in requests for stream in streams(request) for entry in stream]
