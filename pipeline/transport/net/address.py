"""Addresses as users write them: `host:port`, `tcp://host:port`, `tls://[::1]:6514`, `udp://host`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from pipeline.model.errors import ConfigError

_FORM = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^\s:/@\[\]]+))"
    r"(?::(?P<port>\d{1,5}))?/?"
)


@dataclass(frozen=True)
class Address:
    """Where a peer is, or where a server listens, and by which protocol."""

    scheme: str
    host: str
    """A name, or an IP address without brackets; of `unix` the socket's path."""
    port: int

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse(
    text: str, ports: Mapping[str, int | None], default: str, *, any_port: bool = False
) -> Address:
    """Reads an address as users write it.

    `ports` gives the schemes there are, each with its usual port, or None where the port has to be
    written; `unix` among them is for `unix:///run/peer.sock`. `default` is the scheme of an address
    without one. With `any_port` the port may be 0, for a server.

    Raises `ConfigError` for the key `address`.
    """
    if "unix" in ports and text.startswith("unix://"):
        if not (path := text.removeprefix("unix://")).startswith("/"):
            raise _wrong(f'"{text}" has no absolute path; write it like "unix:///run/peer.sock"')
        return Address("unix", path, 0)
    found = _FORM.fullmatch(text)
    if found is None and "@" in text:  # what stands before it is not to be shown
        raise _wrong("an address here has no user and no password: leave out all up to the @")
    if found is None:
        raise _wrong(f'"{text}" is not an address; write it like "{default}://host:1234"')
    scheme = found["scheme"] or default
    if scheme not in ports:
        known = ", ".join(f"{name}://" for name in ports)
        raise _wrong(f'"{scheme}://" is not known here; known are {known}')
    port = int(found["port"]) if found["port"] else ports[scheme]
    if port is None:
        raise _wrong(f'"{text}" has no port; write it like "{text.rstrip("/")}:1234"')
    if not (0 if any_port else 1) <= port < 65536:
        raise _wrong(f"there is no port {port}; ports are 1 to 65535")
    return Address(scheme, found["v6"] or found["host"], port)


def peer_name(peer: str, host: str) -> str:
    """What to call a sender that names no host. `peer` is its IP address; on this host it is called
    `host`, which is this one's name, and else by its address."""
    try:
        return host if host and ip_address(peer.partition("%")[0]).is_loopback else peer
    except ValueError:
        return peer


def _wrong(message: str) -> ConfigError:
    return ConfigError(message, path="address")
