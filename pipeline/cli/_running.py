"""Asking the agent that runs, over its HTTP endpoint."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException

from pipeline.config import find, read
from pipeline.errors import DocklineError
from pipeline.server import parse_listen

TIMEOUT = 10.0
"""Seconds that the agent may take to answer."""
SILENCE = 30.0
"""Seconds without a line of a stream that says now and then that it is idle."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}
"""Addresses that are listened on, and where to ask instead."""


def ask(path: str, url: str | None, config: str | None) -> bytes:
    """The body of `GET path`, from `url` or else where the configuration says that the agent
    listens. Raises `DocklineError`."""
    return get(address(url, config), path)


def address(url: str | None, config: str | None) -> str:
    """Where the agent answers, without a slash at its end. Raises `DocklineError`."""
    return url.rstrip("/") if url else _address(config)


def get(address: str, path: str) -> bytes:
    """The body of `GET path`. Raises `DocklineError`."""
    try:
        with urllib.request.urlopen(address + path, timeout=TIMEOUT) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        raise DocklineError(
            f"{address} answers {error.code} to {path}; is it a dockline?"
        ) from error
    except (OSError, ValueError, HTTPException) as error:
        raise _no_answer(address, error) from error


def stream(address: str, path: str) -> Iterator[bytes]:
    """The lines of `GET path` as they come, until the agent ends it. Raises `DocklineError`, with
    the agent's own words where it refuses."""
    try:
        answer = urllib.request.urlopen(address + path, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        words = error.read(1000).decode("utf-8", "replace").strip()
        if error.code in (400, 403, 503) and words.isprintable():
            raise DocklineError(words) from error
        raise DocklineError(
            f"{address} answers {error.code}; is it a dockline that can?"
        ) from error
    except (OSError, ValueError, HTTPException) as error:
        raise _no_answer(address, error) from error
    with answer:
        try:
            yield from answer
        except TimeoutError as error:
            raise DocklineError(f"{address} says nothing any more") from error
        except (OSError, HTTPException) as error:
            raise DocklineError(f"{address} has gone away; does the agent run?") from error


def _no_answer(address: str, error: Exception) -> DocklineError:
    reason = getattr(error, "reason", None) or error
    reason = getattr(reason, "strerror", None) or reason
    return DocklineError(
        f"no agent answers at {address} ({reason}); does it run, and is that its http.listen? "
        "--url names another"
    )


def _address(config: str | None) -> str:
    listen = read(find(config, os.environ), os.environ, python="ignore").config.http.listen
    if not listen:
        raise DocklineError('the agent cannot be asked: http.listen is "off"')
    host, port = parse_listen(listen)
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
