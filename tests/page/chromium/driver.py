"""Debian's Chromium, driven by Playwright, and what a page in it did that it must not do.

Playwright's synchronous API marks its own event loop as the running one of this thread, between
its calls too. Tests and benchmarks of this process have loops of their own, so it is only marked
inside of `Chromium.driven`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

PROGRAM = "chromium"
WIDE, PHONE = (1280, 800), (390, 844)
"""Sizes of a window in CSS pixels."""
PATIENCE = 60_000.0
"""Milliseconds until what is waited for counts as not happening."""
ARGUMENTS = (
    "--disable-dev-shm-usage",  # containers have little of it
    "--enable-precise-memory-info",
    "--font-render-hinting=none",
    "--hide-scrollbars",
)

# What the browser tells only the page: script that is run in each before its own.
_TELL = """addEventListener("securitypolicyviolation", (event) => console.error(
  `content security policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));"""


def why_not() -> str | None:
    """Why there is no browser on this machine, in one sentence; None if there is one."""
    if shutil.which(PROGRAM) is None:
        return f"there is no `{PROGRAM}` command: install chromium"
    return None


class Chromium:
    """A browser. Each page that it opens has a fresh profile."""

    def __init__(self, browser: Browser, loop: asyncio.AbstractEventLoop) -> None:
        self.browser = browser
        self._loop = loop
        self._drivers = 0

    @contextmanager
    def driven(self) -> Iterator[None]:
        """In this block its pages may be used, and no other event loop of this thread. Blocks may
        overlap."""
        self._drivers += 1
        asyncio._set_running_loop(self._loop)
        try:
            yield
        finally:
            self._drivers -= 1
            if not self._drivers:
                asyncio._set_running_loop(None)


@contextmanager
def chromium(*arguments: str) -> Iterator[Chromium]:
    """Starts one without a window. `arguments`: more of its command line."""
    own = ("--no-sandbox",) if os.geteuid() == 0 else ()
    driver = sync_playwright().start()
    loop = asyncio.get_running_loop()
    try:
        browser = driver.chromium.launch(
            executable_path=shutil.which(PROGRAM), args=[*own, *ARGUMENTS, *arguments]
        )
        asyncio._set_running_loop(None)
        yield Chromium(browser, loop)
        asyncio._set_running_loop(loop)
        browser.close()
    finally:
        asyncio._set_running_loop(loop)
        driver.stop()
        asyncio._set_running_loop(None)


class Tab:
    """One page in a profile of its own, and what it did that no page of the agent may do: errors,
    reports of the content security policy, requests to another host."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        """`address`: host and port of the agent."""
        self.faults: list[str] = []
        self.requests: list[str] = []
        """Paths that it has asked for, in order, with their queries."""
        self._address = address
        context.set_default_timeout(PATIENCE)
        context.add_init_script(_TELL)
        context.on("request", lambda request: self._requested(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda error: self.faults.append(f"error: {error.error}"))
        self.context = context
        self.page: Page = context.new_page()

    def _requested(self, url: str) -> None:
        parts = urlsplit(url)
        self.requests.append(f"{parts.path}?{parts.query}" if parts.query else parts.path)
        if parts.netloc != self._address and parts.scheme not in ("blob", "about"):
            self.faults.append(f"a request to another host: {url[:200]}")

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text[:500]} {message.location.get('url', '')}")

    def unexpected(self, allowed: Sequence[str]) -> list[str]:
        """The faults that none of these regular expressions is found in."""
        return [fault for fault in self.faults if not any(re.search(one, fault) for one in allowed)]


@contextmanager
def tab(
    browser: Chromium,
    address: str,
    *,
    size: tuple[int, int] = WIDE,
    scheme: str = "dark",
    **options: Any,
) -> Iterator[Tab]:
    """A page that is at no address yet. `scheme`: dark or light. `options`: more of Playwright's
    for a profile."""
    width, height = size
    with browser.driven():
        context = browser.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **options
        )
        try:
            yield Tab(context, address)
        finally:
            context.close()


def opening(address: str, token: str) -> str:
    """The address that opens the page, as `dockline page` prints it."""
    return f"http://{address}/#token={token}"
