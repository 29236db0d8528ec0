"""A real rsyslogd: TCP, UDP, and TLS with and without client certificates."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.certificates import Authority
from tests.servers.daemon import Daemon, eventually
from tests.servers.ports import free_port
from tests.servers.syslog_received import Received

_CONFIG = """
global(
    workDirectory="{directory}"
    parser.escapeControlCharactersOnReceive="{escape}"
    defaultNetstreamDriverCAFile="{ca}"
    defaultNetstreamDriverCertFile="{cert}"
    defaultNetstreamDriverKeyFile="{key}"
)
main_queue(queue.workerThreads="1")
module(load="imtcp")
module(load="imudp")
template(name="json" type="list" option.jsonf="on") {{
    property(outname="raw" name="rawmsg" format="jsonf")
    property(outname="priority" name="pri" format="jsonf")
    property(outname="time" name="timereported" dateformat="rfc3339" format="jsonf")
    property(outname="host" name="hostname" format="jsonf")
    property(outname="app" name="app-name" format="jsonf")
    property(outname="process" name="procid" format="jsonf")
    property(outname="data" name="structured-data" format="jsonf")
    property(outname="message" name="msg" format="jsonf")
}}
ruleset(name="keep") {{ action(type="omfile" file="{output}" template="json") }}
input(type="imtcp" address="127.0.0.1" port="{tcp}" ruleset="keep")
input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="{tls}" ruleset="keep"
    streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="{mutual}" ruleset="keep"
    streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
"""


class Rsyslog(Daemon):
    """Keeps what it receives in a file, in order: by itself it has a second worker once 40,000
    messages wait. Control characters are stored as they came, unless `escape`, which is how rsyslog
    does it when nobody told it otherwise."""

    def __init__(self, directory: Path, authority: Authority, *, escape: bool = False) -> None:
        self.output = directory / "received.json"
        self.tcp, self.tls, self.mutual = free_port(), free_port(), free_port()
        self.udp = free_port(socket.SOCK_DGRAM)
        own = authority.issue("rsyslog")
        config = directory / "rsyslog.conf"
        values = {
            "directory": directory,
            "output": self.output,
            "escape": "on" if escape else "off",
        }
        values |= {"ca": authority.ca, "cert": own.cert, "key": own.key}
        values |= {"tcp": self.tcp, "udp": self.udp, "tls": self.tls, "mutual": self.mutual}
        config.write_text(_CONFIG.format(**values))
        command = [found(), "-n", "-C", "-f", str(config), "-i", str(directory / "pid")]
        super().__init__(command, directory, (self.tcp, self.tls, self.mutual))
        self._forgotten = 0

    def forget(self) -> None:
        """What it has received until now."""
        self._forgotten += len(self._lines())

    def received(self, count: int) -> list[Received]:
        """The messages so far, in the order of their arrival, when there are `count` of them."""
        eventually(f"rsyslog has {count} messages", lambda: len(self._lines()) >= count)
        return [_record(line) for line in self._lines()]

    def _lines(self) -> list[bytes]:
        written = self.output.read_bytes() if self.output.exists() else b""
        return written.split(b"\n")[self._forgotten : -1]


def _record(line: bytes) -> Received:
    """rsyslog escapes what JSON wants escaped, and leaves bytes that are not UTF-8 alone."""
    values = json.loads(line.decode("utf-8", "surrogateescape"), strict=False)
    return Received(**{k: v.encode("utf-8", "surrogateescape") for k, v in values.items()})


def found() -> str:
    """Path of rsyslogd; skips the test where it, or its TLS, is not installed."""
    path = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if path is None or not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")):
        pytest.skip("rsyslog or rsyslog-openssl is not installed")
    return path


@pytest.fixture
def rsyslog(tmp_path: Path, authority: Authority) -> Iterator[Rsyslog]:
    """One that the test may stop."""
    with Rsyslog(tmp_path, authority) as server:
        yield server


@pytest.fixture(scope="session")
def rsyslog_server(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Rsyslog]:
    """One for all tests, which let it `forget` what others have sent."""
    with Rsyslog(tmp_path_factory.mktemp("rsyslog"), authority) as server:
        yield server
