"""Connections to NATS: who may have one, over what, and how it is told that there is none."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import socket
import struct
import sys
from binascii import crc_hqx
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.model.component import Secret, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.transport.nats.auth import NatsAuth
from pipeline.transport.nats.connection import NatsConnection
from tests.servers.certificates import Authority
from tests.servers.fake_nats import FakeNats, fake_nats
from tests.servers.nats import NatsServer
from tests.servers.ports import free_port
from tests.servers.receivers import serve
from tests.suite.waiting import until

USERS = 'authorization { user: "agent", password: "s3cret" }'


async def reached(*urls: str, **options: Any) -> str:
    nats = NatsConnection(urls, **options)
    try:
        await nats.open()
        return nats.reached()
    finally:
        await nats.close()


# -- a real server --------------------------------------------------------------------------------


async def test_it_says_whom_it_has_reached(nats_server: NatsServer) -> None:
    said = await reached(nats_server.url)
    assert said.startswith(f"{nats_server.url}, nats-server 2.")


async def test_of_several_servers_it_takes_one_that_is_there(nats_server: NatsServer) -> None:
    dead = [f"nats://127.0.0.1:{free_port()}" for _ in range(3)]
    for _ in range(5):
        assert (await reached(*dead, nats_server.url)).startswith(nats_server.url)
    with pytest.raises(Unavailable) as caught:
        await reached(*dead)
    assert all(url in str(caught.value) for url in dead)
    assert "refused the connection: nothing listens there" in str(caught.value)


@pytest.mark.server
@pytest.mark.parametrize(
    ("more", "auth"),
    [
        (USERS, NatsAuth(user="agent", password=Secret("s3cret"))),
        ('authorization { token: "t0ken" }', NatsAuth(token=Secret("t0ken"))),
    ],
)
async def test_only_who_is_known_gets_in(tmp_path: Path, more: str, auth: NatsAuth) -> None:
    with NatsServer(tmp_path, more=more) as server:
        assert await reached(server.url, auth=auth)
        for wrong in (None, NatsAuth(user="agent", password=Secret("wr0ng"))):
            with pytest.raises(Unavailable, match="does not know us; check auth") as caught:
                await reached(server.url, auth=wrong)
            assert "wr0ng" not in str(caught.value)


@pytest.mark.server
async def test_over_tls_the_certificate_is_verified(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    with NatsServer(tmp_path, tls=authority.issue("nats"), more=USERS) as server:
        auth = NatsAuth(user="agent", password=Secret("s3cret"))
        assert "TLSv1" in await reached(server.url, auth=auth, tls=TLSConfig(ca=authority.ca))
        plain = server.url.replace("tls://", "nats://")
        assert "TLSv1" in await reached(plain, auth=auth, tls=TLSConfig(ca=authority.ca))
        for tls, says in [
            (None, "authority that is not trusted here"),
            (TLSConfig(ca=stranger.ca), "authority that is not trusted here"),
            (TLSConfig(ca=authority.ca, server_name="elsewhere"), "is not for"),
            (TLSConfig(ca="/nowhere"), "tls.ca: there is no file /nowhere"),
        ]:
            with pytest.raises(Unavailable, match=says):
                await reached(server.url, auth=auth, tls=tls)


@pytest.mark.fault(27)
@pytest.mark.server
async def test_a_certificate_that_has_expired_is_told(tmp_path: Path, authority: Authority) -> None:
    with (
        NatsServer(tmp_path, tls=authority.issue("old", expired=True)) as server,
        pytest.raises(Unavailable, match="has expired; renew it"),
    ):
        await reached(server.url, tls=TLSConfig(ca=authority.ca))


@pytest.mark.server
async def test_a_server_may_ask_for_our_certificate(tmp_path: Path, authority: Authority) -> None:
    own, ours = authority.issue("nats"), authority.issue("agent")
    with NatsServer(tmp_path, tls=own, client_ca=authority.ca) as server:
        tls = TLSConfig(ca=authority.ca, cert=ours.cert, key=ours.key)
        assert await reached(server.url, tls=tls)
        with pytest.raises(Unavailable, match=r"client certificate|tls\.cert|closed the connec"):
            await reached(server.url, tls=TLSConfig(ca=authority.ca))


@pytest.mark.fault(27)
async def test_where_tls_is_wanted_nothing_is_said_to_a_server_without() -> None:
    """Somebody on the way may have taken the offer out: it comes before TLS does."""
    server = FakeNats()
    auth = NatsAuth(user="agent", password=Secret("s3cret"))
    async with fake_nats(server) as url:
        for it, tls in ((url.replace("nats:", "tls:"), None), (url, TLSConfig())):
            with pytest.raises(Unavailable, match="does not offer TLS"):
                await reached(it, auth=auth, tls=tls)
    assert server.said == []


# -- keys -----------------------------------------------------------------------------------------


class _Key:
    """A key that is made anew, which the package `nkeys` does not do; it only uses them."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b32decode(seed + b"=" * 6)[2:34])

    def public(self, prefix: int) -> str:
        raw = bytes([prefix]) + self._key.public_key().public_bytes_raw()
        return base64.b32encode(raw + struct.pack("<H", crc_hqx(raw, 0))).rstrip(b"=").decode()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


