"""Kafka: a broker by its path in the environment, as `tests.servers.kfake` starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.fleet.queues.queue import Queue, Rest
from tests.servers.daemon import PATIENCE, eventually
from tests.servers.kfake import PORTS, VARIABLE, Kfake

TOPIC, GROUP, PARTITIONS = "dockline", "dockline", 16

HUB = """\
type = "kafka"
bootstrap_servers = {servers}
"""
AGENT = (
    HUB
    + """\
format = "columns"
"""
)


def why_not() -> str | None:
    """Why it cannot run on this machine, in one sentence; None where it can."""
    program = os.environ.get(VARIABLE)
    if not program:
        return f"{VARIABLE} is not set: it is the path of a Kafka broker (kfake, of franz-go)"
    if not os.access(program, os.X_OK):
        return f"{VARIABLE} is {program}, which is no program"
    return None


class KafkaQueue(Queue):
    """What was acknowledged survives a kill of the program, which is all brokers."""

    name = "Kafka"

    def __init__(self, folder: Path, servers: int = 1) -> None:
        """The program is three brokers, whatever `servers` says."""
        super().__init__()
        self._folder = folder / "kafka"
        self._broker = Kfake(self._folder)
        self._servers = ",".join(self._broker.servers)
        written = str(self._broker.servers).replace("'", '"')
        self.hub, self.agent = HUB.format(servers=written), AGENT.format(servers=written)

    def _start_all(self, stack: ExitStack) -> None:
        stack.enter_context(self._broker)
        admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 0})
        made = admin.create_topics([NewTopic(TOPIC, PARTITIONS, len(PORTS))])
        made[TOPIC].result(PATIENCE)

    @property
    def version(self) -> str:
        return f"{Path(self._broker.command[0]).name}, {PARTITIONS} partitions"

    @property
    def pid(self) -> int:
        assert self._broker.process is not None
        return self._broker.process.pid

    def kept(self) -> int:
        data = (self._folder / "data").rglob("*")
        return sum(file.stat().st_size for file in data if file.is_file())

    def messages(self) -> int:
        return self.waiting()

    def kill(self) -> None:
        self._broker.kill()

    def start(self) -> None:
        self._broker.start()
        eventually("the broker answers", self._answers)

    def waiting(self) -> int:
        return uncommitted(self._servers)

    def rest(self) -> Rest:
        """Kafka does not say what a hub was given: all of it is called unacknowledged."""
        return Rest(not_answered=self.waiting())

    def _answers(self) -> bool:
        with suppress(KafkaException):
            self.waiting()
            return True
        return False


def uncommitted(servers: str) -> int:
    """Records between where the hubs have committed and where partitions end."""
    with _reader(servers) as reader:
        topic = reader.list_topics(TOPIC, timeout=PATIENCE).topics[TOPIC]
        partitions = [TopicPartition(TOPIC, number) for number in topic.partitions]
        try:
            partitions = reader.committed(partitions, timeout=PATIENCE)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise  # else nothing is committed yet
        left = 0
        for one in partitions:
            first, end = reader.get_watermark_offsets(one, timeout=PATIENCE)
            left += end - max(first, one.offset)  # it is negative where nothing is committed
        return left


@contextmanager
def _reader(servers: str) -> Iterator[Consumer]:
    """Asks, and takes no part in the group."""
    reader = Consumer({"bootstrap.servers": servers, "group.id": GROUP, "log_level": 0})
    try:
        yield reader
    finally:
        reader.close()
