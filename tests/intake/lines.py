"""A source as small as one can be, to try the room for sources with: lines over TCP, separated by
tabs where one message has several, each message answered with `ok`."""

from __future__ import annotations

import asyncio

from pipeline.model.component import Intake, Source, SourceConfig, SourceContext, Taken
from pipeline.model.errors import Unavailable
from pipeline.model.timestamps import timestamp
from pipeline.testing.closing import close

LONGEST = 8192


class Config(SourceConfig, frozen=True, kw_only=True):
    port: int = 0
    """0 for any."""


class Lines(Source):
    def __init__(self, config: Config, context: SourceContext) -> None:
        self._config = config
        self.port = config.port
        self._server: asyncio.Server | None = None
        self._connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._writers: list[asyncio.StreamWriter] = []
        self.opened = 0

    async def open(self) -> None:
        self.opened += 1
        self._connections = asyncio.Queue()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            self._connections.put_nowait((reader, writer))

        try:
            self._server = await asyncio.start_server(
                connected, "127.0.0.1", self.port, limit=LONGEST
            )
        except OSError as error:
            raise Unavailable(f"port {self.port}: the address is in use or not ours") from error
        self.port = self._server.sockets[0].getsockname()[1]

    def reached(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def run(self, intake: Intake) -> None:
        async with asyncio.TaskGroup() as tasks, intake.taking():
            while True:
                reader, writer = await self._connections.get()
                tasks.create_task(self._serve(reader, writer, intake), name="connection")

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, intake: Intake
    ) -> None:
        waiting: asyncio.Queue[Taken | None] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._answer(waiting, writer), name="answers")
                async with intake.taking():
                    await self._read(reader, waiting, intake)
                waiting.put_nowait(None)
        finally:
            writer.close()

    async def _read(
        self, reader: asyncio.StreamReader, waiting: asyncio.Queue[Taken | None], intake: Intake
    ) -> None:
        while True:
            try:
                message = await reader.readuntil()
            except asyncio.LimitOverrunError:
                intake.refuse("too_large")
                return
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if not message.isascii():
                intake.refuse("malformed", "not ASCII")
                return
            lines = message[:-1].split(b"\t")
            of = intake.container("lines", "lines")
            times = [timestamp(0)] * len(lines)
            taken = intake.take([intake.batch(of, lines, times, bytes(len(lines)))], len(message))
            waiting.put_nowait(taken)
            await taken.placed()

    async def _answer(
        self, waiting: asyncio.Queue[Taken | None], writer: asyncio.StreamWriter
    ) -> None:
        while (taken := await waiting.get()) is not None:
            if await taken.settled():
                writer.write(b"ok\n")
                try:
                    await writer.drain()
                except ConnectionError:
                    continue

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await close(server)
            for writer in self._writers:  # also of those that nobody has begun to serve
                writer.close()
            self._writers.clear()


class Peer:
    """Who sends to it."""

    def __init__(self, source: Lines) -> None:
        self._source = source
        self._answers = 0

    async def connect(self) -> Peer:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._source.port)
        return self

    async def send(self, *lines: bytes) -> None:
        self._writer.write(b"\t".join(lines) + b"\n")
        await self._writer.drain()

    async def send_rubbish(self, data: bytes) -> None:
        other = await Peer(self._source).connect()
        other._writer.write(data)
        await other._writer.drain()
        await other.close()

    async def answered(self) -> int:
        try:
            async with asyncio.timeout(0.01):
                while line := await self._reader.readline():
                    assert line == b"ok\n"
                    self._answers += 1
        except (TimeoutError, ConnectionError):
            pass
        return self._answers

    async def close(self) -> None:
        self._writer.close()
