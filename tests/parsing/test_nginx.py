"""What nginx writes."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.parsing import nginx
from tests.servers.proxies import nginx as proxy

FAILED = b'2026/01/31 23:59:59 [error] 29#30: *17 open() "/usr/share/nginx/html/x" failed (2: No such file or directory), client: 172.17.0.1, server: localhost, request: "GET /x HTTP/1.1", host: "localhost:8080", referrer: "http://localhost:8080/"'  # noqa: E501
NOTICE = b"2026/01/31 23:59:59 [notice] 1#1: signal 3 (SIGQUIT) received, shutting down"


def test_an_error_about_a_request_has_the_request() -> None:
    assert nginx.parse([FAILED]) == [
        {
            "timestamp": "2026/01/31 23:59:59",
            "severity": "error",
            "pid": 29,
            "tid": 30,
            "cid": 17,
            "msg": 'open() "/usr/share/nginx/html/x" failed (2: No such file or directory)',
            "client": "172.17.0.1",
            "server": "localhost",
            "method": "GET",
            "path": "/x",
            "protocol": "HTTP/1.1",
            "http_host": "localhost:8080",
            "referer": "http://localhost:8080/",
        }
    ]


def test_a_notice_has_none() -> None:
    assert nginx.parse([NOTICE, b"text", b"2026/01/31 23:59:59 text"]) == [
        {
            "timestamp": "2026/01/31 23:59:59",
            "severity": "notice",
            "pid": 1,
            "tid": 1,
            "msg": "signal 3 (SIGQUIT) received, shutting down",
        },
        {},
        {},
    ]


@pytest.mark.server
def test_both_logs_of_a_real_nginx_are_read(tmp_path: Path) -> None:
    with proxy(tmp_path, tmp_path / "nobody") as running:
        url = running.url.replace("tcp://", "http://")
        request = urllib.request.Request(
            f"{url}/v1/items?a=%22b", headers={"User-Agent": 'a "b"', "Referer": "http://x/"}
        )
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=60)
    lines = running.log.read_bytes().splitlines()
    parsed = dict(zip(lines, nginx.parse(lines), strict=True))
    (access,) = (fields for line, fields in parsed.items() if b'" 502 ' in line)
    assert (access["method"], access["path"], access["status"]) == ("GET", "/v1/items?a=%22b", 502)
    assert access["referer"] == "http://x/" and type(access["size"]) is int
    (error,) = (fields for line, fields in parsed.items() if b"connect() to unix:" in line)
    assert error["client"] == "127.0.0.1" and error["path"] == access["path"]
    assert error["severity"] in ("crit", "error") and error["upstream"].startswith("http://unix:")
