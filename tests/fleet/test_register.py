"""The register takes whole requests, and those only."""

from __future__ import annotations

import socket
import urllib.request

from tests.fleet.register import Register
from tests.servers.daemon import eventually


def url_of(register: Register) -> str:
    (line,) = (one for one in register.sink.splitlines() if one.startswith("url"))
    return line.split('"')[1]


def test_lines_of_a_request_are_noted_before_it_is_answered() -> None:
    with Register() as register:
        for body in (b"web 1\nweb 2\n", b"web 2\nweb 3\n"):
            with urllib.request.urlopen(url_of(register), body) as answer:
                assert answer.status == 200
        assert (register.lines, register.repeated) == (3, 1)
        assert not register.odd


def test_a_request_that_is_cut_short_is_not_noted() -> None:
    with Register() as register:
        host, _, port = url_of(register).split("/")[2].partition(":")
        with socket.create_connection((host, int(port))) as hub:
            hub.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nweb 1\nweb")
            hub.shutdown(socket.SHUT_WR)
            assert hub.recv(1) == b""
        assert register.lines == 0


def test_a_line_that_makes_no_sense_is_told() -> None:
    with Register() as register:
        urllib.request.urlopen(url_of(register), b"nonsense\n").close()
        eventually("it is told", lambda: bool(register.odd))
