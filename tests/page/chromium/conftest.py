"""A browser for all tests of a worker, a fresh profile for each, and agents to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine, why_not
from tests.page.chromium import driver
from tests.page.chromium.crowd import CONFIG, Crowd
from tests.page.chromium.driver import WIDE, Chromium, Tab
from tests.page.chromium.house import House
from tests.servers.ports import free_port

expect.set_options(timeout=driver.PATIENCE)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    if reason := driver.why_not():
        pytest.skip(reason)
    with driver.chromium() as started:
        yield started


class Opener:
    """Opens the page of an agent: `opened(agent, "#/logs?q=boom")`. What a page does that it must
    not do fails the test at its end."""

    def __init__(self, chromium: Chromium, stack: ExitStack) -> None:
        self._chromium = chromium
        self._stack = stack
        self.allowed: list[str] = []
        """Regular expressions of faults that the test brings about, such as a refusal."""
        self.tabs: list[Tab] = []

    def blank(
        self,
        agent: AgentProcess,
        *,
        size: tuple[int, int] = WIDE,
        scheme: str = "dark",
        **options: object,
    ) -> Page:
        """A page that is at no address yet."""
        found = self._stack.enter_context(
            driver.tab(self._chromium, agent.address, size=size, scheme=scheme, **options)
        )
        self.tabs.append(found)
        return found.page

    def __call__(
        self,
        agent: AgentProcess,
        view: str = "#/flow",
        *,
        size: tuple[int, int] = WIDE,
        scheme: str = "dark",
    ) -> Page:
        """The page, opened by its token and then at a view."""
        page = self.blank(agent, size=size, scheme=scheme)
        page.goto(driver.opening(agent.address, agent.token))
        page.wait_for_url(lambda url: "token" not in url)
        page.evaluate("view => { location.hash = view }", view)
        return page


@pytest.fixture
def opened(chromium: Chromium) -> Iterator[Opener]:
    with ExitStack() as stack:
        opener = Opener(chromium, stack)
        yield opener
        faults = [fault for tab in opener.tabs for fault in tab.unexpected(opener.allowed)]
        assert not faults, "\n".join(faults)


@contextmanager
def agent_of(
    folder: Path, config: str, count: int, *, engine: str = "", http: str = ""
) -> Iterator[tuple[AgentProcess, Crowd]]:
    """An agent with a `forward` source, and `count` containers that speak to it. `http`: lines of
    the table `[http]`."""
    port = free_port()
    config = f"{http}\n{CONFIG.format(port=port)}{config}"
    with (
        AgentProcess(folder, engine, config) as agent,
        Crowd(port, count) as crowd,
    ):
        agent.address  # noqa: B018 - waits until it listens
        yield agent, crowd


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Containers on an Engine of their own, and an agent that reads them. They stay until the last
    test of the worker, and tests that count containers must not find them."""
    if reason := why_not():
        pytest.skip(reason)
    with PrivateEngine() as engine:
        engine.import_busybox()
        with House(engine, tmp_path_factory.mktemp("house")) as started:
            yield started


Started = Callable[..., tuple[AgentProcess, Crowd]]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """Starts an agent without an Engine, with this configuration and so many containers that say
    what the test has them say: `agent, crowd = started(CONFIG, 3)`."""
    with ExitStack() as stack:

        def start(config: str = "", count: int = 1, http: str = "") -> tuple[AgentProcess, Crowd]:
            folder = tmp_path / "agent"
            return stack.enter_context(agent_of(folder, config, count, http=http))

        yield start


def texts(page: Page, selector: str) -> Sequence[str]:
    """The texts of all elements that a selector finds, at once."""
    found: list[str] = page.locator(selector).all_inner_texts()
    return found
