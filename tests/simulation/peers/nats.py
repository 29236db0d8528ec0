"""A NATS server with JetStream: as much of it as agents and hubs ask for.

It does what nats-server 2.15 does in `server/consumer.go` and `server/stream.go`, as one server
without a cluster. Streams and consumers are on its disk. Who is pinned, what is requested, and what
was returned (`-NAK`) is in its memory. Of consumers, the last tenth of a second is lost when the
server is killed.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.simulation.world.network import End, Network
from tests.simulation.world.world import EPOCH, SECOND, Due, World

API = "$JS.API."
UNWRITTEN = SECOND // 10
"""A consumer's state is written so often."""
FULL = 10077


class Message:
    """A message of a stream."""

    __slots__ = ("data", "done", "given", "head", "hubs", "sequence", "size", "subject", "time")

    def __init__(self, sequence: int, subject: str, head: bytes, data: bytes, time: int) -> None:
        self.sequence = sequence
        self.subject = subject
        self.head = head
        self.data = data
        self.time = time
        """When it was stored, in nanoseconds of the world."""
        self.size = len(subject) + len(head) + len(data)
        self.given: list[int] = []
        """When it was delivered."""
        self.hubs: list[str] = []
        """To whom."""
        self.done: int | None = None
        """When it was acknowledged."""


class Pull:
    """A request for messages that is not over."""

    __slots__ = ("client", "group", "id", "left", "most", "reply", "until")

    def __init__(self, client: Client, reply: str, request: dict[str, Any], now: int) -> None:
        self.client = client
        self.reply = reply
        self.left: int = request.get("batch", 1)
        self.most: int = request.get("max_bytes", 0)
        self.until = now + int(request.get("expires", 0))
        self.id: str = request.get("id", "")
        self.group: str = request.get("group", "")


class Pending:
    """A message that was delivered and is not acknowledged."""

    __slots__ = ("attempts", "until")

    def __init__(self, until: int) -> None:
        self.until = until
        self.attempts = 1


class Consumer:
    """A durable consumer."""

    def __init__(self, stream: Stream, name: str, config: dict[str, Any]) -> None:
        self.stream = stream
        self.name = name
        self.config = config
        self.takes: str = config.get("filter_subject") or ">"
        self.delivered = 0
        """The last sequence that was delivered for the first time."""
        self.count = 0
        self.queue = deque(
            number for number, one in stream.messages.items() if covers(self.takes, one.subject)
        )
        """Sequences that nobody was given yet."""
        self.pending: dict[int, Pending] = {}
        self.again: deque[int] = deque()
        """Those of `pending` that are to be delivered again."""
        self.recent: deque[tuple[int, Message, Pending | None]] = deque()
        """What has happened to messages since its state was written: when one was delivered for
        the first time, or acknowledged, and then what it was before."""
        self.pulls: deque[Pull] = deque()
        self.pin = ""
        self.pinned_until = 0
        self.check_at = 0
        """When to look for what is to be delivered again; 0 if nothing is pending."""
        self.due: Due | None = None
        self.due_at = 0

    @property
    def ack_wait(self) -> int:
        return int(self.config["ack_wait"])

    @property
    def pinned(self) -> bool:
        return self.config.get("priority_policy") == "pinned_client"

    def expired(self, now: int) -> bool:
        """Forgets a pin that has run out."""
        if self.pin and now >= self.pinned_until:
            self.pin = ""
            return True
        return False

    def keep_pin(self, now: int) -> None:
        self.pinned_until = now + int(self.config["priority_timeout"])

    def next(self) -> Message | None:
        """The next message to be delivered."""
        messages = self.stream.messages
        while self.again:
            if self.again[0] in messages:
                return messages[self.again[0]]
            self.pending.pop(self.again.popleft(), None)
        if len(self.pending) >= int(self.config.get("max_ack_pending", 1000)):
            return None
        while self.queue:
            if self.queue[0] in messages:
                return messages[self.queue[0]]
            self.queue.popleft()
        return None

    def note(self, now: int, message: Message, before: Pending | None) -> None:
        """Keeps what is lost if the server is killed soon."""
        recent = self.recent
        while recent and recent[0][0] < now - UNWRITTEN:
            recent.popleft()
        recent.append((now, message, before))

    def forget(self, since: int, *, removed: bool) -> None:
        """Its state is what it was then. `removed` is whether messages that were acknowledged since
        are gone nevertheless."""
        while self.recent and self.recent[-1][0] > since:
            _, message, before = self.recent.pop()
            number = message.sequence
            if before is None:
                if self.pending.pop(number, None) is not None:
                    self.queue.appendleft(number)
                    self.delivered = number - 1
            elif not removed:
                self.pending[number] = before
                self.stream.messages[number] = message
                message.done = None
        self.recent.clear()

    def info(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "type": "io.nats.jetstream.api.v1.consumer_info_response",
            "stream_name": self.stream.name,
            "name": self.name,
            "config": self.config,
            "delivered": {"consumer_seq": self.count, "stream_seq": self.delivered},
            "num_ack_pending": len(self.pending),
            "num_pending": len(self.queue),
        }
        if self.pinned:
            group: dict[str, Any] = {"group": self.config["priority_groups"][0]}
            if self.pin:
                group["pinned_client_id"] = self.pin
            said["priority_groups"] = [group]
        return said


