"""Drives any sink: takes batches from its buffer, encodes, sends, retries, acknowledges and counts.

All of that happens here and in no sink. A sink knows only its destination; this module knows no
particular sink.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import SinkAccount
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Sink, SinkConfig
from pipeline.model.errors import (
    Refused,
    SinkError,
    Unavailable,
    one_line,
    untraced,
    whole_traceback,
)
from pipeline.model.metrics import Metrics
from pipeline.model.secrecy import Stars
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit, Trouble
from pipeline.topology.outage import Outage
from pipeline.topology.send_pace import SendPace
from pipeline.topology.tap import Tap

log = logging.getLogger(__name__)

FIRST_LOOK, LAST_LOOK = 0.01, 0.25
"""Seconds between checks whether what was sent last has arrived, while nothing follows it: they
double from the first to the second."""

TRIED_BESIDE = 16
"""Least number of other payloads that can be tried while one is in doubt."""
CLOSING = 5.0
"""Seconds that a sink may take to close. A disk that hangs must not keep the agent from ending."""
LONGEST_ASKED = 600.0
"""Longest wait in seconds that a destination may ask for before the next attempt."""

MANY = 3
"""Answers in a row with which the destination accepts nothing, until `wants_mending` is True."""
MOST_STARVED = 10
"""Attempts to encode a single entry without enough memory before it is refused. With the default
waits they take two minutes."""

Refusals = Sequence[tuple[Batch, int, str]]
"""Entries that were refused one by one: batch, index in it, and the reason (`Payload.refused`)."""


class TakesFrom(Protocol):
    """What a delivery takes batches from: the sink's buffer, such as a `MemoryBuffer`."""

    @property
    def entries(self) -> int: ...

    @property
    def blocked_entries(self) -> int: ...

    async def take(self, limit: int, entries: int, linger: float) -> list[Envelope]: ...

    def release(self, envelope: Envelope) -> None: ...


