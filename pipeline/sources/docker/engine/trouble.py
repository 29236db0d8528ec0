"""Explains an error of the connection to the Engine in one sentence that says what to do about
it.
"""

from __future__ import annotations

import errno

import aiohttp

from pipeline.sources.docker.engine.endpoint import Endpoint
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import sentence

KNOWN = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""Errors that `explain` has words for."""


def explain(error: BaseException, endpoint: Endpoint) -> str:
    """Returns the sentence for any exception of a connection, a request or the reading of an
    answer.

    It names the address, and where the address comes from.
    """
    place = f"{endpoint.url} (from {endpoint.origin})"
    cause = _cause(error)
    if isinstance(cause, OSError) and endpoint.path:
        return _socket(cause, place)
    if isinstance(cause, (aiohttp.InvalidURL, UnicodeError)):
        return f"{place} has an invalid host name; check the address"
    if isinstance(cause, (OSError, TimeoutError)):
        return f"{place} {sentence(Address('tcp', endpoint.host, endpoint.port), cause)}"
    if isinstance(cause, aiohttp.ClientPayloadError):
        return f"{place} broke off in the middle of an answer; its own log may say why"
    if isinstance(cause, (aiohttp.ClientResponseError, ValueError)):
        return f"{place} does not answer like a Docker Engine; check the address"
    return f"the connection to {place} failed: {cause or type(cause).__name__}"


def _cause(error: BaseException) -> BaseException:
    """Returns the cause of aiohttp's own errors, where these say less than it does."""
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
        return error
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return ConnectionResetError()
    while isinstance(error, aiohttp.ClientError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _socket(error: OSError, place: str) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no socket at {place}: is Docker running, and the socket mounted?"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission for {place}: run as a member of the socket's group (docker)"
    if error.errno in (errno.ECONNREFUSED, errno.ENOTSOCK):
        return f"nothing answers at {place}: is the Engine running?"
    if error.errno in (errno.ENOTCONN, errno.EAGAIN):  # the socket's backlog is full
        return f"{place} takes no more connections: the Engine is overloaded, or hangs"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return f"{place} closed the connection; the Engine's own log may say why"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer in time"
    return f"the connection to {place} failed: {error}"
