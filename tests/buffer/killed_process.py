"""A process that puts numbered entries into a spooled buffer and delivers them, to be killed.

    python -m tests.buffer.killed_process FOLDER FIRST SEED [drain]

It goes on from entry FIRST, as a source whose position was there, and says what happens in lines on
its standard output, each written at once:

    put N         entry N is being put
    settled N     the source may forget all entries below N
    delivered N   entry N was delivered
    storing       how far it is delivered is being written down
    stored        what was said to be delivered before that is known on disk
    empty         (with `drain`, which puts nothing) all is delivered
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import NOBODY
from pipeline.buffer import spooled
from pipeline.buffer.spooled import SpooledBuffer
from pipeline.model.component import BufferConfig, Size
from tests.buffer.spools import numbered, numbers


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


async def put(buffer: SpooledBuffer, number: int, chance: random.Random) -> None:
    tracker: AckTracker[int] = AckTracker(lambda position: say(f"settled {position}"))
    while True:
        count = chance.randrange(1, 5)
        ack = tracker.open(number + count)
        batch = numbered(number, count, size=chance.randrange(1500))
        for one in range(number, number + count):
            say(f"put {one}")
        ack.hold()
        await buffer.put(Envelope(batch, ack=ack))
        ack.settle()
        number += count
        if chance.random() < 0.05:
            await asyncio.sleep(0.001)


async def deliver(buffer: SpooledBuffer, chance: random.Random, *, drain: bool) -> None:
    while not drain or buffer.entries:
        taken = await buffer.take(chance.randrange(20_000), 1 << 30, 0)
        await asyncio.sleep(0 if drain else chance.choice((0, 0, 0.001, 0.02)))
        for envelope in taken:
            for number in numbers([envelope.batch]):
                say(f"delivered {number}")
            buffer.release(envelope)
            envelope.ack.settle()
    buffer.finish()


async def main(folder: Path, first: int, seed: int, *, drain: bool) -> None:
    spooled.COMMIT_EVERY = 0.005
    config = BufferConfig(memory=Size(2**16), disk=Size(2**20))
    buffer = SpooledBuffer(config, folder, print, print, lambda origin: NOBODY)
    await buffer.open()
    store = buffer.disk.store

    async def store_and_say() -> None:
        say("storing")
        await store()
        say("stored")

    buffer.disk.store = store_and_say  # type: ignore[method-assign]
    chance = random.Random(seed)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(buffer.run())
        tasks.create_task(deliver(buffer, chance, drain=drain))
        if not drain:
            tasks.create_task(put(buffer, first, chance))
    say("empty")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(
        main(Path(arguments[0]), int(arguments[1]), int(arguments[2]), drain="drain" in arguments)
    )
