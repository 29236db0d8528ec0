"""Asking the agent that runs, over its HTTP endpoint."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from pipeline.access import names_this_host
from pipeline.cli._port_owner import users
from pipeline.config import Config, find, read
from pipeline.errors import DocklineError
from pipeline.server import parse_listen
from pipeline.token import FORM, NAME
from pipeline.token import read as read_token

TIMEOUT = 10.0
"""Seconds that the agent may take to answer."""
SILENCE = 30.0
"""Seconds without a line of a stream that says now and then that it is idle."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}
"""Addresses that are listened on, and where to ask instead."""


@dataclass(frozen=True)
class AgentClient:
    """An agent, where it answers and what it is asked with."""

    address: str
    """Without a slash at its end."""
    token: str = field(default="", repr=False)
    """Empty where there is none."""
    origin: str = ""
    """Where the token is from; or why there is none, as a sentence goes on."""

    def get(self, path: str) -> bytes:
        """The body of `GET path`. Raises `DocklineError`, as below."""
        with self._open(path, TIMEOUT) as answer:
            try:
                body: bytes = answer.read()
            except (OSError, HTTPException) as error:
                raise _no_answer(self.address, error) from error
            return body

    def stream(self, path: str) -> Iterator[bytes]:
        """The lines of `GET path` as they come, until the agent ends it."""
        with self._open(path, SILENCE) as answer:
            try:
                yield from answer
            except TimeoutError as error:
                raise DocklineError(f"{self.address} says nothing any more") from error
            except (OSError, HTTPException) as error:
                raise DocklineError(f"{self.address} has gone away; does the agent run?") from error

    def _open(self, path: str, timeout: float) -> HTTPResponse:
        """Raises `DocklineError`, with the agent's own words where it refuses."""
        try:
            request = Request(self.address + path)
            if self.token:  # not for where the answer may send us
                request.add_unredirected_header("Authorization", f"Bearer {self.token}")
            answer: HTTPResponse = self._opener().open(request, timeout=timeout)
            return answer
        except HTTPError as error:
            raise self._refused(path, error) from None
        except (OSError, ValueError, HTTPException) as error:
            raise _no_answer(self.address, error) from None

    def _opener(self) -> OpenerDirector:
        """A proxy of the environment is nothing for what does not leave this host."""
        return build_opener(*([ProxyHandler({})] if _is_here(self.address) else []))

    def _refused(self, path: str, error: HTTPError) -> DocklineError:
        if error.code == 401:
            if self.token:
                return DocklineError(
                    f"{self.address} refuses the token of {self.origin}: give it that of its own "
                    "state directory or of its http.token, with --token or DOCKLINE_TOKEN"
                )
            return DocklineError(f"{self.address} asks for its token, and {self.origin}")
        words = error.read(1000).decode("utf-8", "replace").strip()
        if error.code in (400, 403, 421, 503) and words.isprintable() and words:
            return DocklineError(words)
        return DocklineError(
            f"{self.address} answers {error.code} to {path.partition('?')[0]}; is it a dockline?"
        )


def find_agent(
    url: str | None, token: str | None, config: str | None, environ: Mapping[str, str] = os.environ
) -> AgentClient:
    """The agent at `url`, or else where the configuration says that it listens.

    Its token is `token`, `$DOCKLINE_TOKEN`, or, of one on this host, what the configuration or its
    state directory has. Raises `DocklineError` where the configuration is needed and wrong.
    """
    address = url.rstrip("/") if url else _address(_config(config, environ))
    if token:
        return _with(address, token, "--token")
    if given := environ.get("DOCKLINE_TOKEN"):
        return _with(address, given, "DOCKLINE_TOKEN")
    if not _is_here(address):
        why = "it runs elsewhere: give what the file token of its state directory has"
        return AgentClient(address, origin=f"{why}, with --token or DOCKLINE_TOKEN")
    return _on_this_host(address, config, environ)


def _with(address: str, token: str, origin: str) -> AgentClient:
    """Raises `DocklineError` for what cannot be a token."""
    token = token.strip()
    if not re.fullmatch(FORM, token):
        raise DocklineError(f"{origin} is no token: it has characters that none can have")
    return AgentClient(address, token, origin)


def _on_this_host(address: str, config: str | None, environ: Mapping[str, str]) -> AgentClient:
    try:
        settings = _config(config, environ)
    except DocklineError as error:
        return AgentClient(address, origin=f"the configuration that names it is of no use: {error}")
    folder = Path(settings.state.directory)
    _check_listener(address, folder)
    if settings.http.token:
        return _with(address, settings.http.token, "http.token")
    try:
        return AgentClient(address, read_token(folder), str(folder / NAME))
    except PermissionError:
        why, what = "no permission", "run this as the agent's user or as root"
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or error)
        what = "name its configuration with -c"
    return AgentClient(
        address,
        origin=f"{folder / NAME} cannot be read ({why}): {what} (in a container, with docker "
        "exec), or give --token or DOCKLINE_TOKEN",
    )


def _check_listener(address: str, folder: Path) -> None:
    """Raises `DocklineError` where it is not the agent that would be given the token."""
    trusted = {0, os.geteuid()}
    with suppress(OSError):
        trusted.add(folder.stat().st_uid)
    with suppress(ValueError):  # that it is no address is said when it is asked
        strangers = users(urlsplit(address).port or 80) - trusted
        if strangers:
            raise DocklineError(
                f"what listens at {address} belongs to user {min(strangers)}, and {folder} does "
                "not, so it is not given the agent's token: find out what it is, or give --token"
            )


def _is_here(address: str) -> bool:
    return names_this_host(address.partition("://")[2].partition("/")[0])


def _no_answer(address: str, error: Exception) -> DocklineError:
    reason = getattr(error, "reason", None) or error
    reason = getattr(reason, "strerror", None) or reason
    return DocklineError(
        f"no agent answers at {address} ({reason}); does it run, and is that its http.listen? "
        "--url names another"
    )


def _config(config: str | None, environ: Mapping[str, str]) -> Config:
    return read(find(config, environ), environ, python="ignore").config


def _address(config: Config) -> str:
    listen = config.http.listen
    if not listen:
        raise DocklineError('the agent cannot be asked: http.listen is "off"')
    host, port = parse_listen(listen)
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
