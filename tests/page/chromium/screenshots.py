"""`make screenshots`: the page's views, of a real agent that reads a real shop, as PNG files.

    python -m tests.page.chromium.screenshots [--folder docs/screenshots] [--only NAME]…
                                              [--seconds 100] [--hold]

Each view is taken with a dark and with a light theme at 1280×800, some also at a phone's width.
`--seconds` pass before the first, so that there is something to see in the charts. `--hold` keeps
everything running afterwards and prints the page's address, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import ctypes
import io
import json
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from tests.page.chromium.crowd import CONFIG as FROM_CROWD
from tests.page.chromium.crowd import Crowd
from tests.page.chromium.driver import PHONE, WIDE, Chromium, chromium, opening, tab
from tests.page.chromium.shop import CONFIG, Drain, Shop
from tests.servers.nats import NatsServer
from tests.servers.ports import free_port

ROOT = Path(__file__).parents[3]
HOST = "web-1"
LARGEST = 250_000
"""Bytes of one file."""
SETTLING = 4_500
"""Milliseconds after which a view has its figures twice."""
_CLONE_NEWUTS = 0x04000000

Prepare = Callable[[Page, AgentProcess], str]
"""Returns the view to go to. It may look for something in the agent first."""


@dataclass(frozen=True)
class Shot:
    """One picture, in both themes."""

    name: str
    view: Prepare
    then: Callable[[Page], None] = lambda page: None
    """What is done there before it is taken."""
    phone: bool = False
    """Whether there is one of a phone's width, too."""


def at(view: str) -> Prepare:
    return lambda page, agent: view


def _line(page: Page, agent: AgentProcess) -> str:
    """A line that waits for the sink which is down."""
    entry = _tapped(agent, "route=errors&level=error")
    sequence, at = entry["event"]["sequence"], entry["@timestamp"]
    return f"#/c/{entry['container']['id']}/{sequence}?t={at}"


