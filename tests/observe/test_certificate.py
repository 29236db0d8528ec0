"""A certificate is renewed while its server runs, and a broken one does no harm."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from pipeline.model.errors import DocklineError
from pipeline.observe.certificate import LOOK_EVERY, Certificate
from pipeline.observe.server import Server
from tests.servers.certificates import Authority
from tests.servers.certificates import Certificate as Issued


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def put(issued: Issued, folder: Path) -> tuple[str, str]:
    """Copies a certificate to where the server looks for it."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    shutil.copy(issued.cert, cert)
    shutil.copy(issued.key, key)
    return str(cert), str(key)


async def shown(server: Server) -> str:
    """The certificate that the server shows to a new client, as PEM."""
    host, port = server.address.split(":")
    return await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))


async def test_renewed_files_are_used_for_new_connections(tmp_path: Path) -> None:
    authority, clock = Authority(tmp_path / "authority"), Clock()
    old, new, other = (authority.issue(name) for name in ("old", "new", "other"))
    server = Server("127.0.0.1:0", [], certificate=(one := Certificate(*put(old, tmp_path), clock)))
    await server.start()

    async def looked() -> None:
        clock.now += LOOK_EVERY
        one.context()
        while one._looking is not None:
            await asyncio.sleep(0.01)

    assert await shown(server) == Path(old.cert).read_text()
    put(new, tmp_path)
    assert await shown(server) == Path(old.cert).read_text()
    await looked()
    assert await shown(server) == Path(new.cert).read_text()

    shutil.copy(other.cert, tmp_path / "cert.pem")  # its key has not come yet
    await looked()
    assert await shown(server) == Path(new.cert).read_text()
    (tmp_path / "key.pem").unlink()
    await looked()
    assert await shown(server) == Path(new.cert).read_text()
    put(other, tmp_path)
    await looked()
    assert await shown(server) == Path(other.cert).read_text()
    await server.close()


async def test_one_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    one, other = authority.issue("one"), authority.issue("other")
    for cert, key, why in (
        (str(tmp_path / "none"), None, "http.tls.cert: there is no file"),
        (one.cert, other.key, "http.tls.cert: .* cannot be used"),
        (one.cert, None, "http.tls.cert: .* cannot be used"),
    ):
        routes: list[web.RouteDef] = []
        with pytest.raises(DocklineError, match=why):
            await Server("127.0.0.1:0", routes, certificate=Certificate(cert, key)).start()
