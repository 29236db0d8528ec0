"""What is in a stream of a nats-server, read without taking it out."""

from __future__ import annotations

from typing import NamedTuple

from nats.aio.client import Client

from pipeline.buffer.columns import ColumnCodec
from pipeline.model.batch import Batch
from tests.servers.daemon import PATIENCE


class Kept(NamedTuple):
    """A message of a stream."""

    subject: str
    body: bytes
    headers: dict[str, str]

    @property
    def batches(self) -> list[Batch]:
        """Of one in columns."""
        return ColumnCodec().decode(self.body, int(self.headers["Dockline-Size"]))


async def kept(url: str, stream: str = "DOCKLINE") -> list[Kept]:
    """All messages, in the order of the stream."""
    return await _read(url, stream, remove=False)


async def take(url: str, stream: str = "DOCKLINE") -> list[Kept]:
    """The same, and removes them, and no others."""
    return await _read(url, stream, remove=True)


async def _connected(url: str) -> Client:
    client = Client()
    await client.connect(url, allow_reconnect=False, connect_timeout=int(PATIENCE))
    return client


async def _read(url: str, stream: str, *, remove: bool) -> list[Kept]:
    client = await _connected(url)
    try:
        js = client.jetstream(timeout=PATIENCE)
        state = (await js.stream_info(stream)).state
        found = []
        for sequence in range(state.first_seq, state.last_seq + 1):
            message = await js.get_msg(stream, sequence)
            found.append(Kept(message.subject or "", message.data or b"", message.headers or {}))
        if remove:
            await js.purge_stream(stream, seq=state.last_seq + 1)
        return found
    finally:
        await client.close()


async def purge(url: str, stream: str = "DOCKLINE") -> None:
    """As if all had been read."""
    client = await _connected(url)
    await client.jetstream(timeout=PATIENCE).purge_stream(stream)
    await client.close()


async def delete(url: str, stream: str = "DOCKLINE") -> None:
    """The stream itself."""
    client = await _connected(url)
    await client.jetstream(timeout=PATIENCE).delete_stream(stream)
    await client.close()