def _tapped(agent: AgentProcess, query: str) -> dict[str, Any]:
    """The next entry that passes."""
    request = urllib.request.Request(
        f"http://{agent.address}/tap?{query}", headers={"Authorization": f"Bearer {agent.token}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        for line in answer:
            if "entry" in (said := json.loads(line)):
                return dict(said["entry"])
    raise AssertionError("the tap has ended")


def _edit(page: Page) -> None:
    """Somebody tries one stage more."""
    editor = page.get_by_role("textbox", name="Stages of all")
    editor.fill(editor.input_value().rstrip().removesuffix("]") + STAGE)
    page.wait_for_timeout(SETTLING)


STAGE = """  { drop = "status < 400 and ms < 20" },
]
"""
SHOTS = (
    Shot("flow", at("#/flow"), phone=True),
    Shot("logs", at("#/logs"), phone=True),
    Shot("line", _line, phone=True),
    Shot("containers", at("#/containers"), phone=True),
    Shot("container", at("#/c/shop-importer-1"), phone=True),
    Shot("try", at("#/try/all?c=shop-api-1"), then=_edit),
    Shot("balance", at("#/balance")),
)
FLEET = Shot("fleet", at("#/fleet"))


def take(browser: Chromium, agent: AgentProcess, shot: Shot, folder: Path) -> None:
    sizes = [("", WIDE)] + ([("-phone", PHONE)] if shot.phone else [])
    for kind, size in sizes:
        for scheme in ("dark", "light"):
            with tab(browser, agent.address, size=size, scheme=scheme) as it:
                it.page.goto(opening(agent.address, agent.token))
                it.page.wait_for_url("**/#/flow")
                view = shot.view(it.page, agent)
                it.page.evaluate("view => { location.hash = view }", view)
                it.page.wait_for_timeout(SETTLING)
                shot.then(it.page)
                path = folder / f"{shot.name}{kind}-{scheme}.png"
                path.write_bytes(smaller(it.page.screenshot()))
                _say(f"{path.name}: {path.stat().st_size:,} bytes")
                for fault in it.faults:
                    _say(f"  {fault}")


def smaller(png: bytes) -> bytes:
    """The same picture with 256 colours. Raises where that is too large for the documentation."""
    found = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    if found.tell() > LARGEST:
        raise ValueError(f"{found.tell():,} bytes are more than {LARGEST:,}")
    return found.getvalue()


@contextmanager
def shop_agent(folder: Path) -> Iterator[AgentProcess]:
    """An agent that reads a shop, with a sink that works and one that is down."""
    with (
        PrivateEngine(isolated=True) as engine,
        Drain() as logstash,
        Shop(engine),
    ):
        values = {"logstash": logstash.port, "papertrail": free_port(), "folder": folder}
        with AgentProcess(folder / "agent", engine.url, CONFIG.format(**values)) as agent:
            agent.connected()
            yield agent


AGENT = """
[sinks.central]
type = "nats"
urls = ["{nats}"]
"""
HUB = """
[sources.central]
type = "nats"
urls = ["{nats}"]
[sinks.archive]
type = "file"
path = "{folder}/all.jsonl"
"""
HOSTS = {"web-1": 14, "web-2": 12, "web-3": 12, "db-1": 4, "queue-1": 6}


@contextmanager
def hub_agent(folder: Path, hosts: Mapping[str, int] = HOSTS) -> Iterator[AgentProcess]:
    """A hub behind NATS, and an agent that brings it the lines of so many containers of hosts."""
    with ExitStack() as stack:
        nats = stack.enter_context(NatsServer(folder / "nats"))
        values = {"nats": nats.url, "folder": folder}
        port = free_port()
        config = FROM_CROWD.format(port=port) + AGENT.format(**values)
        stack.enter_context(AgentProcess(folder / "edge", "", config))
        hub = stack.enter_context(AgentProcess(folder / "hub", "", HUB.format(**values)))
        crowds = [
            stack.enter_context(Crowd(port, count, prefix="api", host=host, project="shop"))
            for host, count in hosts.items()
        ]
        for number in range(3):
            for crowd in crowds:
                crowd.all_say(f"GET /cart/{number} 200")
            time.sleep(1)
        hub.until(lambda: len(whole(folder)) >= 3 * sum(hosts.values()), "nothing came")
        stack.enter_context(_talking(crowds))
        yield hub


@contextmanager
def _talking(crowds: Sequence[Crowd]) -> Iterator[None]:
    """In its block each says some lines a second for each of its containers."""
    ended = threading.Event()

    def talk() -> None:
        while not ended.wait(0.2):
            for crowd in crowds:
                crowd.all_say("GET / 200")

    thread = threading.Thread(target=talk)
    thread.start()
    yield
    ended.set()
    thread.join()


def whole(folder: Path) -> list[str]:
    path = folder / "all.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "docs/screenshots")
    parser.add_argument("--only", action="append", default=[], help="the name of a view")
    parser.add_argument("--seconds", type=float, default=100, help="that pass before the first")
    parser.add_argument("--hold", action="store_true", help="keep it running afterwards")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    _name_host(HOST)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, ExitStack() as stack:
        shots = [shot for shot in SHOTS if not given.only or shot.name in given.only]
        if shots:
            agent = stack.enter_context(shop_agent(Path(folder)))
            time.sleep(given.seconds)
            for shot in shots:
                take(browser, agent, shot, given.folder)
        if not given.only or FLEET.name in given.only:
            hub = stack.enter_context(hub_agent(Path(folder)))
            take(browser, hub, FLEET, given.folder)
        if given.hold and shots:
            _say(opening(agent.address, agent.token))
            signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _name_host(name: str) -> None:
    """This process and those that it starts are on a host of that name."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUTS):
        raise OSError(ctypes.get_errno(), "unshare: it takes root")
    socket.sethostname(name)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
