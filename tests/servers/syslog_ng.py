"""A real syslog-ng, installed or unpacked.

Debian's package conflicts with rsyslog, so where syslog-ng is not installed its packages are
downloaded by apt-get and unpacked (not installed) into `$XDG_CACHE_HOME/dockline-tests`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.certificates import Authority
from tests.servers.daemon import Daemon, eventually
from tests.servers.ports import free_port
from tests.servers.syslog_received import Received

_PACKAGES = ("syslog-ng-core", "libivykis0t64", "libjson-c5", "libnet1", "libwrap0")

_FIELD, _END = b"=|=", b"=;=\n"
_COLUMNS = ("RAWMSG", "PRI", "ISODATE", "HOST", "PROGRAM", "PID", "SDATA", "MESSAGE")

_CONFIG = """
@version: 4.8
options {{
    keep-hostname(yes); chain-hostnames(no); use-dns(no); stats(freq(0));
    frac-digits(6); log-msg-size(65536);
}};
source s {{
    syslog(ip("127.0.0.1") port({tcp}) transport("tcp") flags(store-raw-message));
    syslog(ip("127.0.0.1") port({udp}) transport("udp") flags(store-raw-message));
    syslog(ip("127.0.0.1") port({tls}) transport("tls") flags(store-raw-message)
        tls(cert-file("{cert}") key-file("{key}") peer-verify(optional-untrusted)));
    syslog(ip("127.0.0.1") port({mutual}) transport("tls") flags(store-raw-message)
        tls(cert-file("{cert}") key-file("{key}") ca-file("{ca}") peer-verify(required-trusted)));
    network(ip("127.0.0.1") port({lines}) transport("tcp")
        flags(store-raw-message, syslog-protocol));
    network(ip("127.0.0.1") port({old}) transport("tcp") flags(store-raw-message));
}};
destination d {{ file("{output}" template("{template}")); }};
log {{ source(s); destination(d); }};
"""


@dataclass(frozen=True)
class Installation:
    """Where one syslog-ng is."""

    binary: str
    options: tuple[str, ...] = ()
    libraries: str = ""


class SyslogNG(Daemon):
    """`tcp`, `tls`, `mutual` take octet counting; `lines` takes LF, `old` LF and RFC 3164."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.output = directory / "received"
        self.tcp, self.tls, self.mutual = free_port(), free_port(), free_port()
        self.lines, self.old = free_port(), free_port()
        self.udp = free_port(socket.SOCK_DGRAM)
        own = authority.issue("syslog-ng")
        fields = _FIELD.decode().join(f"${{{name}}}" for name in _COLUMNS)
        config = directory / "syslog-ng.conf"
        values = {"output": self.output, "template": fields + "=;=\\n"}
        values |= {"ca": authority.ca, "cert": own.cert, "key": own.key}
        values |= {"tcp": self.tcp, "udp": self.udp, "tls": self.tls, "mutual": self.mutual}
        values |= {"lines": self.lines, "old": self.old}
        config.write_text(_CONFIG.format(**values))
        command, env = run(config, directory)
        ports = self.tcp, self.tls, self.mutual, self.lines, self.old
        super().__init__(command, directory, ports, env)
        self._forgotten = 0

    def forget(self) -> None:
        """What it has received until now."""
        self._forgotten += len(self._records())

    def received(self, count: int) -> list[Received]:
        """The messages so far, in the order of their arrival, when there are `count` of them."""
        eventually(f"syslog-ng has {count} messages", lambda: len(self._records()) >= count)
        return [Received(*record.split(_FIELD)) for record in self._records()]

    def _records(self) -> list[bytes]:
        written = self.output.read_bytes() if self.output.exists() else b""
        return written.split(_END)[self._forgotten : -1]


def run(config: Path, directory: Path) -> tuple[list[str], dict[str, str]]:
    """The command for one with this configuration, and its environment."""
    installed = find()
    command = [installed.binary, "-F", "--no-caps", *installed.options, "-f", str(config)]
    command += ["-R", str(directory / "persist"), "-c", str(directory / "control")]
    command += ["--pidfile", str(directory / "pid")]
    return command, {**os.environ, "LD_LIBRARY_PATH": installed.libraries}


def find() -> Installation:
    """The installed one, or the unpacked one, unpacked now where that can be done; or skips."""
    if path := shutil.which("syslog-ng") or shutil.which("syslog-ng", path="/usr/sbin"):
        return Installation(path)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = cache / "dockline-tests" / "syslog-ng"
    if not (root / "usr/sbin/syslog-ng").exists():
        _unpack(root)
    (modules,) = (root / "usr/lib/syslog-ng").glob("[0-9]*")
    libraries = [root / "usr/lib/syslog-ng", *(root / "usr/lib").glob("*-linux-gnu")]
    return Installation(
        str(root / "usr/sbin/syslog-ng"),
        (f"--module-path={modules}",),
        ":".join(map(str, libraries)),
    )


def _unpack(root: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("syslog-ng is not installed, and there is no apt-get to fetch it with")
    downloads = root.with_name("syslog-ng.download")
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    command = ["apt-get", "-q", "download", *_PACKAGES]
    fetched = subprocess.run(command, cwd=downloads, capture_output=True, text=True, check=False)
    if fetched.returncode:
        last = (fetched.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"syslog-ng is not installed, and apt-get cannot fetch it: {last}")
    unpacked = downloads / "root"
    for package in downloads.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
    shutil.rmtree(root, ignore_errors=True)
    unpacked.rename(root)
    shutil.rmtree(downloads)


@pytest.fixture(scope="session")
def syslog_ng_server(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[SyslogNG]:
    """One for all tests, which let it `forget` what others have sent."""
    with SyslogNG(tmp_path_factory.mktemp("syslog-ng"), authority) as server:
        yield server
