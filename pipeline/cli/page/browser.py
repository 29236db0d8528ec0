"""Opens a browser without the token in the list of processes."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from html import escape
from pathlib import Path

from pipeline.cli.page.place import Place

WAIT = 10.0
"""Seconds that a browser has to start and to read the file."""

_REDIRECT = """\
<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>dockline</title>
<a href="{address}">to the page</a>
"""


def has_browser(place: Place) -> bool:
    """Whether to open one: there is a screen, and a person who sees it. Browsers refuse to run as
    root."""
    return place.desktop and place.terminal and not place.in_container and not place.root


def show(
    address: str,
    open_: Callable[[str], bool] = webbrowser.open,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Opens `address`, and says on standard error whether that worked.

    Every user of the host may see a program's arguments. So the browser is given a file that only
    this user can read and that leads on to `address`; it is removed after `WAIT` seconds.
    """
    descriptor, name = tempfile.mkstemp(prefix="dockline-page-", suffix=".html")  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(_REDIRECT.format(address=escape(address)))
        opened = False
        with suppress(webbrowser.Error):
            opened = open_(Path(name).as_uri())
        text = "opening a browser" if opened else "no browser could be opened: use the address"
        print(f"dockline: {text}", file=sys.stderr, flush=True)
        if opened:
            sleep(WAIT)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
