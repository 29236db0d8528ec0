"""Whom an endpoint answers that is not for everybody who reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import hdrs, web

Access = Literal["local", "all", "off"]

_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers of a proxy, whose own address tells nothing about who asks."""


@dataclass(frozen=True)
class Guard:
    """Of one endpoint."""

    what: str
    """What is asked for there, as a sentence begins: `tapping`."""
    setting: str
    """Where `access` is set: `http.tap`."""
    instead: str
    """What somebody may do who does not ask from this host: `run dockline tap …`."""
    access: Access = "local"

    def refusal(self, request: web.Request) -> str | None:
        """Why whoever asks gets no answer; None where he does."""
        what, setting = self.what, self.setting
        if self.access == "off":
            return f'{what} is off: {setting} = "local" in the configuration allows it on this host'
        if self.access == "all":
            return None
        peer = request.transport and request.transport.get_extra_info("peername")
        if not peer or not is_loopback(peer[0]):
            return (
                f"{what} is for those only who ask over a loopback address: {self.instead}, "
                f'or set {setting} = "all"'
            )
        if any(name in request.headers for name in _PASSED_ON):
            return f'{what} does not go through a proxy, unless {setting} = "all"'
        # A page in a browser on this host can reach us under a name of its own (DNS rebinding).
        if hdrs.ORIGIN in request.headers or not _names_this_host(request.host):
            return f"{what} goes under the name localhost or 127.0.0.1 only, and is for no page"
        return None


def is_loopback(address: str) -> bool:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback


def _names_this_host(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)
