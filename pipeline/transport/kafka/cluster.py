"""Connections to the brokers of a Kafka cluster, each made by aiokafka when it is needed.

aiokafka's producer is not used: it has a queue, a task and retries of its own, which go on whatever
becomes of a payload. Its connections, requests and records are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import errors  # type: ignore[import-untyped]
from aiokafka.conn import AIOKafkaConnection  # type: ignore[import-untyped]
from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]

from pipeline.model.component import Secret, TLSConfig
from pipeline.model.errors import Unavailable, untraced
from pipeline.model.extras import overridden
from pipeline.support.plural import plural
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import printable, unavailable
from pipeline.transport.net.tls import client_context

CLOSING: Final = 2.0
"""Seconds that connections may take to close."""
GREETING: Final = 5.0
"""Seconds at most for connecting: a broker that is well greets at once."""
QUIET: Final = 3.0
"""Seconds without an answer after which it is seen whether the broker still greets anybody. One
that waits for its replicas does, and one that stands still does not."""
LARGEST_ANSWER: Final = 2**24
"""Bytes; what tells of ten thousand partitions has one megabyte."""
OLDEST: Final = 300.0
"""Seconds after which it is asked again which partitions there are."""

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it tells, we raise


@dataclass(frozen=True, slots=True)
class Sasl:
    """Who connects: a mechanism as Kafka calls it, such as `SCRAM-SHA-512`, a user and a
    password."""

    mechanism: str
    user: str
    password: Secret


class BrokerConnection(AIOKafkaConnection):  # type: ignore[misc]
    """A connection to one broker. It ends where an answer is announced that is too large to be
    one."""

    largest = LARGEST_ANSWER

    @staticmethod
    async def _read(self_ref: Callable[[], BrokerConnection | None]) -> None:
        if (self := self_ref()) is None:
            return
        reader, largest = self._reader, self.largest
        while True:
            del self  # one that nobody has any more is let go of, as aiokafka does
            size = int.from_bytes(await reader.readexactly(4), "big")
            if size > largest:
                raise ConnectionError(f"an answer of {size} bytes is announced")
            frame = await reader.readexactly(size)
            if (self := self_ref()) is None:
                return
            self._handle_frame(frame)


class Cluster:
    """The brokers, and which of them leads which partition. All methods raise `Unavailable`; after
    that, `open` makes a fresh start."""

    def __init__(
        self,
        servers: Sequence[Address],
        tls: TLSConfig | None,
        sasl: Sasl | None,
        *,
        timeout: float,
        largest: int = LARGEST_ANSWER,
    ) -> None:
        """`timeout` in seconds is for each answer, and for connecting where it is less than
        `GREETING`. An answer may have `largest` bytes. Raises `MissingPackage`."""
        overridden(
            "aiokafka",
            "kafka",
            AIOKafkaConnection,
            _read=("self_ref",),
            _handle_frame=("self", "resp"),
        )
        self._servers = servers
        self._tls = tls
        self._timeout = timeout
        self._largest = largest
        protocol = ("SASL_" if sasl else "") + ("SSL" if tls is not None else "PLAINTEXT")
        self._options: dict[str, Any] = {
            "client_id": "dockline",
            "request_timeout_ms": int(timeout * 1000),
            "security_protocol": protocol,
        }
        if sasl is not None:
            self._options |= {
                "sasl_mechanism": sasl.mechanism,
                "sasl_plain_username": sasl.user,
                "sasl_plain_password": str(sasl.password),
            }
        self._seed: tuple[Address, BrokerConnection] | None = None
        self._brokers: dict[int, Address] = {}
        self._connections: dict[int, BrokerConnection] = {}
        self._locks: dict[int | None, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Held while the connection to a broker is looked for or made."""
        self._closed = 0
        """How often all connections were closed."""
        self._leaders: dict[str, dict[int, int]] = {}
        self._asked = 0.0

    async def open(self) -> None:
        """Finds the first of the servers that answers, and asks it for the others."""
        await self.close()
        if self._tls is not None:
            self._options["ssl_context"] = await asyncio.to_thread(client_context, self._tls)
        problems = []
        for address in self._servers:
            try:
                self._seed = address, await self._connect(address)
                await self._ask_for([])
                return
            except Unavailable as error:
                problems.append(str(error))
                await self.close()
        raise Unavailable("; ".join(problems))

    def reached(self) -> str:
        """Who answered, and of how many brokers it told."""
        if self._seed is None:
            return ""
        count = len(self._brokers)
        return f"{self._seed[0]}, {count} {plural(count, 'broker')}"

    async def close(self) -> None:
        """Never raises, and may be called at any time."""
        connections = [*self._connections.values(), *([self._seed[1]] if self._seed else [])]
        self._seed, self._connections, self._leaders = None, {}, {}
        self._closed += 1
        closed = [future for one in connections if (future := one.close()) is not None]
        if closed:
            await asyncio.wait(closed, timeout=CLOSING)

    # ----------------------------------------------------------------------------- what there is

    async def know(self, topics: Collection[str]) -> None:
        """Asks for the partitions of `topics`, where that was not done lately."""
        if time.monotonic() - self._asked > OLDEST or not self._leaders.keys() >= set(topics):
            await self._ask_for({*self._leaders, *topics})

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has, of those that `know` was called with."""
        return len(self._leaders[topic])

    def leader(self, topic: str, partition: int) -> int:
        """The id of the broker that takes the records of a partition now."""
        leader = self._leaders.get(topic, {}).get(partition, -1)
        if leader not in self._brokers:
            raise Unavailable(f'partition {partition} of the topic "{topic}" has no leader now')
        return leader

    def address(self, node: int) -> Address:
        """The address of a broker, by its id."""
        return self._brokers[node]

    async def _ask_for(self, topics: Collection[str]) -> None:
        """A topic that is not there is made by the brokers, where they are told to."""
        leaders, codes = self._told(await self.ask(None, MetadataRequest(sorted(topics))))
        for topic, code in codes.items():
            raise self._no_topic(topic, code)
        if missing := set(topics) - {topic for topic, those in leaders.items() if those}:
            raise self._no_topic(min(missing), errors.UnknownTopicOrPartitionError.errno)
        self._leaders, self._asked = leaders, time.monotonic()

    async def look(self, topics: Collection[str] | None) -> tuple[dict[str, int], dict[str, int]]:
        """Asks for the partitions of `topics`, or of all topics, and makes none.

        Returns the number of partitions of those that are there, and why others can't be read, as
        the broker's error.
        """
        request = MetadataRequest(None if topics is None else sorted(topics), False)
        leaders, codes = self._told(await self._ask_any(request))
        self._leaders, self._asked = leaders, time.monotonic()
        return {topic: len(those) for topic, those in leaders.items() if those}, codes

    def _told(self, answer: Any) -> tuple[dict[str, dict[int, int]], dict[str, int]]:
        """The leaders of each topic's partitions, and the errors of topics."""
        self._brokers = {
            node: Address("kafka", host, port) for node, host, port, *_ in answer.brokers
        }
        leaders, codes = {}, {}
        for code, topic, *_, partitions in answer.topics:
            if code:
                codes[topic] = code
            else:
                leaders[topic] = {partition: leader for _, partition, leader, *_ in partitions}
        return leaders, codes

    def learn(self, node: int, host: str, port: int) -> None:
        """Notes the address of a broker that another one has told."""
        self._brokers[node] = Address("kafka", host, port)

    def _no_topic(self, topic: str, code: int) -> Unavailable:
        name = printable(topic)
        if code == errors.TopicAuthorizationFailedError.errno:
            return Unavailable(f'the topic "{name}" may not be written by this user')
        if code in (
            errors.UnknownTopicOrPartitionError.errno,
            errors.LeaderNotAvailableError.errno,
        ):
            return Unavailable(
                f'there is no topic "{name}" yet; make it, '
                "if the brokers are not to do that (auto.create.topics.enable)"
            )
        return Unavailable(f'the topic "{name}" cannot be used: {described(code)}')

    # ---------------------------------------------------------------------------------- requests

    async def ask(self, node: int | None, request: Any) -> Any:
        """The answer to a request of aiokafka's, of the broker with the id `node`, or of the one
        that was found first."""
        address, connection = await self._connected(node)
        silent = None
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._answer(address, connection, request), name="ask kafka")
            while silent is None and not (await asyncio.wait([asking], timeout=QUIET))[0]:
                silent = await self._silence(address)
            asking.cancel()
        answer = silent or asking.result()
        try:
            if isinstance(answer, Unavailable):
                raise answer
            return answer
        finally:
            del answer, silent, asking  # else the error has this frame, and the frame it

    async def _ask_any(self, request: Any) -> Any:
        """The answer of the first broker that gives one."""
        problems = []
        for node in (None, *self._brokers):
            try:
                return await self.ask(node, request)
            except Unavailable as error:
                problems.append(str(error))
        raise Unavailable("; ".join(dict.fromkeys(problems)))

    def forget(self, node: int) -> None:
        """Closes the connection to a broker; it is made again when it is needed."""
        if (connection := self._connections.pop(node, None)) is not None:
            connection.close()

    async def _answer(self, address: Address, connection: BrokerConnection, request: Any) -> Any:
        try:
            return await connection.send(request)
        except Exception as error:
            problem = _problem(address, error, self._timeout)
            problem.__cause__ = untraced(error)
            return problem

    async def _silence(self, address: Address) -> Unavailable | None:
        """What is wrong with a broker that greets nobody, asked over a connection of its own."""
        try:
            connection = await self._connect(address)
        except Unavailable as error:
            return untraced(error)
        if (closed := connection.close()) is not None:
            await asyncio.wait([closed], timeout=CLOSING)
        return None

    async def _connected(self, node: int | None) -> tuple[Address, BrokerConnection]:
        """The connection to a broker, made anew where it has closed an idle one. Of several that
        ask at once, one makes it."""
        async with self._locks[node]:
            if node is None:
                if self._seed is None:
                    raise Unavailable("there is no connection to a broker")
                address, connection = self._seed
                if not connection.connected():
                    connection = await self._connect_again(address)
                    self._seed = address, connection
                return address, connection
            address = self._brokers[node]
            known = self._connections.get(node)
            if known is None or not known.connected():
                known = self._connections[node] = await self._connect_again(address)
            return address, known

    async def _connect_again(self, address: Address) -> BrokerConnection:
        """Raises `Unavailable`, also where `close` was called meanwhile."""
        closed = self._closed
        connection = await self._connect(address)
        if self._closed != closed:
            connection.close()
            raise Unavailable("the connection was closed")
        return connection

    async def _connect(self, address: Address) -> BrokerConnection:
        connection = BrokerConnection(address.host, address.port, **self._options)
        connection.largest = self._largest
        patience = min(self._timeout, GREETING)
        try:
            async with asyncio.timeout(patience):
                await connection.connect()
            return connection
        except Exception as error:
            raise _problem(address, error, patience) from error