class Stream:
    """A stream, and its consumers."""

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self.name = name
        self.config = config
        self.messages: dict[int, Message] = {}
        self.last = 0
        self.consumers: dict[str, Consumer] = {}
        self.known: dict[str, Message] = {}
        """Messages by their `Nats-Msg-Id`, within the window of duplicates."""

    def duplicate_of(self, known: str, now: int) -> Message | None:
        """A message of the same `Nats-Msg-Id`."""
        since = now - int(self.config.get("duplicate_window", 120 * SECOND))
        while self.known and (first := next(iter(self.known))) and (self.known[first].time < since):
            del self.known[first]
        return self.known.get(known)

    def restarted(self) -> None:
        """It is read from the disk: ids are known of messages that are still there."""
        self.known = {
            known: one for known, one in self.known.items() if one.sequence in self.messages
        }


class Client:
    """The server's side of one connection."""

    def __init__(self, server: NatsServer, end: End) -> None:
        self.server = server
        self.end = end
        self.subscriptions: dict[str, str] = {}
        """Subjects by their numbers."""
        self.name = ""
        """What it calls itself."""
        self.answers: list[Callable[[], object]] = []
        """What it is answered next."""
        self._data = bytearray()
        end.peer = self

    def received(self, end: End, data: bytes) -> None:
        self._data += data
        while not end.closed and self._parse():
            pass

    def ended(self, end: End, reset: bool) -> None:
        self.server.gone(self)
        if not end.closed:
            end.close()

    def _parse(self) -> bool:
        stop = self._data.find(b"\r\n")
        if stop < 0:
            return False
        line = self._data[:stop].decode()
        verb, _, rest = line.partition(" ")
        words = rest.split()
        size = 0
        if verb in ("PUB", "HPUB"):
            size = int(words[-1])
            if len(self._data) < stop + 4 + size:
                return False
        body = bytes(self._data[stop + 2 : stop + 2 + size])
        del self._data[: stop + 2 + (size + 2 if verb in ("PUB", "HPUB") else 0)]
        if verb == "PING":
            self.end.send(b"PONG\r\n")
        elif verb == "CONNECT":
            self.name = json.loads(rest).get("name", "")
        elif verb == "SUB":
            self.subscriptions[words[-1]] = words[0]
        elif verb == "UNSUB":
            self.subscriptions.pop(words[0], None)
        elif verb == "PUB":
            reply = words[1] if len(words) == 3 else ""
            self.server.published(self, words[0], reply, b"", body)
        elif verb == "HPUB":
            reply = words[1] if len(words) == 4 else ""
            head = int(words[-2])
            self.server.published(self, words[0], reply, body[:head], body[head:])
        return True

    def hears(self, subject: str) -> str | None:
        """The number of its subscription for a subject."""
        for number, takes in self.subscriptions.items():
            if covers(takes, subject):
                return number
        return None

    def send(self, subject: str, data: bytes, reply: str = "", head: bytes = b"") -> bool:
        """Delivers a message, if it is subscribed to its subject."""
        number = self.hears(subject)
        if number is None or self.end.closed or self.end.reset:
            return False
        to = f"{reply} " if reply else ""
        if head:
            line = f"HMSG {subject} {number} {to}{len(head)} {len(head) + len(data)}\r\n"
        else:
            line = f"MSG {subject} {number} {to}{len(data)}\r\n"
        self.end.send(line.encode() + head + data + b"\r\n")
        return True