PREFIXES = {"operator": 14 << 3, "account": 0, "user": 20 << 3}


def _jwt(issuer: tuple[str, _Key], subject: tuple[str, _Key], claims: dict[str, Any]) -> str:
    """As `nsc` makes them."""
    claims = {
        "jti": "x",
        "iat": 1,
        "iss": issuer[1].public(PREFIXES[issuer[0]]),
        "sub": subject[1].public(PREFIXES[subject[0]]),
        "name": "x",
        "nats": {"type": subject[0], "version": 2, **claims},
    }
    parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, claims]
    text = b".".join(_encoded(json.dumps(part).encode()) for part in parts)
    return (text + b"." + _encoded(issuer[1].sign(text))).decode()


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _new_key() -> tuple[str, _Key]:
    """A seed of a user, and its key."""
    prefix = bytes([18 << 3 | 20 >> 2, (20 & 3) << 6])  # "SU": a seed, of a user
    raw = prefix + Ed25519PrivateKey.generate().private_bytes_raw()
    seed = base64.b32encode(raw + struct.pack("<H", crc_hqx(raw, 0))).rstrip(b"=")
    return seed.decode(), _Key(seed)


@pytest.mark.server
async def test_a_key_signs_what_the_server_asks(tmp_path: Path) -> None:
    own, key = _new_key()
    seed = tmp_path / "agent.nk"
    seed.write_text(own + "\n")
    public = key.public(PREFIXES["user"])
    more = f"authorization {{ users: [{{ nkey: {public} }}] }}"
    with NatsServer(tmp_path / "server", more=more) as server:
        assert await reached(server.url, auth=NatsAuth(nkey=str(seed)))
        with pytest.raises(Unavailable, match="does not know us"):
            await reached(server.url)
    for text, says in [("", "has no seed of a user"), (None, "cannot be read: No such file")]:
        seed.unlink()
        if text is not None:
            seed.write_text(text)
            with pytest.raises(Unavailable, match=says):
                await reached(server.url, auth=NatsAuth(nkey=str(seed)))
    (tmp_path / "creds").write_text("half a file")
    with pytest.raises(Unavailable, match="not a file as nsc writes it"):
        await reached(server.url, auth=NatsAuth(credentials=str(tmp_path / "creds")))


@pytest.mark.server
async def test_credentials_of_an_operator_mode_let_in(tmp_path: Path) -> None:
    seed, key = _new_key()
    operator, account, system = (_new_key()[1] for _ in range(3))
    limits = ["subs", "data", "payload", "imports", "exports", "conn", "leaf"]
    storage = ["mem_storage", "disk_storage", "streams", "consumer"]
    unlimited = {**dict.fromkeys(limits, -1), "wildcards": True}
    ours = ("operator", operator)
    accounts = {
        one.public(PREFIXES["account"]): _jwt(ours, ("account", one), {"limits": limited})
        for one, limited in {
            account: unlimited | dict.fromkeys(storage, -1),
            system: unlimited,
        }.items()
    }
    preload = ", ".join(f"{name}: {jwt}" for name, jwt in accounts.items())
    more = f"""
    operator: {_jwt(ours, ours, {})}
    system_account: {system.public(PREFIXES["account"])}
    resolver: MEMORY
    resolver_preload: {{ {preload} }}
    """
    user = _jwt(("account", account), ("user", key), {"subs": -1, "data": -1, "payload": -1})
    file = tmp_path / "agent.creds"
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
    with NatsServer(tmp_path / "server", more=more) as server:
        assert await reached(server.url, auth=NatsAuth(credentials=str(file)))
        file.write_text(file.read_text().replace(seed, _new_key()[0]))
        with pytest.raises(Unavailable, match="does not know us"):
            await reached(server.url, auth=NatsAuth(credentials=str(file)))


def test_keys_without_their_package_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nkeys", None)
    with pytest.raises(ConfigError, match=r"auth\.nkey needs .* 'dockline\[nats\]'") as caught:
        NatsConnection(["nats://x"], auth=NatsAuth(nkey="/x"))
    assert caught.value.path == "auth.nkey"


