"""What the programs of Kubernetes write."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.parsing import klog

HEAD = {"level": "info", "timestamp": "0131 23:59:59.000000", "id": 1, "file": "a.go", "line": 10}


@pytest.mark.parametrize(
    ("rest", "fields"),
    [
        ("some text: a=1", {"msg": "some text: a=1"}),
        ("", {"msg": ""}),
        (
            '"Pod status updated" pod="kube-system/kubedns" status="ready"',
            {"msg": "Pod status updated", "pod": "kube-system/kubedns", "status": "ready"},
        ),
        ('"It said \\"no\\"" err="x \\"y\\"" line=3', {"msg": 'It said "no"', "err": 'x "y"'}),
        ('"Started"', {"msg": "Started"}),
        ('"a" and "b"', {"msg": '"a" and "b"'}),
        ('"unclosed', {"msg": '"unclosed'}),
    ],
)
def test_a_header_and_a_text_or_a_structured_message(rest: str, fields: dict[str, Any]) -> None:
    line = f"I0131 23:59:59.000000       1 a.go:10] {rest}"
    assert klog.parse([line.encode()]) == [HEAD | fields]


def test_each_severity_and_the_year_that_newer_glog_writes() -> None:
    lines = [
        b"W1025 00:15:15.525108       1 reflector.go:539] watch of *v1.Pod ended",
        b"E1025 00:15:15.525108 12345 main.cc:7] failed",
        b"F20261025 00:15:15.525108 140218 main.cc:7] Check failed: a == b",
    ]
    parsed = klog.parse(lines)
    assert [fields["level"] for fields in parsed] == ["warning", "error", "fatal"]
    assert parsed[2]["timestamp"] == "20261025 00:15:15.525108"
    assert parsed[2]["msg"] == "Check failed: a == b"


@pytest.mark.parametrize(
    "line", [b"", b"I", b"I0131", b"I0131 text", b"I0131 23:59:59.000000 1 a.go] x", b"D0131 x"]
)
def test_what_is_no_klog_has_no_fields(line: bytes) -> None:
    assert klog.parse([line]) == [{}]
