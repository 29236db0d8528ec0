"""What servers have in common: an address that they listen on, its TLS, a socket that has it."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Annotated, Final, NoReturn

import msgspec

from pipeline.model.errors import ConfigError, Unavailable
from pipeline.model.values import FileToRead
from pipeline.transport.net.address import Address, parse
from pipeline.transport.net.tls import unreadable

BACKLOG: Final = 512
"""Connections that wait in the kernel to be taken."""


class ListenTLSConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS of an address that is listened on."""

    cert: Annotated[FileToRead, msgspec.Meta(examples=["/certs/cert.pem"])]
    """PEM file of the certificate, with its chain."""
    key: Annotated[FileToRead | None, msgspec.Meta(examples=["/certs/key.pem"])] = None
    """PEM file of its key, where that is not in the same file."""
    client_ca: Annotated[FileToRead | None, msgspec.Meta(examples=["/certs/clients.pem"])] = None
    """PEM file of the authorities whose certificates clients have to show; without it, they need
    none."""


def listen_address(
    text: str, ports: dict[str, int | None], tls: ListenTLSConfig | None, plain: str = "tcp"
) -> Address:
    """Where to listen, of what the user wrote in `listen`. `ports` has the schemes there are, each
    with its usual port, as of `parse`; `plain` is the scheme of an address without one, where there
    is no `tls` table. Raises `ConfigError` for the key `listen`, or `tls`."""
    try:
        address = parse(text, ports, "tls" if tls else plain, any_port=True)
    except ConfigError as error:
        raise ConfigError(error.message, path="listen") from None
    if address.scheme == "tls" and tls is None:
        raise ConfigError('TLS needs a certificate: tls = { cert = "…", key = "…" }', path="tls")
    if address.scheme != "tls" and tls is not None:
        message = f"{address.scheme}:// is not encrypted, so a tls table has no meaning"
        raise ConfigError(message, path="listen")
    return address


def server_context(config: ListenTLSConfig) -> ssl.SSLContext:
    """The TLS of a server: 1.2 and later. Reads the files that `config` names, so it blocks.

    Raises `Unavailable` with a sentence about the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # a password, so that an encrypted key is an error and not a prompt
        context.load_cert_chain(config.cert, config.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise unreadable("cert", config.cert, error, config.key) from error
    if config.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(config.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise unreadable("client_ca", config.client_ca, error) from error
    return context


async def bound_socket(address: Address, kind: socket.SocketKind) -> socket.socket:
    """A socket that has the address and does not block; one of `SOCK_STREAM` listens. On `::` it
    takes IPv4 as well. Raises `Unavailable` with what to do about it."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=kind)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f'cannot listen on {address}: there is no host "{address.host}"') from (
            error
        )
    family, kind_, protocol, _, where = found[0]
    sock = socket.socket(family, kind_, protocol)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(where)
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        _raise(error, address)
    return sock


def _raise(error: OSError, address: Address) -> NoReturn:
    why = {
        errno.EADDRINUSE: "it is in use; stop what uses it, or choose another",
        errno.EACCES: "no permission; choose a port above 1023",
        errno.EADDRNOTAVAIL: "this host has no such address",
    }.get(error.errno or 0, str(error.strerror))
    raise Unavailable(f"cannot listen on {address}: {why}") from error