class NatsServer:
    """The server. What is wrong with it is set from outside."""

    def __init__(
        self, world: World, network: Network, name: str = "nats", port: int = 4222
    ) -> None:
        self._world = world
        self._chance = world.chance(name)
        self.where = network.listen(name, port, self)
        self.streams: dict[str, Stream] = {}
        self.clients: list[Client] = []
        self.stored: list[Message] = []
        """All messages that were ever stored, for the judge."""
        self.late = 0.0
        """Seconds that an answer may take."""
        self.forgets = 0.0
        """How likely a message is stored, and the connection breaks instead of an answer."""
        self.full = False
        """Streams take no more."""

    def calm(self) -> None:
        """Nothing is wrong with it from now on."""
        self.late, self.forgets, self.full = 0.0, 0.0, False

    def accept(self, end: End) -> bool:
        client = Client(self, end)
        self.clients.append(client)
        info = {
            "server_id": "simulated", "version": "2.15.1", "proto": 1, "headers": True,
            "max_payload": 1 << 20, "jetstream": True, "client_id": len(self.clients),
        }  # fmt: skip
        end.send(f"INFO {json.dumps(info)}\r\n".encode())
        return True

    def gone(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)
        for stream in self.streams.values():
            for one in stream.consumers.values():
                if any(pull.client is client for pull in one.pulls):
                    one.pulls = deque(pull for pull in one.pulls if pull.client is not client)

    def cut(self, client: Client) -> None:
        """The connection of a client breaks."""
        self.gone(client)
        client.end.abort()

    def restart(self, *, kill: bool) -> None:
        """It ends, and is there again at once. One that is killed has not written all."""
        for client in list(self.clients):
            self.gone(client)
            client.end.abort() if kill else client.end.close()
        now = self._world.now
        since = now - self._chance.randrange(UNWRITTEN) if kill else now
        removed = self._chance.random() < 0.5
        for stream in self.streams.values():
            for one in stream.consumers.values():
                one.pin = ""
                one.pulls.clear()
                one.again.clear()  # they come again when their time is over
                one.forget(since, removed=removed)
                one.check_at = now + SECOND // 2 + self._chance.randrange(SECOND)
                self._arm(one)
            stream.restarted()

    def _answer_later(self, client: Client, answer: Callable[[], object]) -> None:
        """Answers to one client come in the order in which they were asked for."""
        client.answers.append(answer)
        if len(client.answers) == 1:
            delay = 0.000_2 + self._chance.random() * self.late
            self._world.after(delay, self._say_answers, client)

    def _say_answers(self, client: Client) -> None:
        answers, client.answers = client.answers, []
        for answer in answers:
            if client in self.clients:
                answer()

    # -------------------------------------------------------------------------------- messages

    def published(self, client: Client, subject: str, reply: str, head: bytes, data: bytes) -> None:
        if client not in self.clients:
            return
        if subject.startswith(API):
            words = subject[len(API) :].split(".")
            if words[:3] == ["CONSUMER", "MSG", "NEXT"]:
                self._pull(client, words[3], words[4], reply, json.loads(data))
            else:
                self._answer_later(client, lambda: self._ask(client, words, reply, data))
            return
        if subject.startswith("$JS.ACK."):
            self._acknowledged(subject, data)
            return
        for stream in self.streams.values():
            if any(covers(takes, subject) for takes in stream.config["subjects"]):
                self._store(client, stream, subject, reply, head, data)
                return
        heard = [other.send(subject, data, reply, head) for other in list(self.clients)]
        if reply and not any(heard):
            client.send(reply, b"", head=b"NATS/1.0 503\r\n\r\n")

    def _store(
        self, client: Client, stream: Stream, subject: str, reply: str, head: bytes, data: bytes
    ) -> None:
        now = self._world.now
        known = _header(head, "Nats-Msg-Id")
        answer: dict[str, Any] = {"stream": stream.name}
        message = stream.duplicate_of(known, now) if known else None
        if message is not None:
            answer |= {"seq": message.sequence, "duplicate": True}
        elif self.full:
            answer = {**_error(503, FULL, "maximum bytes exceeded"), **answer, "seq": 0}
        else:
            stream.last += 1
            message = Message(stream.last, subject, head, data, now)
            stream.messages[stream.last] = message
            self.stored.append(message)
            if known:
                stream.known[known] = message
            answer["seq"] = stream.last
            if self.forgets and self._chance.random() < self.forgets:
                self.cut(client)
        if reply:
            said = json.dumps(answer, separators=(",", ":")).encode()
            self._answer_later(client, lambda: client.send(reply, said))
        if "error" in answer or "duplicate" in answer or message is None:
            return
        for consumer in stream.consumers.values():
            if covers(consumer.takes, subject):
                consumer.queue.append(message.sequence)
                self._deliver(consumer)

    def _acknowledged(self, subject: str, data: bytes) -> None:
        _, _, name, durable, _, sequence, *_ = subject.split(".")
        stream = self.streams.get(name)
        consumer = stream.consumers.get(durable) if stream is not None else None
        number, now = int(sequence), self._world.now
        if stream is None or consumer is None or number not in consumer.pending:
            return
        kind = data[:4]
        if kind in (b"+ACK", b"+TER", b""):
            before = consumer.pending.pop(number)
            if number in consumer.again:
                consumer.again.remove(number)
            if (message := stream.messages.get(number)) is not None:
                message.done = now
                consumer.note(now, message, before)
                if stream.config.get("retention") == "workqueue":
                    del stream.messages[number]
        elif kind == b"+WPI":
            consumer.pending[number].until = now + consumer.ack_wait
        elif kind == b"-NAK" and number not in consumer.again:
            consumer.again.append(number)
        self._deliver(consumer)

    # ------------------------------------------------------------------------------- delivery

    def _arm(self, consumer: Consumer) -> None:
        """Has it looked at when the next thing is due."""
        times = [pull.until for pull in consumer.pulls]
        if consumer.check_at:
            times.append(consumer.check_at)
        if consumer.pin and consumer.pulls and (consumer.again or consumer.queue):
            times.append(consumer.pinned_until)
        if not times:
            return
        when = max(min(times), self._world.now + 1)
        if consumer.due is not None:
            if consumer.due_at <= when:
                return  # it looks further then
            consumer.due.cancel()
        consumer.due, consumer.due_at = self._world.at(when, self._due, consumer), when

    def _due(self, consumer: Consumer) -> None:
        consumer.due = None
        now = self._world.now
        if consumer.check_at and consumer.check_at <= now:
            self._check(consumer, now)
        for pull in [pull for pull in consumer.pulls if pull.until <= now]:
            consumer.pulls.remove(pull)
            self._say(pull, "408 Request Timeout")
        self._deliver(consumer)
        self._arm(consumer)

    def _check(self, consumer: Consumer, now: int) -> None:
        """Has delivered again what was not acknowledged in time."""
        wait = consumer.ack_wait
        again = set(consumer.again)
        due, following = [], wait
        for number, one in consumer.pending.items():
            if one.until > now:
                following = min(following, one.until - now)
            elif number not in again:
                due.append(number)
                one.until = now + wait
        consumer.again.extend(sorted(due))
        consumer.check_at = now + following if consumer.pending else 0

    def _deliver(self, consumer: Consumer) -> None:
        while consumer.pulls and (message := consumer.next()) is not None:
            number, now = message.sequence, self._world.now
            pull = self._taker(consumer, message.size, now)
            if pull is None:
                break
            head = message.head
            if consumer.pinned:
                head = (head[:-2] if head else b"NATS/1.0\r\n") + (
                    f"Nats-Pin-Id: {consumer.pin}\r\n\r\n".encode()
                )
            again = bool(consumer.again)
            if again:
                consumer.again.popleft()
                one = consumer.pending[number]
                one.attempts += 1
                one.until = now + consumer.ack_wait
            else:
                consumer.queue.popleft()
                consumer.delivered = number
                one = consumer.pending[number] = Pending(now + consumer.ack_wait)
                consumer.note(now, message, None)
            consumer.check_at = consumer.check_at or one.until
            consumer.count += 1
            message.given.append(now)
            message.hubs.append(pull.client.name)
            reply = (
                f"$JS.ACK.{consumer.stream.name}.{consumer.name}.{one.attempts}.{number}"
                f".{consumer.count}.{EPOCH + message.time}.{len(consumer.queue)}"
            )
            self._send(pull, message.subject, message.data, reply, head)
            pull.left -= 1
            if not pull.left:
                consumer.pulls.remove(pull)
        if consumer.pulls or consumer.check_at:
            self._arm(consumer)

    def _taker(self, consumer: Consumer, size: int, now: int) -> Pull | None:
        """Whom the next message goes to. Requests that cannot get it are ended."""
        consumer.expired(now)
        for pull in list(consumer.pulls):
            if pull.until <= now:
                continue  # it is ended soon
            new = False
            if consumer.pinned:
                if not consumer.pin and not pull.id:
                    new = True
                elif consumer.pin and not pull.id:
                    continue
                elif pull.id != consumer.pin:
                    self._say(pull, "423 Nats-Wrong-Pin-Id")
                    consumer.pulls.remove(pull)
                    continue
            if pull.most and size > pull.most:
                self._say(pull, "409 Message Size Exceeds MaxBytes")
                consumer.pulls.remove(pull)
                continue
            if pull.client.hears(pull.reply) is None or pull.client.end.reset:
                consumer.pulls.remove(pull)
                continue
            if new:
                pull.id = consumer.pin = f"{self._chance.getrandbits(64):016x}"
                consumer.keep_pin(now)
            if pull.most:
                pull.most -= size
                if not pull.most:
                    pull.left = 1
            return pull
        return None

    def _send(self, pull: Pull, subject: str, data: bytes, reply: str, head: bytes) -> None:
        """A message comes on the subject of the request, and says what its own one is."""
        client = pull.client
        number = client.hears(pull.reply)
        if head:
            line = f"HMSG {subject} {number} {reply} {len(head)} {len(head) + len(data)}\r\n"
        else:
            line = f"MSG {subject} {number} {reply} {len(data)}\r\n"
        client.end.send(line.encode() + head + data + b"\r\n")

    def _say(self, pull: Pull, status: str) -> None:
        head = (
            f"NATS/1.0 {status}\r\nNats-Pending-Messages: {pull.left}\r\n"
            f"Nats-Pending-Bytes: {pull.most}\r\n\r\n"
        )
        pull.client.send(pull.reply, b"", head=head.encode())

    # ------------------------------------------------------------------------------------- API

    def _ask(self, client: Client, words: list[str], reply: str, data: bytes) -> None:
        answer = self._answer(words, json.loads(data) if data else {})
        client.send(reply, json.dumps(answer).encode())

    def _pull(
        self, client: Client, name: str, durable: str, reply: str, body: dict[str, Any]
    ) -> None:
        stream = self.streams.get(name)
        consumer = stream.consumers.get(durable) if stream is not None else None
        if consumer is None:
            client.send(reply, b"", head=b"NATS/1.0 503\r\n\r\n")
            return
        now = self._world.now
        pull = Pull(client, reply, body, now)
        if consumer.pinned:
            if not pull.group:
                self._say(pull, "400 Bad Request - Priority Group missing")
                return
            consumer.expired(now)
            if consumer.pin and pull.id == consumer.pin:
                consumer.keep_pin(now)
            elif consumer.pin and pull.id:
                self._say(pull, "423 Nats-Pin-Id mismatch")
                return
        consumer.pulls.append(pull)
        self._deliver(consumer)

    def _answer(self, words: list[str], body: dict[str, Any]) -> dict[str, Any]:
        kind, verb = words[0], words[1]
        if kind == "STREAM":
            name = words[2]
            stream = self.streams.get(name)
            if verb == "CREATE":
                if stream is not None:
                    return _error(400, 10058, "stream name already in use")
                config = {**body, "subjects": body.get("subjects") or [name]}
                stream = self.streams[name] = Stream(name, config)
            if stream is None:
                return _error(404, 10059, "stream not found")
            state = {"messages": len(stream.messages), "last_seq": stream.last,
                     "first_seq": min(stream.messages, default=stream.last + 1)}  # fmt: skip
            return {"config": stream.config, "state": state, "created": "2026-09-21T00:00:00Z"}
        if kind == "CONSUMER":
            name, durable = (words[3], words[4]) if verb == "DURABLE" else (words[2], words[3])
            stream = self.streams.get(name)
            if stream is None:
                return _error(404, 10059, "stream not found")
            consumer = stream.consumers.get(durable)
            if verb == "DURABLE":
                if consumer is None:
                    consumer = stream.consumers[durable] = Consumer(stream, durable, body["config"])
                elif body.get("action") == "update":
                    consumer.config = body["config"]
                    if not consumer.pinned:
                        consumer.pin = ""
            if consumer is None:
                return _error(404, 10014, "consumer not found")
            if verb == "DELETE":
                del stream.consumers[durable]
                if consumer.due is not None:
                    consumer.due.cancel()
                return {"success": True}
            if verb == "UNPIN":
                consumer.pin = ""
                self._deliver(consumer)
                return {}
            consumer.expired(self._world.now)
            return consumer.info()
        return _error(404, 10000, f"no such request: {'.'.join(words)}")


def _error(code: int, number: int, text: str) -> dict[str, Any]:
    return {"error": {"code": code, "err_code": number, "description": text}}


def _header(head: bytes, name: str) -> str:
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""


def covers(takes: str, subject: str) -> bool:
    """Whether a subscription takes a subject."""
    if takes == subject:
        return True
    ours, theirs = subject.split("."), takes.split(".")
    for place, token in enumerate(theirs):
        if token == ">":
            return len(ours) > place
        if place >= len(ours) or token not in ("*", ours[place]):
            return False
    return len(ours) == len(theirs)
