"""Destinations of whole agents answer as the real ones do, however what they are sent is cut."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import cramjam
import msgpack
import pytest

from benchmarks.answering import Conversation, Forward, Http, Silent
from pipeline.encode.bulk import results

BODY = b'{"create":{}}\n{"message":"a"}\n{"create":{}}\n{"message":"b"}\n'


def said(talk: Conversation, data: bytes, size: int = 1 << 20) -> list[tuple[bytes, bytes]]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [one for piece in pieces for one in talk.feed(piece)]


def request(path: str, body: bytes, *headers: str) -> bytes:
    head = "\r\n".join([f"POST {path} HTTP/1.1", *headers, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_each_request_has_its_answer_however_it_is_cut(size: int) -> None:
    sent = request("/any", b"one") + request("/v1/logs", b"") + request("/any", b"\r\n\r\n")
    found = said(Http(), sent, size)
    assert [body for body, _ in found] == [b"one", b"", b"\r\n\r\n"]
    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") for _, answer in found)


def test_elasticsearch_gives_each_document_its_result() -> None:
    ((_, answer),) = said(Http(), request("/_bulk", BODY))
    said_ = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert said_["errors"] is False
    assert [item["create"]["status"] for item in said_["items"]] == [201, 201]
    assert len(said_["items"][0]["create"]) == 8


def test_elasticsearch_gives_what_a_filter_asks_for_and_dockline_takes_it() -> None:
    ((_, answer),) = said(Http(), request("/_bulk?filter_path=items.*.status", BODY))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert [one.status for one in results(body, 2)] == [201, 201]
    assert b"Content-Length: %d" % len(body) in head


def test_loki_says_nothing_but_204() -> None:
    ((_, answer),) = said(Http(), request("/loki/api/v1/push", b"{}"))
    assert answer == b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize(
    ("pack", "headers", "path"),
    [
        (gzip.compress, ["content-encoding: gzip"], "/any"),
        (lambda body: bytes(cramjam.zstd.compress(body)), ["Content-Encoding: zstd"], "/any"),
        (
            lambda body: bytes(cramjam.snappy.compress_raw(body)),
            ["Content-Type: application/x-protobuf"],
            "/loki/api/v1/push",
        ),
    ],
)
def test_what_is_kept_is_not_compressed(
    pack: Callable[[bytes], bytes], headers: list[str], path: str
) -> None:
    ((body, _),) = said(Http(), request(path, pack(BODY), *headers), 10)
    assert body == BODY


def test_a_request_without_a_length_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(ValueError, match="without a length"):
        said(Http(), b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize("size", [1, 3, 8, 1 << 20])
def test_each_chunk_is_acknowledged_by_its_name(size: int) -> None:
    plain = msgpack.packb(["tag", b"entries", {"chunk": "a"}])
    packed = msgpack.packb(["tag", gzip.compress(b"more"), {"compressed": "gzip", "chunk": "b"}])
    array = msgpack.packb(["tag", [[0, {"log": "text"}], [1, {}]], {"size": 2, "chunk": "c"}])
    found = said(Forward(), plain + packed + array, size)
    entries = [one for one, _ in found]
    assert entries[1] == b"more"
    assert [msgpack.unpackb(entries[0]), msgpack.unpackb(entries[2])[1]] == [b"entries", [1, {}]]
    assert [msgpack.unpackb(answer) for _, answer in found] == [{"ack": one} for one in "abc"]


def test_nothing_is_answered_where_nobody_listens_for_it() -> None:
    assert said(Silent(), b"<30>1 text") == [(b"<30>1 text", b"")]