# -- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urls", "options", "path", "says"),
    [
        ([], {}, "urls", "name a server"),
        (["http://x"], {}, "urls", "known are nats://, tls://"),
        (["nats://me:s3cret@x"], {}, "urls", "no user in it"),
        (["nats://x"], {"auth": NatsAuth(password=Secret("s3cret"))}, "auth.password", "its user"),
        (
            ["nats://x"],
            {"auth": NatsAuth(user="a", token=Secret("s3cret"))},
            "auth.token",
            "exclude each other",
        ),
        (["nats://x"], {"tls": TLSConfig(key="k")}, "tls.key", "without its certificate"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    urls: list[str], options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        NatsConnection(urls, **options)
    assert caught.value.path == path
    assert "s3cret" not in str(caught.value)


def test_without_its_library_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ConfigError, match=r"pip install 'dockline\[nats\]'"):
        NatsConnection(["nats://x"])


# -- servers that are none ------------------------------------------------------------------------


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "does not speak NATS"),
        (b"INFO {\r\n", "does not speak NATS"),
        (b'INFO {"max_payload": "much"}\r\n', "does not speak NATS"),
        (b"INFO []\r\n", "does not speak NATS"),
        (b"x" * 100_000 + b"\r\n", "does not speak NATS"),
    ],
)
async def test_who_does_not_speak_nats_is_told_so(greeting: bytes, says: str) -> None:
    server = FakeNats()
    server.greeting = greeting
    async with fake_nats(server) as url:
        with pytest.raises(Unavailable, match=says):
            await reached(url)


@pytest.mark.fault(28)
async def test_silence_ends_after_the_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serve(silent) as port:
        with pytest.raises(Unavailable, match="does not answer"):
            await reached(f"nats://127.0.0.1:{port}", timeout=0.2)


async def test_who_closes_at_once_is_told_so() -> None:
    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1024}\r\n')
        await reader.readline()

    async with serve(closes) as port:
        with pytest.raises(Unavailable, match="closed the connection"):
            await reached(f"nats://127.0.0.1:{port}")


# -- losing one -----------------------------------------------------------------------------------


async def test_a_connection_that_is_reset_is_told_in_words() -> None:
    noticed, connections = asyncio.Event(), []
    server = FakeNats()

    async def remembered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await server(reader, writer)

    async with serve(remembered) as port:
        nats = NatsConnection([f"nats://127.0.0.1:{port}"])
        nats.on_trouble = noticed.set
        await nats.open()
        no_goodbye = struct.pack("ii", 1, 0)
        sock = connections[0].get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
        connections[0].transport.abort()
        await asyncio.wait_for(noticed.wait(), 60)
        with pytest.raises(Unavailable) as caught:
            _ = nats.client
        await nats.close()
    assert str(caught.value).endswith("closed the connection; its own log may say why")


@pytest.mark.server
async def test_a_connection_that_is_lost_is_noticed_at_once(tmp_path: Path) -> None:
    noticed = asyncio.Event()
    with NatsServer(tmp_path) as server:
        nats = NatsConnection([server.url])
        nats.on_trouble = noticed.set
        await nats.open()
        server.kill()
        await asyncio.wait_for(noticed.wait(), 60)
        with pytest.raises(Unavailable, match="closed the connection"):
            _ = nats.client
        server.start()
        await nats.open()
        assert nats.client.is_connected
        await nats.close()
    with pytest.raises(Unavailable, match="is not connected"):
        _ = nats.client


@pytest.mark.server
async def test_what_the_server_does_not_permit_is_told(tmp_path: Path) -> None:
    more = 'authorization { users: [{ user: "a", password: "b", permissions: { publish: "x" } }] }'
    with NatsServer(tmp_path, more=more) as server:
        nats = NatsConnection([server.url], auth=NatsAuth(user="a", password=Secret("b")))
        told = asyncio.Event()
        nats.on_trouble = told.set
        await nats.open()
        await nats.client.publish("y", b"")
        await asyncio.wait_for(told.wait(), 60)
        with pytest.raises(Unavailable, match=r"does not permit it: .*publish to"):
            _ = nats.client
        await nats.close()


async def test_closing_waits_for_nobody_who_does_not_read() -> None:
    server = FakeNats()
    async with fake_nats(server) as url:
        nats = NatsConnection([url])
        client = await nats.open()
        server.reads = False
        for _ in range(64):
            await client.publish("x", b"x" * 1_000_000)
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await nats.close()
        server.reads = True
    del client
    gc.collect()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
