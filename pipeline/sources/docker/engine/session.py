"""Opens aiodocker's client of an Engine.

The only module that imports aiodocker. `client` imports this one when it connects, since aiohttp
takes a third of the start: a hub without an Engine is spared it.
"""

from __future__ import annotations

import socket
from typing import Final

import aiodocker
import aiohttp

from pipeline.sources.docker.engine.endpoint import Endpoint
from pipeline.sources.docker.engine.stream import CONNECT_TIMEOUT, keep_alive

REQUEST_TIMEOUT: Final = 60.0
"""Seconds for a whole answer. An Engine under load takes long to list its containers."""
ENDLESS: Final = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT)
"""For an answer that is read for as long as it goes on."""


def opened(endpoint: Endpoint) -> aiodocker.Docker:
    """A client whose session has no limit of connections: with aiohttp's own of 100, the 101st
    would wait for ever. Whoever opens it closes it, and its session."""
    connector: aiohttp.BaseConnector = (
        aiohttp.UnixConnector(endpoint.path, limit=0)
        if endpoint.path
        else aiohttp.TCPConnector(ssl=endpoint.ssl or True, limit=0, socket_factory=_socket)
    )
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, connect=CONNECT_TIMEOUT)

    async def name_server(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.server_hostname = endpoint.server_name or None
        return await handler(request)

    session = aiohttp.ClientSession(connector=connector, timeout=timeout, middlewares=[name_server])
    return aiodocker.Docker(endpoint.base, connector=session.connector, session=session)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    keep_alive(made)
    return made
