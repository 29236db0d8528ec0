"""The times that nginx's longer formats have."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pipeline.expression import steps
from pipeline.parsing import nginx, timing
from pipeline.stages import parse
from pipeline.testing.builders import batch
from tests.servers.ports import free_port
from tests.servers.proxies import nginx_site

COMBINED = b'203.0.113.7 - - [31/Jan/2026:23:59:59 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"'
INGRESS = b" 80 0.003 [shop-web-80] [] 10.244.0.9:8080 0 0.002 304 6d0f5e0b"


def found(rest: str) -> dict[str, Any]:
    """What `rest` adds to the fields of a line in the combined format."""
    (fields,) = nginx.parse([COMBINED + rest.encode()])
    return {name: value for name, value in fields.items() if name not in nginx.parse([COMBINED])[0]}


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (" 0.640 0.630", {"request_time": 0.64, "upstream_response_time": 0.63}),
        (" 0.640 0.630 .", {"request_time": 0.64, "upstream_response_time": 0.63}),
        (" 0.640", {"request_time": 0.64}),
        (" 0.640 - p", {"request_time": 0.64}),
        (' "0.640" "0.630"', {"request_time": 0.64, "upstream_response_time": 0.63}),
        (" rt=0.640", {"request_time": 0.64}),
        (" request_time=0.640", {"request_time": 0.64}),
        (" rt=0.01", {}),
        (
            " rt=0.010 urt=0.001, 0.002 : 0.003",
            {"request_time": 0.01, "upstream_response_time": 0.006},
        ),
        (' rt=0.010 urt="-, 0.002"', {"request_time": 0.01, "upstream_response_time": 0.002}),
        (' rt=0.010 urt="-"', {"request_time": 0.01}),
        (' rt=0.010 urt="-, -"', {"request_time": 0.01}),
        (
            ' "shop.example" sn="a b" rt=0.003 ua="10.0.0.1:80" us="200" ut="0.002" cs=-',
            {
                "forwarded_for": "shop.example",
                "request_time": 0.003,
                "upstream_response_time": 0.002,
            },
        ),
    ],
)  # fmt: skip
def test_times_are_read_by_name_or_in_the_usual_order(rest: str, expected: dict[str, Any]) -> None:
    assert found(rest) == expected


def test_the_times_follow_who_it_was_forwarded_for() -> None:
    assert found(' "10.0.0.1, 10.0.0.2" rt=0.003 uct="0.000" uht="0.002" urt="0.003"') == {
        "forwarded_for": "10.0.0.1, 10.0.0.2",
        "request_time": 0.003,
        "upstream_connect_time": 0.0,
        "upstream_header_time": 0.002,
        "upstream_response_time": 0.003,
    }


def test_the_default_format_of_ingress_nginx_is_read_whole() -> None:
    assert found(INGRESS.decode()) == {
        "request_length": 80,
        "request_time": 0.003,
        "proxy_upstream_name": "shop-web-80",
        "upstream_addr": "10.244.0.9:8080",
        "upstream_response_length": 0,
        "upstream_response_time": 0.002,
        "upstream_status": 304,
        "req_id": "6d0f5e0b",
    }


def test_of_several_servers_times_are_added_up_and_the_last_one_has_answered() -> None:
    addresses = "10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80"
    fields = found(f" 80 5.010 [a] [b] {addresses} 0, - : 12 5.000, - : 0.010 502, - : 200")
    assert fields["upstream_response_time"] == 5.01
    assert (fields["upstream_status"], fields["upstream_response_length"]) == (200, 12)
    assert fields["upstream_addr"] == addresses
    assert fields["proxy_alternative_upstream_name"] == "b" and "req_id" not in fields


def test_a_request_that_asked_no_server_has_its_own_time_only() -> None:
    assert found(" 80 0.000 [] [] - - - - abc") == {
        "request_length": 80,
        "request_time": 0.0,
        "req_id": "abc",
    }


@pytest.mark.parametrize(
    "rest",
    [
        " 1234",  # %D of Apache, in microseconds
        " 0",
        " 0.64",
        " 1e3.000",
        ' "rt=9.999"',
        " text 0.640",
        " art=0.640",
        " rt=0.640x",
        " rt=" + "9" * 30 + ".000",
        ' "',
        " \u0663.\u0663\u0663\u0663",
    ],
)
def test_what_is_no_time_of_nginx_adds_none(rest: str) -> None:
    assert set(found(rest)) <= {"forwarded_for"}


def test_a_client_cannot_put_a_time_into_what_is_quoted() -> None:
    assert found(' rt=0.003 "x rt=9.999 urt=9.999"') == {"request_time": 0.003}
    assert found(' "a\\" rt=9.999" rt=0.003') == {
        "forwarded_for": 'a\\" rt=9.999',
        "request_time": 0.003,
    }


def test_auto_reads_them_too() -> None:
    stage = parse.Stage("auto").bind(batch("x").container)
    result = stage(batch(COMBINED + INGRESS))
    assert result is not None and result.fields is not None
    assert result.fields[0]["request_time"] == 0.003


@pytest.mark.parametrize("pattern", [timing._PART, timing._INGRESS, timing._IS_TIMES])
def test_no_line_makes_the_search_take_long(pattern: re.Pattern[str]) -> None:
    assert steps.of_search("^" + pattern.pattern) <= steps.LINEAR


def test_only_so_much_is_looked_at() -> None:
    assert found(f' a=1 "{"x" * timing.MOST}" rt=0.003') == {}


SITE = """
    log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status '
        '$body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for" '
        'rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" '
        'urt="$upstream_response_time"';
    log_format plain '$remote_addr - $remote_user [$time_local] "$request" $status '
        '$body_bytes_sent "$http_referer" "$http_user_agent" '
        '$request_time $upstream_response_time $pipe';
    upstream shop {{ server 127.0.0.1:{dead}; server 127.0.0.1:{port} backup; }}
    server {{
        listen 127.0.0.1:{port};
        access_log /dev/stdout timed;
        access_log /dev/stdout plain;
        location /here {{ return 200 "x"; }}
        location / {{ proxy_pass http://shop/here; }}
    }}
"""


@pytest.mark.server
def test_the_times_of_a_real_nginx_are_read(tmp_path: Path) -> None:
    dead, port = free_port(), free_port()
    with nginx_site(tmp_path, SITE.format(dead=dead, port=port), port) as running:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/cart", timeout=60).read()
    lines = [line for line in running.log.read_bytes().splitlines() if b'"GET /' in line]
    assert any(b", " in line.rpartition(b" urt=")[2] for line in lines), "no server was tried first"
    timed, plain = (
        [
            fields
            for line, fields in zip(lines, nginx.parse(lines), strict=True)
            if (b" rt=" in line) is named and b'"GET ' in line and b"[error]" not in line
        ]
        for named in (True, False)
    )
    for served in (timed, plain):
        here, cart = sorted(served, key=lambda one: str(one["path"] == "/cart"))
        assert type(here["request_time"]) is float
        assert "upstream_response_time" not in here
        assert 0 <= cart["upstream_response_time"] <= cart["request_time"] + 0.002
    cart = next(one for one in timed if one["path"] == "/cart")
    assert {"upstream_connect_time", "upstream_header_time"} <= set(cart)
