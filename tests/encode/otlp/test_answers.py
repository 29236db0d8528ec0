"""What a server's answer says, as opentelemetry-proto writes it."""

from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any as Detail
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from pipeline.encode.otlp.answers import Partial, failure, read_answer
from tests.servers.otlp import JSON, PROTOBUF, partial

MANY = 2**40


@pytest.mark.parametrize(
    "content_type", [PROTOBUF, JSON, f"{JSON}; charset=utf-8", "", "text/html"]
)
def test_an_empty_answer_says_that_all_is_well(content_type: str) -> None:
    assert read_answer(b"", content_type) == Partial()
    assert read_answer(b"\n", content_type) == Partial()


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
@pytest.mark.parametrize("rejected", [0, 1, 300, MANY])
def test_what_was_rejected_is_read(content_type: str, rejected: int) -> None:
    answer = partial(rejected, "too old \u2603", content_type)
    assert read_answer(*answer) == Partial(rejected, "too old \u2603")


def test_data_points_are_counted_as_well() -> None:
    answer = metrics_service_pb2.ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 7
    assert read_answer(answer.SerializeToString(), PROTOBUF) == Partial(7)
    assert read_answer(b'{"partialSuccess":{"rejectedDataPoints":"7"}}', JSON) == Partial(7)


@pytest.mark.parametrize("body", [b"{}", b'{"partialSuccess":{}}', b'{"partialSuccess":null}'])
def test_without_a_partial_success_all_is_well(body: bytes) -> None:
    assert read_answer(body, JSON) == Partial()


def test_a_number_below_0_is_none() -> None:
    assert read_answer(*partial(-1, "odd")) == Partial(0, "odd")
    assert read_answer(*partial(-1, "odd", JSON)) == Partial(0, "odd")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>welcome</html>", "text/html"),
        (b"<html>welcome</html>", PROTOBUF),
        (b"<html>welcome</html>", JSON),
        (b"ok", ""),
        (b"[]", JSON),
        (b"null", JSON),
        (b'{"partialSuccess":7}', JSON),
        (b'{"partialSuccess":{"rejectedLogRecords":"many"}}', JSON),
        (b'{"partialSuccess":{"rejectedLogRecords":[1]}}', JSON),
        (b"\x0a\xff\xff\xff\xff\x0f", PROTOBUF),
        (b"\x0a" + b"\xff" * 20, PROTOBUF),
        (b"\x08", PROTOBUF),
        (b"\x02\x00", PROTOBUF),
        (b"\x0f\x00", PROTOBUF),
    ],
)
def test_what_is_no_answer_of_the_protocol_is_none(body: bytes, content_type: str) -> None:
    with pytest.raises(ValueError):
        read_answer(body, content_type)


@given(st.binary(), st.sampled_from([PROTOBUF, JSON]))
def test_rubbish_is_read_or_is_none(body: bytes, content_type: str) -> None:
    try:
        found = read_answer(body, content_type)
    except ValueError:
        return
    assert found.rejected >= 0


# -- failures ------------------------------------------------------------------------------------


def status(message: str, *details: str, code: int = 3) -> bytes:
    """A `google.rpc.Status`, whose definition is no package here: its fields are as short."""
    text = message.encode()
    found = b"\x08" + bytes([code]) + (b"\x12" + bytes([len(text)]) + text if text else b"")
    for name in details:
        detail = Detail(
            type_url=f"type.googleapis.com/{name}", value=b"\x1b\x00"
        ).SerializeToString()
        found += b"\x1a" + bytes([len(detail)]) + detail
    return found


def test_the_message_of_a_status_is_read_and_its_details_are_named() -> None:
    names = ["google.rpc.BadRequest", "google.rpc.RetryInfo"]
    assert failure(status("too deep \u2603"), PROTOBUF) == "too deep \u2603"
    assert failure(status("as Loki")[2:], "application/octet-stream") == "as Loki"
    assert failure(status("no", *names), PROTOBUF) == f"no ({', '.join(names)})"
    assert failure(status("", code=14), f"{PROTOBUF}; a=b") == "code 14"
    details = b'[{"@type":"type.googleapis.com/google.rpc.BadRequest","x":1},7]'
    assert failure(b'{"code":3,"message":"no"}', JSON) == "no"
    assert (
        failure(b'{"code":3,"details":' + details + b"}", JSON) == "code 3 (google.rpc.BadRequest)"
    )


@pytest.mark.parametrize("kind", [PROTOBUF, JSON, "text/plain", ""])
@pytest.mark.parametrize("body", [b"go away", b"", b"[1]", b'{"a":1}', b"\xff\x00"])
def test_what_is_no_status_is_given_as_it_is(body: bytes, kind: str) -> None:
    assert failure(body, kind) == body.decode("utf-8", "replace")


@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON, ""]))
def test_no_failure_raises(body: bytes, kind: str) -> None:
    failure(body, kind)
    failure(status("x") + body, kind)
