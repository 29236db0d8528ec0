"""Syslog messages as text."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.parsing import syslog

DATA = rb'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 42 ID47 [exampleSDID@32473 iut="3" eventSource="a \"b\" \\ \] c"][other@1] '  # noqa: E501


def test_rfc_5424_with_structured_data() -> None:
    message = "An application event …".encode()
    assert syslog.parse([DATA + b"\xef\xbb\xbf" + message]) == [
        {
            "facility": "local4",
            "severity": "notice",
            "version": 1,
            "timestamp": "2003-10-11T22:14:15.003Z",
            "hostname": "mymachine.example.com",
            "appname": "evntslog",
            "procid": 42,
            "msgid": "ID47",
            "structured_data": {
                "exampleSDID@32473": {"iut": "3", "eventSource": 'a "b" \\ ] c'},
                "other@1": {},
            },
            "msg": "An application event …",
        }
    ]


def test_of_rfc_5424_what_is_not_said_makes_no_field() -> None:
    assert syslog.parse([b"<0>1 - - - - - -"]) == [
        {"facility": "kern", "severity": "emerg", "version": 1}
    ]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
            {
                "facility": "auth",
                "severity": "crit",
                "timestamp": "Oct 11 22:14:15",
                "hostname": "mymachine",
                "appname": "su",
                "msg": "'su root' failed for lonvick on /dev/pts/8",
            },
        ),
        (
            "<30>Jan  1 00:00:00 dnsmasq[7]: started",
            {
                "facility": "daemon",
                "severity": "info",
                "timestamp": "Jan  1 00:00:00",
                "appname": "dnsmasq",
                "procid": 7,
                "msg": "started",
            },
        ),
        (
            "<86>2026-01-31T23:59:59.123456+01:00 web-1 CRON[99]: session opened: for root",
            {
                "facility": "authpriv",
                "severity": "info",
                "timestamp": "2026-01-31T23:59:59.123456+01:00",
                "hostname": "web-1",
                "appname": "CRON",
                "procid": 99,
                "msg": "session opened: for root",
            },
        ),
        (
            "<13>Jan 31 23:59:59 fe80::1 no tag at all",
            {
                "facility": "user",
                "severity": "notice",
                "timestamp": "Jan 31 23:59:59",
                "hostname": "fe80::1",
                "msg": "no tag at all",
            },
        ),
    ],
)
def test_rfc_3164(line: str, fields: dict[str, Any]) -> None:
    assert syslog.parse([line.encode()]) == [fields]
    assert syslog.certain(line.encode()) == fields


def test_a_daemons_file_has_no_priority() -> None:
    lines = [b"Jan 31 23:59:59 web-1 sshd[812]: Accepted publickey for root", b"Jan 31 text"]
    assert syslog.parse(lines) == [
        {
            "timestamp": "Jan 31 23:59:59",
            "hostname": "web-1",
            "appname": "sshd",
            "procid": 812,
            "msg": "Accepted publickey for root",
        },
        {},
    ]


def test_a_priority_alone_is_enough_when_asked_for_and_never_for_certain() -> None:
    lines = [b"<3>out of disk", b"<6>usb: new device"]
    assert syslog.parse(lines) == [
        {"facility": "kern", "severity": "err", "msg": "out of disk"},
        {"facility": "kern", "severity": "info", "appname": "usb", "msg": "new device"},
    ]
    assert [syslog.certain(line) for line in lines] == [{}, {}]


@pytest.mark.parametrize(
    "line", [b"", b"<", b"<192>Oct 11 22:14:15 a b: c", b"<013>1 - - - - - -", b"<a>", b"<html>"]
)
def test_what_is_no_syslog_has_no_fields(line: bytes) -> None:
    assert syslog.parse([line]) == [{}]


@pytest.mark.server
@pytest.mark.skipif(shutil.which("logger") is None, reason="needs logger (bsdutils)")
@pytest.mark.parametrize("form", ["--rfc5424", "--rfc3164"])
def test_what_logger_writes_is_read(form: str, tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    more = ["--msgid", "ID7", "--sd-id", "x@1", "--sd-param", r'a="b\"c"'] * (form == "--rfc5424")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(60)
        options = ["--socket", path, form, "-p", "user.warning", "-t", "app", "--id=7", *more]
        subprocess.run(["logger", *options, "hello: world"], check=True, timeout=60)
        line = receiver.recv(65536)
    (fields,) = syslog.parse([line])
    assert fields["hostname"] == socket.gethostname().partition(".")[0]
    assert (fields["severity"], fields["appname"], fields["procid"]) == ("warning", "app", 7)
    assert fields["msg"] == "hello: world"
    if more:
        assert fields["msgid"] == "ID7"
        assert fields["structured_data"]["x@1"] == {"a": 'b"c'}
