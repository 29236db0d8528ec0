"""Access logs, which `nginx`, `apache` and `auto` read."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.parsing import access

COMMON = '127.0.0.1 user-identifier frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'  # noqa: E501
COMBINED = '203.0.113.7 - - [31/Jan/2026:23:59:59 +0000] "POST /api/v1/items?a=b HTTP/1.1" 201 517 "https://shop.example/cart" "Mozilla/5.0 (X11; Linux x86_64) \\"quoted\\""'  # noqa: E501
INGRESS = '10.244.0.1 - admin [01/Feb/2026:00:00:00 +0530] "GET / HTTP/2.0" 304 0 "-" "curl/8.5.0" 80 0.003 [shop-web-80] [] 10.244.0.9:8080 0 0.002 304 6d0f5e0b'  # noqa: E501


def test_a_common_line_has_numbers_as_numbers_and_its_time_by_rfc_3339() -> None:
    assert access.certain(COMMON.encode()) == {
        "client": "127.0.0.1",
        "timestamp": "2000-10-10T13:55:36-07:00",
        "identity": "user-identifier",
        "user": "frank",
        "method": "GET",
        "path": "/apache_pb.gif",
        "protocol": "HTTP/1.0",
        "status": 200,
        "size": 2326,
    }


def test_a_combined_line_has_referer_and_agent_too() -> None:
    assert access.certain(COMBINED.encode()) == {
        "client": "203.0.113.7",
        "timestamp": "2026-01-31T23:59:59Z",
        "method": "POST",
        "path": "/api/v1/items?a=b",
        "protocol": "HTTP/1.1",
        "status": 201,
        "size": 517,
        "referer": "https://shop.example/cart",
        "agent": 'Mozilla/5.0 (X11; Linux x86_64) \\"quoted\\"',
    }


def test_a_longer_format_is_read_too() -> None:
    fields = access.certain(INGRESS.encode())
    assert (fields["user"], fields["agent"], fields["size"]) == ("admin", "curl/8.5.0", 0)
    assert fields["timestamp"] == "2026-02-01T00:00:00+05:30"
    assert "referer" not in fields


def test_the_official_image_of_nginx_adds_who_it_was_forwarded_for() -> None:
    fields = access.certain(COMBINED.encode() + b' "198.51.100.2, 10.0.0.1"\r')
    assert fields["forwarded_for"] == "198.51.100.2, 10.0.0.1"


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (r"\x16\x03\x01\x02", {"request": r"\x16\x03\x01\x02"}),
        ("-", {}),
        ("", {}),
        ("GET /", {"request": "GET /"}),
        ("GET /a b c HTTP/1.1", {"method": "GET", "path": "/a b c", "protocol": "HTTP/1.1"}),
        ("M-SEARCH * HTTP/1.1", {"method": "M-SEARCH", "path": "*", "protocol": "HTTP/1.1"}),
    ],
)
def test_a_request_that_is_none_stays_whole(request_line: str, expected: dict[str, Any]) -> None:
    line = f'::1 - - [31/Jan/2026:23:59:59 +0000] "{request_line}" 400 - "-" "-"'
    fields = access.certain(line.encode())
    for name in ("client", "timestamp", "status"):
        del fields[name]
    assert fields == expected


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'] "',
        b'a - - [31/Jan/2026] "GET / HTTP/1.1" 200 1',
        b'a - - [31/Jan/2026:23:59:59 +0000] "GET / HTTP/1.1" 2000 1',
        b'a - - [31/Jan/2026:23:59:59 +0000] "GET / HTTP/1.1" 200 ' + b"9" * 5000,
        b'a - - [31/Jan/2026:23:59:59 +0000] "GET / HTTP/1.1',
        b'[error] "x"',
    ],
)
def test_what_is_no_access_log_has_no_fields(line: bytes) -> None:
    assert access.certain(line) == {}


def test_a_line_cut_behind_its_size_keeps_what_it_has() -> None:
    assert access.certain(COMBINED.encode()[:-20])["size"] == 517
