"""nats-py's client, made to bear what servers and publishers say.

It does not trust the server's first words: they come before TLS. Nor does it trust those who
publish: nats-py reads no more, or closes the connection, at a subject that is not UTF-8 or has a
form feed in it, or at headers that are none; the server passes all of that on, and again after each
reconnection (nats-py 2.16.0, nats-server 2.10.27).
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pipeline.model.extras import overridden
from pipeline.transport.nats.runs import read_no_runs

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

UNREADABLE: Final = ":unreadable"
"""Among a message's headers where they make no sense. No header can be called so."""
CLOSING: Final = 2.0
"""Seconds that nats-py may take to end its tasks."""


def check_overridden() -> None:
    """Raises `ConfigError` where nats-py is of a version that has other methods than these."""
    from nats.aio.client import Client
    from nats.protocol import parser

    overridden(
        "nats-py",
        "nats",
        Client,
        _process_info=("self", "info", "initial_connection"),
        _process_headers=("self", "headers"),
        _build_message=("self", "sid", "subject", "reply", "data", "headers"),
        _send_command=("self", "cmd", "priority"),
        _flush_pending=("self", "force_flush"),
    )
    overridden("nats-py", "nats", parser, MSG_RE=None, HMSG_RE=None)
    overridden("nats-py", "nats", parser.Parser, parse=("self", "data"))


def make_client(insists: bool) -> Client:
    """A client that is not connected. One that `insists` raises `NoTLS` from `connect` where the
    server offers no TLS."""
    from nats.aio.client import Client
    from nats.protocol import parser

    parser.MSG_RE, parser.HMSG_RE = _MSG, _HMSG
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # what is wrong is said by us, once

    class Checked(Client):
        async def _process_info(
            self, info: dict[str, Any], initial_connection: bool = False
        ) -> None:
            if initial_connection:
                if insists and not info.get("tls_required"):
                    raise NoTLS
                if type(info.get("max_payload")) is not int:
                    raise ValueError("no max_payload")
            await super()._process_info(info, initial_connection)

        async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
            try:
                return await super()._process_headers(headers)
            except Exception:  # it indexes and decodes whatever there is
                return {UNREADABLE: ""}

        def _build_message(
            self,
            sid: int,
            subject: bytes,
            reply: bytes,
            data: bytes,
            headers: dict[str, str] | None,
        ) -> Msg:
            known = subject.decode("utf-8", "backslashreplace").encode()
            return super()._build_message(sid, known, reply, data, headers)  # type: ignore[no-any-return]

    return Checked()


_MSG: Final = re.compile(
    rb"\AMSG[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+(([^ \t\r\n]+)[ \t]+)?(\d+)\r\n"
)
_HMSG: Final = re.compile(
    rb"\AHMSG[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+(([^ \t\r\n]+)[ \t]+)?(\d+)[ \t]+(\d+)\r\n"
)
"""As the server divides its lines. nats-py does so at all that Python calls white space, which may
be in a subject."""


class NoTLS(Exception):
    """The server does not offer TLS, or somebody on the way has seen to that."""


async def abort(client: Client) -> None:
    """Closes a connection, without waiting for a peer that does not read. Never raises."""
    client._pending.clear()
    client._pending_data_size = 0
    read_no_runs(client)
    writer = writer_of(client)
    if writer is not None:
        writer.transport.abort()
        client._transport = None  # it would wait for the end of what was aborted, in vain
    with suppress(Exception):
        async with asyncio.timeout(CLOSING):
            await client.close()


def writer_of(client: Client) -> asyncio.StreamWriter | None:
    """The stream that a client writes to; None where it is not connected."""
    writer: asyncio.StreamWriter | None = getattr(client._transport, "_io_writer", None)
    return writer
