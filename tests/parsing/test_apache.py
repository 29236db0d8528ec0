"""What Apache httpd writes."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.parsing import apache
from tests.parsing.test_access import COMMON


def test_access_and_error_logs_may_be_mixed() -> None:
    lines = [COMMON.encode(), b"AH00558: httpd: Could not determine the server's name"]
    assert [fields.get("status") for fields in apache.parse(lines)] == [200, None]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] "
            "[client 72.15.99.187:4711] File does not exist: /usr/local/apache2/htdocs/favicon.ico",
            {
                "timestamp": "Fri Sep 09 10:42:29.902022 2011",
                "module": "core",
                "severity": "error",
                "pid": 35708,
                "tid": 4328636416,
                "client": "72.15.99.187",
                "port": 4711,
                "msg": "File does not exist: /usr/local/apache2/htdocs/favicon.ico",
            },
        ),
        (
            "[Sat Jan 31 23:59:59.000001 2026] [mpm_event:notice] [pid 1:tid 1] AH00489: "
            "Apache/2.4.62 (Unix) configured -- resuming normal operations",
            {
                "timestamp": "Sat Jan 31 23:59:59.000001 2026",
                "module": "mpm_event",
                "severity": "notice",
                "pid": 1,
                "tid": 1,
                "msg": "AH00489: Apache/2.4.62 (Unix) configured -- resuming normal operations",
            },
        ),
        (
            "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied",
            {
                "timestamp": "Wed Oct 11 14:32:52 2000",
                "severity": "error",
                "client": "127.0.0.1",
                "msg": "client denied",
            },
        ),
        ("[error] text", {}),
        ("[", {}),
    ],
)
def test_its_error_log(line: str, fields: dict[str, Any]) -> None:
    assert apache.parse([line.encode()]) == [fields]