def described(code: int) -> str:
    """What a broker's error means: `NotEnoughReplicasError (19): Messages are rejected …`."""
    kind = errors.kafka_errors.get(code)
    if kind is None:
        return f"error {code}"
    more = printable(kind.description or "").rstrip(".")
    return f"{kind.__name__} ({code})" + (f": {more}" if more else "")


def _problem(address: Address, error: Exception, timeout: float) -> Unavailable:
    if isinstance(error, TimeoutError):
        return Unavailable(
            f"{address} does not answer within {timeout:g} s; check that Kafka listens there, "
            "and whether it expects TLS"
        )
    if isinstance(error, (OSError, ValueError)):
        return unavailable(address, error)
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return Unavailable(f"{address} does not offer this sasl.mechanism: {printable(str(error))}")
    if isinstance(error, (errors.SaslAuthenticationFailed, errors.AuthenticationFailedError)):
        return Unavailable(f"{address} does not accept sasl.user and sasl.password")
    if isinstance(error, errors.KafkaConnectionError):
        return Unavailable(
            f"{address} closed the connection; check that Kafka listens there, "
            "and whether it expects TLS or SASL"
        )
    what = printable(str(error)) or type(error).__name__
    return Unavailable(f"{address} does not speak Kafka as expected: {what}")
