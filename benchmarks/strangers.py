"""What clients cost that a `forward` source has not let in.

    python -m benchmarks.strangers [--clients 1024]

They connect and go no further: with most of a PING, without which no shared key is shown; with
most of what TLS begins with; with a handshake of TLS that claims to be long; and with one that is
complete, and no PING. Resident memory of the process that listens, at the most, without what it had
before.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from pipeline.model.component import Secret, SourceContext
from pipeline.sources.forward import Config, Forward
from pipeline.testing.intake_room import room
from pipeline.transport.net.listen import ListenTLSConfig
from tests.servers.certificates import Authority, Certificate

PATIENCE = 4.0
"""Seconds for which memory is looked at when all have sent what they send."""
PING = b"\x96\xa4PING\xda\xfd\xe8" + b"x" * 4000
LONG = b"\x16\x03\x01\x40\x00\x01\x01\xff\xff" + b"x" * 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=1024)
    parser.add_argument("--serve", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        asyncio.run(serve(*arguments.serve))
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder) / "certificates")
        own = authority.issue("server")
        trusting = ssl.create_default_context(cafile=authority.ca)
        for name, tls, said in (
            ("most of a PING", None, PING),
            ("most of a handshake of TLS", own, hello()[:-1]),
            ("a handshake of TLS that is long", own, LONG),
            ("TLS, and no PING", own, None),
        ):
            used = measured(arguments.clients, tls, said, trusting)
            print(f"{arguments.clients} clients, {name}: {used / 2**20:.0f} MiB", flush=True)


async def serve(*tls: str) -> None:
    config = Config(
        type="forward",
        listen="127.0.0.1:0",
        shared_key=Secret("key"),
        tls=ListenTLSConfig(cert=tls[0], key=tls[1]) if tls else None,
        connections=100_000,
    )
    source = Forward(config, SourceContext("in", "hub-1"))
    async with room(source):
        print(source.port, flush=True)
        await asyncio.sleep(3600)


def measured(
    clients: int, tls: Certificate | None, said: bytes | None, trusting: ssl.SSLContext
) -> int:
    """Bytes. `said` is what each client sends; None for a handshake of TLS."""
    own = [tls.cert, tls.key] if tls else []
    command = [sys.executable, "-m", "benchmarks.strangers", "--serve", *own]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        before = most = _resident(server.pid)
        with ExitStack() as stack:
            for _ in range(clients):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                if said is None:
                    stack.enter_context(trusting.wrap_socket(sock, server_hostname="localhost"))
                else:
                    sock.setblocking(False)
                    with suppress(BlockingIOError):
                        sock.send(said)
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                most = max(most, _resident(server.pid))
                time.sleep(0.05)
        server.kill()
    return most - before


def hello() -> bytes:
    """What a client of TLS begins with."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