@dataclass(slots=True, eq=False)
class _Shipment:
    """Envelopes that were taken from the buffer together, and what has become of them."""

    taken: list[Envelope]
    weight: int = 0
    """Bytes of memory until all of it has arrived: of the batches, or of their payloads, which the
    sink keeps to send them again, where those are larger."""
    later: deque[_Waiting] = field(default_factory=deque)
    """What still has to be sent."""
    beside: list[_Shipment] = field(default_factory=list)
    """What was taken from the buffer later, to be tried beside a payload in doubt, and isn't
    settled."""
    parts: list[_Part] = field(default_factory=list)
    dead_lettered: Counter[SinkAccount] = field(default_factory=Counter)
    refused: Counter[SinkAccount] = field(default_factory=Counter)
    """Refused entries that no dead-letter sink took."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """Envelopes to be sent as one payload, which is encoded when it is their turn."""

    envelopes: Sequence[Envelope]
    payload: Payload[Any] | None = None
    unencodable: int = 0
    """Number of entries that the encoder refused."""
    starved: int = 0
    """Attempts to encode a single entry that failed for lack of memory."""
    tries: int = 0
    """Attempts to send it before its turn, beside a payload in doubt."""
    size: int = 0
    """Bytes of memory, if it was taken to be tried before its turn."""
    of: _Shipment | None = None
    """The shipment that it was taken with in that case."""

    @property
    def containers(self) -> set[str]:
        return {one.batch.container.id for one in self.envelopes}


@dataclass(slots=True)
class _Part:
    """One payload that was sent, without its data."""

    envelopes: Sequence[Envelope]
    entries: int
    size: int
    truncated: int
    refused: Refusals


class Delivery:
    """Delivers one sink's buffer to its destination. `run` is the sink's task."""

    def __init__(
        self,
        name: str,
        sink: Sink[Any],
        buffer: TakesFrom,
        config: SinkConfig,
        metrics: Metrics,
        dead_letter: Callable[[Envelope, str], Awaitable[bool]] | None = None,
        tap: Tap | None = None,
        outage: Outage | None = None,
    ) -> None:
        """`sink`: not opened yet. `buffer`: what to deliver. `dead_letter(envelope, reason)` hands
        refused entries to the dead-letter sink; False if that can't take them, and then they count
        as dropped. `outage`: is told what is dropped here, and by whoever has it otherwise."""
        self.name = name
        self._shown = Stars(config)
        self._outage = outage = outage or Outage(buffer)
        self._problem = Trouble(
            log, f"sink {name}", self._shown, began=outage.begin, over=outage.over
        )
        self._sink = sink
        self._buffer = buffer
        self._config = config
        self._dead_letter = dead_letter
        self._tap = tap or Tap()
        self._open = False
        self._sent: deque[_Shipment] = deque()
        """Shipments that the destination may not have yet, oldest first."""
        self._payloads = self._unreleased = 0
        """Number of payloads in `_sent`, and their bytes of memory."""
        self._lost_since = 0.0
        """When the connection that they were sent on was found to be lost, by the loop's clock; 0
        while it is well."""
        self._tend_at = 0.0
        """When `Sink.tend` is called again, by the loop's clock."""
        self._rejections = 0
        """Answers in a row with which the destination accepted nothing."""
        self._neglected = 0
        """Failures of `Sink.tend` since it last succeeded."""
        self._most = min(config.batch.entries, sink.most_entries or config.batch.entries)
        """Entries that are taken from the buffer at once, as far as batches allow."""
        self._room = int(config.buffer.memory) // 2
        """Bytes of unconfirmed data above which nothing more is taken from the buffer."""
        self._delivered = metrics.delivered.labels(name)
        self._delivered_bytes = metrics.delivered_bytes.labels(name)
        self._retried = metrics.retried.labels(name)
        self._truncated = metrics.truncated.labels(name)
        self._dead_lettered = metrics.dead_lettered.labels(name)
        self._dropped = metrics.dropped
        self._refusals, self._encoder_bugs = RateLimit(), RateLimit()
        self._starved, self._shortages = metrics.memory_errors.labels(f"sink {name}"), RateLimit()

    @property
    def wants_mending(self) -> bool:
        """Whether the destination answers but has accepted nothing several times in a row.

        Then the configuration is wrong, here or at the server.
        """
        return self._rejections >= MANY

    @property
    def problem(self) -> str | None:
        """Why the destination can't be reached, in a few words; None while it can."""
        return self._problem.problem

    @property
    def problem_since(self) -> float | None:
        """Since when it has not been reached, in seconds since the epoch; None while it is."""
        return self._problem.since

    async def run(self) -> None:
        """Delivers until the buffer is closed and empty and, where the protocol tells, all of it
        has arrived.

        May be cancelled at any time: what isn't acknowledged then is sent again after a restart.
        """
        now, pace = asyncio.get_running_loop().time, SendPace(lambda: self._buffer.entries)
        try:
            while taken := await self._next():
                began = now()
                self._sent.append(await self._deliver(taken))
                self._unreleased += self._sent[-1].weight
                self._confirm()
                await pace.wait(began)
        finally:
            await self._close()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSING):
                await self._sink.close()
        except TimeoutError:
            log.warning("sink %s does not close within %g s", self.name, CLOSING)

    # ------------------------------------------------------------------ taken, sent, settled

    async def _next(self) -> list[Envelope]:
        """The envelopes to deliver next; none at the end.

        Confirms what was sent while it waits for more.
        """
        batch = self._config.batch
        limits = int(batch.bytes), self._most, float(batch.linger)
        pause = FIRST_LOOK
        while self._sent:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    if self._unreleased < self._room and (
                        taken := await self._buffer.take(*limits)
                    ):
                        return taken
                    await asyncio.sleep(
                        pause
                    )  # the buffer is closed and empty, or there is no room
            pause = await self._look_after(pause)
        if self._sink.tends is None:
            return await self._buffer.take(*limits)
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(self._buffer.take(*limits), name=f"take {self.name}")
            while not taking.done():
                if (early := self._tend_at - asyncio.get_running_loop().time()) > 0:
                    await asyncio.wait([taking], timeout=early)
                else:
                    await self._tend(self._sink.tends)
        return taking.result()

    async def _tend(self, every: float) -> None:
        """Calls `Sink.tend`. After a failure it is tried again later; entries don't wait for it."""
        try:
            await self._ensure_open()
            await self._sink.tend()
            self._problem(None)
            self._neglected = 0
        except SinkError as error:
            self._open = False
            self._problem(str(error))
            self._neglected += 1
        except Exception as error:  # a bug in the sink; entries are kept
            self._note_bug(error)
            self._open = False
            self._problem(one_line(f"{type(error).__name__}: {error}"))
            self._neglected += 1
        ceiling = max(every, min(self._config.retry.max, every * 2 ** min(self._neglected, 30)))
        self._tend_at = asyncio.get_running_loop().time() + random.uniform(0.5, 1) * ceiling

    async def _look_after(self, pause: float) -> float:
        """Confirms what was sent, and connects again if needed. Returns the seconds until the next
        check."""
        try:
            await self._ensure_open()
            self._settle_all_but(self._sink.unconfirmed())
            self._problem(None)
            self._lost_since = 0.0
            return min(pause * 2, LAST_LOOK)
        except Unavailable as error:
            problem = str(error)
        except Exception as error:  # a bug in the sink; entries are kept
            self._note_bug(error)
            problem = one_line(f"{type(error).__name__}: {error}")
        self._open = False
        self._problem(problem)
        self._retried.inc()
        await self._give_up_in_time(problem)
        retry = self._config.retry
        return random.uniform(0.5, 1) * min(max(pause * 2, retry.initial), retry.max)

    async def _give_up_in_time(self, problem: str) -> None:
        """Refuses what was sent and hasn't arrived once `retry.give_up_after` is over."""
        now, after = asyncio.get_running_loop().time(), self._config.retry.give_up_after
        self._lost_since = self._lost_since or now
        if after is None or now - self._lost_since < after:
            return
        self._sink.give_up()
        reason = f"given up after {float(after):g} s: {problem}"
        for shipment in self._sent:
            for part in shipment.parts:
                await self._refuse(_without(part.envelopes, part.refused), reason, shipment)
            self._payloads -= len(shipment.parts)
            shipment.parts = []
        self._settle_all_but(0)

    def _confirm(self) -> None:
        """Settles what has arrived."""
        try:
            self._settle_all_but(self._sink.unconfirmed())
            self._lost_since = 0.0
        except Unavailable:  # logged when it is sent again
            self._open = False
        except Exception as error:  # a bug in the sink; `_look_after` handles it
            self._note_bug(error)
            self._open = False

    def _note_bug(self, error: Exception) -> None:
        """Logs the error with its traceback, without secrets: a library may repeat a password in
        it."""
        log.error("sink %s failed\n%s", self.name, self._shown(whole_traceback(error)))

    def _settle_all_but(self, unconfirmed: int) -> None:
        """Settles all but the last `unconfirmed` payloads."""
        while self._sent and self._payloads - len(self._sent[0].parts) >= unconfirmed:
            shipment = self._sent.popleft()
            self._payloads -= len(shipment.parts)
            self._unreleased -= shipment.weight
            self._settle(shipment)
        if not self._sent:
            self._lost_since = 0.0

    def _settle(self, shipment: _Shipment) -> None:
        self._account(shipment)
        for envelope in shipment.taken:
            self._buffer.release(envelope)
            envelope.ack.settle()

    def _account(self, shipment: _Shipment) -> None:
        """Counts in the accounts what became of a shipment, just before its envelopes are
        released."""
        for account, count in shipment.dead_lettered.items():
            account.dead_lettered += count
        for account, count in shipment.refused.items():
            account.drop(count, "refused")
        for part in shipment.parts:
            self._count(part)

    def _count(self, part: _Part) -> None:
        self._delivered.inc(part.entries)
        self._delivered_bytes.inc(part.size)
        self._truncated.inc(part.truncated)
        refused = Counter(id(batch) for batch, _, _ in part.refused) if part.refused else {}
        left = part.entries
        for envelope in part.envelopes:
            count = min(envelope.entries - refused.get(id(envelope.batch), 0), left)
            envelope.account.delivered += count
            left -= count

    # -------------------------------------------------------------------------------- sending

    async def _deliver(self, taken: list[Envelope]) -> _Shipment:
        """Sends everything in the envelopes, and what is taken meanwhile beside a payload in
        doubt."""
        shipment = _Shipment(taken)
        shipment.later.append(_Waiting(list(taken)))
        while shipment.later:
            waiting = shipment.later.popleft()
            if waiting.payload is None:
                shipment.later.extendleft(reversed(await self._encoded(waiting, shipment)))
                continue
            refusal = None
            try:
                await self._send(waiting, shipment)
            except Refused as error:
                refusal = untraced(error)  # else error and frame keep each other alive
            except _Starved:
                shipment.later.extendleft(reversed(await self._smaller(waiting, shipment)))
                continue
            await self._sent_or_refused(waiting, shipment, refusal)
        for one in shipment.beside:
            shipment.taken += one.taken
            shipment.parts += one.parts
            shipment.dead_lettered.update(one.dead_lettered)
            shipment.refused.update(one.refused)
        taken_size = sum(envelope.size for envelope in shipment.taken)
        shipment.weight = max(taken_size, sum(part.size for part in shipment.parts))
        return shipment

    async def _smaller(self, waiting: _Waiting, shipment: _Shipment) -> list[_Waiting]:
        """Halves of a payload that there wasn't enough memory to send; they are encoded again."""
        assert waiting.payload is not None
        refused = waiting.payload.refused
        for envelope, reason in _refused(waiting.envelopes, refused[waiting.unencodable :]):
            await self._refuse([envelope], reason, waiting.of or shipment)
        left = _Waiting(_without(waiting.envelopes, refused))
        return _parts_of(waiting, await self._with_less_memory(left, waiting.of or shipment))

    async def _encoded(self, waiting: _Waiting, shipment: _Shipment) -> list[_Waiting]:
        """The same envelopes with their payload; nothing if there is nothing to send, or smaller
        parts that are encoded when it is their turn."""
        return _parts_of(waiting, await self._encode(waiting, waiting.of or shipment))

    async def _encode(self, waiting: _Waiting, shipment: _Shipment) -> list[_Waiting]:
        envelopes = waiting.envelopes
        batches = [envelope.batch for envelope in envelopes]
        most = self._sink.most_values
        dense = most is not None and sum(batch.values for batch in batches) > most
        if dense and (halves := _halves(envelopes)):
            return halves
        try:
            payload = self._sink.encode(batches)
        except MemoryError:
            payload = None  # handled below, where no traceback keeps the batches alive
        except Exception as error:  # encoders never raise for bad data: a bug
            if self._encoder_bugs():
                log.exception("sink %s cannot encode; trying one batch at a time", self.name)
            if len(envelopes) > 1:
                return [_Waiting([envelope]) for envelope in envelopes]
            await self._refuse(envelopes, f"encoding failed: {error!r}", shipment)
            return []
        if payload is None:
            return await self._with_less_memory(waiting, shipment)
        for envelope, reason in _refused(envelopes, payload.refused):
            await self._refuse([envelope], reason, shipment)
        if not payload.entries:
            return []
        return [_Waiting(envelopes, payload, len(payload.refused))]

    async def _with_less_memory(self, waiting: _Waiting, shipment: _Shipment) -> list[_Waiting]:
        """Halves of what there wasn't enough memory to encode.

        A single entry is tried again after a wait, and refused in the end: it must not block the
        others.
        """
        self._starved.inc()
        if halves := _halves(waiting.envelopes):
            entries = sum(map(len, waiting.envelopes))
            if self._shortages():
                log.warning(
                    "sink %s: not enough memory to encode %d entries at once; they are sent in "
                    "halves. Allow the agent more memory, or lower batch.bytes",
                    self.name,
                    entries,
                )
            return halves
        waiting.starved += 1
        if waiting.starved >= MOST_STARVED:
            reason = f"not enough memory to encode it, {MOST_STARVED} times"
            await self._refuse(waiting.envelopes, reason, shipment)
            return []
        self._problem("not enough memory to encode a single entry; allow the agent more")
        retry = self._config.retry
        await asyncio.sleep(min(retry.max, retry.initial * 2 ** (waiting.starved - 1)))
        return [waiting]

    async def _sent_or_refused(
        self, waiting: _Waiting, shipment: _Shipment, refusal: Refused | None = None
    ) -> None:
        envelopes, it = waiting.envelopes, waiting.payload
        shipment = waiting.of or shipment
        assert it is not None
        if refusal is not None:
            await self._refuse(_without(envelopes, it.refused), str(refusal), shipment)
            it.entries = 0
        for envelope, reason in _refused(envelopes, it.refused[waiting.unencodable :]):
            await self._refuse([envelope], reason, shipment)
        if it.entries:
            part = _Part(envelopes, it.entries, it.size, it.truncated, it.refused)
            shipment.parts.append(part)
            self._payloads += 1

    async def _ensure_open(self) -> None:
        if not self._open:
            await self._sink.open()
            self._open = True

    async def _send(self, waiting: _Waiting, shipment: _Shipment) -> None:
        """Sends a payload, with retries. Raises `Refused` when it is refused or given up."""
        payload = waiting.payload
        assert payload is not None
        retry = self._config.retry
        loop = asyncio.get_running_loop()
        began = loop.time()
        attempt, truncated = 0, payload.truncated
        while True:
            doubts = None
            try:
                await self._ensure_open()
                payload.truncated = truncated  # without what the last attempt cut
                await self._sink.send(payload)
                if self._problem.problem is not None:
                    self._problem(None)
                self._rejections = 0
                return
            except Unavailable as error:
                self._rejections = self._rejections + 1 if error.wants_mending else 0
                problem, after, doubts = str(error), error.retry_after, error.doubts
            except Refused:
                self._problem(None)
                raise
            except MemoryError:
                problem, after = "not enough memory to send it; allow the agent more", None
                if payload.entries > 1:
                    self._open = False
                    raise _Starved from None
                self._starved.inc()
            except Exception as error:  # a bug in the sink; entries are kept
                self._note_bug(error)
                problem, after = one_line(f"{type(error).__name__}: {error}"), None
            self._open = False
            self._problem(problem)
            if retry.give_up_after is not None and loop.time() - began >= retry.give_up_after:
                raise Refused(f"given up after {float(retry.give_up_after):g} s: {problem}")
            self._retried.inc()
            attempt += 1
            in_doubt = doubts is not None and attempt >= doubts
            if in_doubt and await self._try_another(waiting, shipment):
                continue
            # Full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
            ceiling = min(retry.max, retry.initial * 2 ** min(attempt - 1, 30))
            wait = random.uniform(ceiling / 2 if attempt > 1 else 0, ceiling)
            wait = wait if after is None else min(max(after, 0.05), LONGEST_ASKED)
            await self._pause(wait, shipment if in_doubt and after is None else None)

    async def _pause(self, wait: float, shipment: _Shipment | None) -> None:
        """Waits before the next attempt, in seconds. Ends early when there is something else to
        try."""
        if shipment is not None and not shipment.later:
            now = asyncio.get_running_loop().time
            began = now()
            if more := await self._take_more(shipment, wait):
                shipment.later.append(_beside(more, shipment.beside[-1]))
                return
            wait -= now() - began
        await asyncio.sleep(wait)

    async def _try_another(self, doubted: _Waiting, shipment: _Shipment) -> bool:
        """Sends something else once, preferably of other containers, and returns whether that was
        accepted.

        If it was, the payload in doubt is what the destination doesn't accept.
        """
        if (other := await self._another(doubted, shipment)) is None:
            return False
        at = shipment.later.index(other)
        shipment.later.remove(other)
        while other.payload is None:
            encoded = await self._encoded(other, shipment)
            for position, one in enumerate(encoded):
                shipment.later.insert(at + position, one)
            if not encoded:
                self._settle_beside(other.of, shipment, doubted)
                return False
            other = encoded[0]
            shipment.later.remove(other)
        other.tries += 1
        try:
            await self._ensure_open()
            await self._sink.send(other.payload)
        except Refused as refusal:
            await self._sent_or_refused(other, shipment, refusal)
            self._settle_beside(other.of, shipment, doubted)
        except Exception:  # logged and counted when it is its turn
            self._open = False
            shipment.later.insert(at, other)
        else:
            self._rejections = 0
            await self._sent_or_refused(other, shipment)
            self._settle_beside(other.of, shipment, doubted)
            return True
        return False

    def _settle_beside(
        self, done: _Shipment | None, shipment: _Shipment, doubted: _Waiting
    ) -> None:
        """Settles what was taken beside a payload in doubt, if all of it has arrived.

        Otherwise memory would fill up before the doubt is over, and nothing more could be tried.
        """
        if done is None or any(one.of is done for one in (doubted, *shipment.later)):
            return
        try:
            if self._sent or self._sink.unconfirmed():
                return  # settled in order later
        except Unavailable:
            return
        shipment.beside.remove(done)
        self._payloads -= len(done.parts)
        self._settle(done)

    async def _another(self, doubted: _Waiting, shipment: _Shipment) -> _Waiting | None:
        """What to try beside a payload in doubt: something that changes no container's order, or
        else the next.

        Takes more from the buffer while there is room and everything here was tried in vain.
        """
        seen, others_of = doubted.containers, []
        for one in shipment.later:
            if not seen & one.containers:
                others_of.append(one)
            seen |= one.containers
        if untried := [one for one in others_of if not one.tries]:
            return untried[0]
        for _ in range(TRIED_BESIDE):  # each may bring little
            if sum(one.size for one in shipment.later) >= self._room:
                break
            if not (more := await self._take_more(shipment, FIRST_LOOK)):
                break
            others = [one for one in more if one.batch.container.id not in seen]
            same = [one for one in more if one.batch.container.id in seen]
            found = [_beside(some, shipment.beside[-1]) for some in (others, same) if some]
            shipment.later.extend(found)
            if others:
                return found[0]
        return min(others_of or shipment.later, key=lambda one: one.tries, default=None)

    async def _take_more(self, shipment: _Shipment, wait: float) -> list[Envelope]:
        """Takes a little more from the buffer, so that there is something to try for many
        attempts."""
        batch = self._config.batch
        limit = max(1, min(int(batch.bytes), self._room // TRIED_BESIDE))
        more: list[Envelope] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                more = await self._buffer.take(limit, self._most, 0)
        if more:
            shipment.beside.append(_Shipment(more))
        return more

    async def _refuse(
        self, envelopes: Sequence[Envelope], reason: str, shipment: _Shipment
    ) -> None:
        reason = self._shown(reason)
        if count := self._refusals(sum(map(len, envelopes))):
            noun = plural(count, "entry")
            log.warning("sink %s: %d %s refused: %s", self.name, count, noun, reason)
        for envelope in envelopes:
            entries = envelope.entries
            if self._dead_letter is not None and await self._dead_letter(envelope, reason):
                self._dead_lettered.inc(entries)
                shipment.dead_lettered[envelope.account] += entries
            else:
                self._dropped.labels(self.name, "refused").inc(entries)
                self._outage.drop(entries, "refused")
                if self._tap.tappers:
                    self._tap.dropped(envelope.batch, self.name, "refused", reason)
                shipment.refused[envelope.account] += entries


class _Starved(Exception):
    """There wasn't enough memory to send a payload; its halves are tried."""


def _halves(envelopes: Sequence[Envelope]) -> list[_Waiting]:
    """The same entries in two halves; an empty list for a single entry."""
    if len(envelopes) == 1:
        (envelope,) = envelopes
        middle = envelope.entries // 2
        if not middle:
            return []
        parts = range(middle), range(middle, envelope.entries)
        return [_Waiting([envelope.around(envelope.batch.pick(part))]) for part in parts]
    middle = len(envelopes) // 2
    return [_Waiting(envelopes[:middle]), _Waiting(envelopes[middle:])]


def _parts_of(waiting: _Waiting, parts: list[_Waiting]) -> list[_Waiting]:
    for part in parts:
        part.size, part.of = waiting.size // len(parts), waiting.of
    return parts


def _beside(taken: Sequence[Envelope], of: _Shipment) -> _Waiting:
    return _Waiting(list(taken), size=sum(envelope.size for envelope in taken), of=of)


def _refused(envelopes: Sequence[Envelope], refused: Refusals) -> Iterator[tuple[Envelope, str]]:
    """Yields an envelope for each batch and reason, with the entries that were refused one by
    one."""
    if not refused:
        return
    groups: dict[tuple[int, str], list[int]] = {}
    for batch, index, reason in refused:
        groups.setdefault((id(batch), reason), []).append(index)
    of = {id(envelope.batch): envelope for envelope in envelopes}
    for (batch_id, reason), indexes in groups.items():
        envelope = of[batch_id]
        yield envelope.around(envelope.batch.pick(indexes)), reason


def _without(envelopes: Sequence[Envelope], refused: Refusals) -> list[Envelope]:
    """The envelopes without the entries that were refused one by one."""
    gone = {(id(batch), index) for batch, index, _ in refused}
    if not gone:
        return list(envelopes)
    left = []
    for envelope in envelopes:
        batch = envelope.batch
        kept = batch.select([(id(batch), index) not in gone for index in range(len(batch))])
        if kept is not None:
            left.append(envelope if kept is batch else envelope.around(kept))
    return left
