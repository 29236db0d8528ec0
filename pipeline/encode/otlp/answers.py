"""What a server says of a request: that it has taken all of it, or all but some entries; or why
not.

https://opentelemetry.io/docs/specs/otlp/#partial-success-1 and
https://opentelemetry.io/docs/specs/otlp/#failures-1, with `google.rpc.Status`:
https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.encode.protobuf import DELIMITED, FIXED64, VARINT
from pipeline.support.varint import read_varint

_FIXED32 = 5
_KINDS_OF_PROTOBUF = ("application/x-protobuf", "application/protobuf")
MOST_DETAILS = 5
"""Of a failure, whose types are named."""


@dataclass(frozen=True, slots=True)
class Partial:
    """How many log records or data points it has rejected, and why; or none, and a warning."""

    rejected: int = 0
    message: str = ""


def read_answer(body: bytes, content_type: str) -> Partial:
    """What an answer of 2xx says of its request. `content_type` is its header; Protocol Buffers and
    JSON are read. An empty body says that all is well. Raises `ValueError` for what is no answer of
    OTLP."""
    if not body.strip():
        return Partial()
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _json(body)
    if kind in (*_KINDS_OF_PROTOBUF, "application/octet-stream", ""):
        return _protobuf(body)
    raise ValueError(f"it is {kind}")


def _json(body: bytes) -> Partial:
    answer = orjson.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("it is no object")
    partly: Any = answer.get("partialSuccess")
    if partly is None:
        return Partial()
    if not isinstance(partly, dict):
        raise ValueError("its partialSuccess is no object")
    rejected = partly.get("rejectedLogRecords") or partly.get("rejectedDataPoints") or 0
    if not isinstance(rejected, int | str):
        raise ValueError("what it has rejected is no number")
    return Partial(max(int(rejected), 0), str(partly.get("errorMessage") or ""))


def _protobuf(body: bytes) -> Partial:
    rejected, message = 0, ""
    for number, partly in fields(body):
        if number == 1 and isinstance(partly, bytes):
            for inner, value in fields(partly):
                if inner == 1 and isinstance(value, int):
                    rejected = value if value < 2**63 else 0
                elif inner == 2 and isinstance(value, bytes):
                    message = value.decode("utf-8", "replace")
    return Partial(rejected, message)


def failure(body: bytes, content_type: str) -> str:
    """What a server says with 4xx or 5xx, in words: the message of its `Status`, and the types of
    its details. A body that has none, such as a proxy's page, is given as text."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind in (*_KINDS_OF_PROTOBUF, "application/octet-stream"):  # as Loki calls it
            message, code, types = _status(body)
        elif kind == "application/json":
            message, code, types = _json_status(body)
        else:
            return body.decode("utf-8", "replace")
    except ValueError:
        return body.decode("utf-8", "replace")
    if not message and (code or types):
        message = f"code {code}"
    names = ", ".join(name.rpartition("/")[2] for name in types[:MOST_DETAILS])
    return f"{message} ({names})" if names else message


def _status(body: bytes) -> tuple[str, int, list[str]]:
    message, code, types = "", 0, []
    for number, value in fields(body):
        if number == 1 and isinstance(value, int):
            code = value
        elif number == 2 and isinstance(value, bytes):
            message = value.decode("utf-8", "replace")
        elif number == 3 and isinstance(value, bytes):
            urls = (inner for key, inner in fields(value) if key == 1)
            types += [url.decode("utf-8", "replace") for url in urls if isinstance(url, bytes)]
        else:
            raise ValueError("it is no Status")
    return message, code, types


def _json_status(body: bytes) -> tuple[str, int, list[str]]:
    status = orjson.loads(body)
    if not isinstance(status, dict) or not status.keys() & {"message", "code", "details"}:
        raise ValueError("it is no Status")
    message, code, details = (status.get(key) for key in ("message", "code", "details"))
    types = [
        detail["@type"]
        for detail in (details if isinstance(details, list) else ())
        if isinstance(detail, dict) and isinstance(detail.get("@type"), str)
    ]
    return str(message or ""), code if isinstance(code, int) else 0, types


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message of Protocol Buffers, in order: the number of each, and a varint as a
    number or any other value as its bytes. Raises `ValueError` where `data` is no message."""
    at = 0
    while at < len(data):
        try:
            number, value, at = _field(data, at)
        except IndexError:
            raise ValueError("a number does not end") from None
        yield number, value


def _field(data: bytes, at: int) -> tuple[int, int | bytes, int]:
    """The number and the value of the field that begins at `at`, and where it ends. Raises
    `IndexError` and `ValueError`."""
    key, at = read_varint(data, at)
    number, kind = key >> 3, key & 7
    if not number:
        raise ValueError("there is no field 0")
    if kind == VARINT:
        return number, *read_varint(data, at)
    if kind == DELIMITED:
        size, at = read_varint(data, at)
    elif kind in (FIXED64, _FIXED32):
        size = 8 if kind == FIXED64 else 4
    else:
        raise ValueError(f"there are no fields of kind {kind}")
    end = at + size
    if end > len(data):
        raise ValueError("a field goes beyond the end")
    return number, data[at:end], end
