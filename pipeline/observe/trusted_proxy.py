"""Knows the requests of a proxy that has its users log in (`http.trust_proxy`)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from aiohttp import web

_NAME: Final = "dockline.user"
USER: Final[Any] = web.RequestKey(_NAME, str) if hasattr(web, "RequestKey") else _NAME
"""Key of a request that came through the proxy: the name of its user. aiohttp before 3.14 has no
`RequestKey`."""


class TrustedProxy:
    """The addresses that a proxy connects from, and the header in which it names the user."""

    def __init__(self, addresses: Sequence[str], header: str) -> None:
        """`addresses`: IP addresses and networks. Raises `ValueError` for anything else."""
        self._networks = [ip_network(address) for address in addresses]
        self._header = header

    def lets_in(self, request: web.Request) -> bool:
        """Whether it comes from the proxy, with the name of a user in the header, exactly once.

        Notes the name as `USER` of the request.
        """
        given = request.headers.getall(self._header, [])
        user = given[0].strip() if len(given) == 1 else ""
        if not user or not self._is_peer(request):
            return False
        request[USER] = user
        return True

    def _is_peer(self, request: web.Request) -> bool:
        peer = request.transport and request.transport.get_extra_info("peername")
        if not peer:
            return False
        try:
            address = ip_address(peer[0].partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
