"""Runs until Ctrl-C, or for DEMO_SECONDS, and then removes all that it started.

DEMO_ALL=1 follows all containers, not only the demo's own. DEMO_ENGINE=private starts an Engine of
its own though there is one. DEMO_OUTAGE="20 15" is when the store goes away, and for how long, in
seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from demo import engine, samples
from demo.agent import Agent
from demo.folder import folder
from demo.progress import aside, say, step
from demo.store import Store
from pipeline.model.errors import EngineError

STORE_PORT = 9115
OUTAGE = "20 15"
REMINDER = 120.0
"""Seconds between two reminders of the page and the commands, which scroll away."""
SOON = 5.0
"""Seconds after the end of the outage until the demo tells what the store has got."""

TRY = """\
  page      {page}
  metrics   http://{address}/metrics
  docker    {docker}
  config    demo/dockline.toml: readable, tested, and made to be copied from

  In another terminal, in {here}:

    {dockline} top -c {config}
        each container, route and sink, live: rates, buffers, drops
    {dockline} tap -c {config} --sink console --where 'status >= 400'
        requests that failed, as they come
    {dockline} audit -c {config}
        what became of every line that was read: none is missing
"""
OUTLOOK = """\
  The logs follow. In {after:g} s the store goes away for {away:g} s, to show what dockline does
  then. Ctrl-C ends it, and removes all that it started.
"""


def main() -> int:
    """The exit status: 0, or 1 where there is no Engine or the agent ended by itself."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    with ExitStack() as stack:
        try:
            status = run(stack)
        except KeyboardInterrupt:
            status = 0
        except (EngineError, OSError, ValueError) as error:
            say(f"demo: {error}")
            return 1
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # clearing up is not to be broken off
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("\n  All that the demo started is removed.")
    return status


def run(stack: ExitStack) -> int:
    """Starts everything, each with its end on `stack`, and shows it."""
    everything = os.environ.get("DEMO_ALL", "") not in ("", "0")
    after, away = outage(os.environ.get("DEMO_OUTAGE", OUTAGE))
    say()
    with step("Docker Engine") as outcome:
        client, description = engine.find(stack)
        outcome(description)
    with step("Containers") as outcome:
        stack.callback(samples.remove, client)
        outcome(", ".join(samples.start(client)))
    with step("Store") as outcome:
        store = stack.enter_context(Store(STORE_PORT))
        outcome(f"a small server at {store.url}, for JSON lines")
    with step("dockline") as outcome:
        agent = Agent(
            client.environment,
            stack.enter_context(folder()),
            engine=client.url,
            store=store.url,
            everything=everything,
        )
        which = "all containers" if everything else "these containers; DEMO_ALL=1 for all"
        outcome(f"reads {which}")
    commands = try_this(agent, client.url)
    say("\n" + commands)
    say(OUTLOOK.format(after=after, away=away))
    with agent:
        if status := watch(agent, turns(store, commands, after, away)):
            return status
        say("  Stopping ...\n")
    say_what_is_stored(store)
    return 0


def outage(text: str) -> tuple[float, float]:
    """When the store goes away, and for how long, in seconds. Raises `ValueError` for a text that
    does not tell."""
    try:
        after, away = map(float, text.split())
    except ValueError:
        raise ValueError(
            f'DEMO_OUTAGE="{text}" is not two numbers of seconds; write it like "{OUTAGE}"'
        ) from None
    return after, away


def try_this(agent: Agent, url: str) -> str:
    """What to look at, and commands that work as they are printed."""
    return TRY.format(
        page=agent.page,
        address=agent.address,
        docker=f"DOCKER_HOST={url} docker ps",
        here=Path.cwd(),
        dockline=os.path.relpath(Path(sys.executable).with_name("dockline")),
        config=os.path.relpath(agent.config),
    )


def turns(store: Store, commands: str, after: float, away: float) -> Iterator[float]:
    """What happens meanwhile: yields how many seconds to wait, and does the next thing then."""
    yield after
    aside("the store goes away now; dockline keeps for it what comes meanwhile")
    had = store.entries
    store.go_away()
    yield away
    store.come_back()
    aside("the store is back; dockline tries it again within 2 s")
    yield SOON
    aside(f"the store got {store.entries - had} entries since then, {_twice(store)}")
    while True:
        say("\n" + commands)
        yield REMINDER


def watch(agent: Agent, doing: Iterator[float]) -> int:
    """Does one thing after the other while the agent runs, and shows figures at the end."""
    now = time.monotonic
    end, due = now() + float(os.environ.get("DEMO_SECONDS") or "inf"), now()
    try:
        while True:
            wait = min(end, due) - now()
            if wait <= 0 and now() >= end:
                break
            if wait <= 0:
                due = now() + next(doing)
                continue
            try:
                status = agent.process.wait(wait)
            except subprocess.TimeoutExpired:
                continue
            say(f"demo: the agent has ended by itself, with exit status {status}")
            return 1
    except KeyboardInterrupt:
        pass
    show_figures(agent)
    return 0


def show_figures(agent: Agent) -> None:
    try:
        say("\n" + agent.figures() + "\n")
    except OSError as error:
        say(f"demo: http://{agent.address}/metrics does not answer: {error}")


def say_what_is_stored(store: Store) -> None:
    """Compare it with what the agent has just said of its sink `store`."""
    aside(f"the store has {store.entries} entries, {_twice(store)}")


def _twice(store: Store) -> str:
    return f"{store.repeated or 'none'} of them twice"


if __name__ == "__main__":
    sys.exit(main())
