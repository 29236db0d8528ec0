"""Asking the agent that runs, over its HTTP endpoint."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from pipeline.config import find, read
from pipeline.errors import DocklineError
from pipeline.server import parse_listen

TIMEOUT = 10.0
"""Seconds that the agent may take to answer."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}
"""Addresses that are listened on, and where to ask instead."""


def ask(path: str, url: str | None, config: str | None) -> bytes:
    """The body of `GET path`, from `url` or else where the configuration says that the agent
    listens. Raises `DocklineError`."""
    address = url.rstrip("/") if url else _address(config)
    try:
        with urllib.request.urlopen(address + path, timeout=TIMEOUT) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        raise DocklineError(
            f"{address} answers {error.code} to {path}; is it a dockline?"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        raise DocklineError(
            f"no agent answers at {address} ({reason}); does it run, and is that its http.listen? "
            "--url names another"
        ) from error


def _address(config: str | None) -> str:
    listen = read(find(config, os.environ), os.environ).config.http.listen
    if not listen:
        raise DocklineError('the agent cannot be asked: http.listen is "off"')
    host, port = parse_listen(listen)
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
