"""Runs until Ctrl-C, or for DEMO_SECONDS, and then removes all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from demo import engine, samples
from demo.agent import Agent
from pipeline.model.errors import EngineError

FIGURES_EVERY = 15.0
"""Seconds between two tables of metrics among the logs."""

DOCKLINE = Path(sys.executable).with_name("dockline")
BANNER = """\

  dockline reads every container of {engine}.

  open   {page}
         http://{address}/metrics
  try    curl -s http://{address}/metrics | grep container_memory
         curl -s http://{address}/readyz
         {dockline} top -c {config}
         export DOCKER_HOST={url}
         docker restart {prefix}worker         its logs go on where they stopped
         docker run --rm --network none {image} echo hello from a new container

  Ctrl-C stops it all and removes what this demo started. The logs follow.
"""


def main() -> int:
    """The exit status: 0, or 1 where there is no Engine or the agent ended by itself."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    with ExitStack() as stack:
        try:
            return run(stack)
        except KeyboardInterrupt:
            return 0
        except EngineError as error:
            say(f"demo: {error}")
            return 1
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # clearing up is not to be broken off
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def run(stack: ExitStack) -> int:
    """Starts everything, each with its end on `stack`, and shows it."""
    say("  Looking for a Docker Engine ...")
    client, description = engine.find(stack)
    stack.callback(samples.remove, client)
    samples.start(client)
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dockline-demo-")))
    agent = Agent(client.environment, directory)
    say(
        BANNER.format(
            engine=description,
            page=agent.page,
            address=agent.address,
            dockline=DOCKLINE,
            config=agent.config,
            url=client.url,
            prefix=samples.PREFIX,
            image=samples.IMAGE,
        )
    )
    stack.enter_context(agent)
    stack.callback(say, "  Stopping, and removing what this demo started ...")
    return watch(agent)


def watch(agent: Agent) -> int:
    """Shows figures now and then, and once more at the end."""
    left = float(os.environ.get("DEMO_SECONDS", "inf"))
    try:
        while left > 0:
            try:
                status = agent.process.wait(min(left, FIGURES_EVERY))
            except subprocess.TimeoutExpired:
                left -= FIGURES_EVERY
                show_figures(agent)
            else:
                say(f"demo: the agent has ended by itself, with exit status {status}")
                return 1
    except KeyboardInterrupt:
        show_figures(agent)
    return 0


def show_figures(agent: Agent) -> None:
    try:
        say("\n" + agent.figures() + "\n")
    except OSError as error:
        say(f"demo: http://{agent.address}/metrics does not answer: {error}")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
