"""Asks a running agent, over HTTP."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    BaseHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from pipeline.cli._agent_tls import context_for, distrusted
from pipeline.cli._port_owner import users
from pipeline.config import Config, find, read
from pipeline.config.files import Names
from pipeline.model.errors import DocklineError
from pipeline.observe.access import names_this_host
from pipeline.observe.server import parse_listen
from pipeline.observe.token import FORM, NAME
from pipeline.observe.token import read as read_token

TIMEOUT = 10.0
"""Seconds that the agent has to answer."""
SILENCE = 30.0
"""Seconds without a line, after which a stream counts as broken: an idle one sends lines, too."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}
"""Addresses to listen on, and the addresses to ask instead."""


@dataclass(frozen=True)
class AgentClient:
    """The address of a running agent, and the token to send. Its methods block."""

    address: str
    """Such as `http://127.0.0.1:9123`, without a slash at the end."""
    token: str = field(default="", repr=False)
    """Empty if there is none."""
    origin: str = ""
    """Where the token comes from. Without a token: why there is none, as the end of a sentence."""
    certificate: str = ""
    """With an `https://` address: the file of the only certificate to trust. Empty for what the
    system's authorities have signed."""

    def get(self, path: str) -> bytes:
        """The body of `GET path`. Raises `DocklineError` when the agent does not answer, or
        refuses.

        A refusal has the agent's own words.
        """
        return self.get_as(path, "")[1]

    def get_as(self, path: str, accept: str) -> tuple[str, bytes]:
        """The content type and the body of `GET path`, with `accept` as its header `Accept` unless
        that is empty. Raises `DocklineError` as `get` does."""
        with self._open(path, TIMEOUT, accept) as answer:
            try:
                return answer.headers.get_content_type(), answer.read()
            except (OSError, HTTPException) as error:
                raise self._no_answer(error) from error

    def stream(self, path: str) -> Iterator[bytes]:
        """The lines of `GET path` as they come, each with its line feed, until the agent ends it.

        Raises `DocklineError` as `get` does, and when the connection breaks.
        """
        with self._open(path, SILENCE) as answer:
            try:
                yield from answer
            except TimeoutError as error:
                raise DocklineError(
                    f"{self.address} sent nothing for {SILENCE:g} seconds"
                ) from error
            except (OSError, HTTPException) as error:
                raise DocklineError(
                    f"the connection to {self.address} is lost; is the agent running?"
                ) from error

    def _open(self, path: str, timeout: float, accept: str = "") -> HTTPResponse:
        """Raises `DocklineError`, with the agent's own words where it refuses."""
        try:
            request = Request(self.address + path)
            if accept:
                request.add_header("Accept", accept)
            if self.token:  # not sent to where the answer may redirect us
                request.add_unredirected_header("Authorization", f"Bearer {self.token}")
            answer: HTTPResponse = self._opener().open(request, timeout=timeout)
            return answer
        except HTTPError as error:
            with error:
                raise self._refused(path, error) from None
        except (OSError, ValueError, HTTPException) as error:
            raise self._no_answer(error) from None

    def _opener(self) -> OpenerDirector:
        """Without the proxy of the environment when the agent is on this host."""
        handlers: list[BaseHandler] = [ProxyHandler({})] if _is_here(self.address) else []
        if self.certificate:
            handlers.append(HTTPSHandler(context=context_for(self.certificate)))
        return build_opener(*handlers)

    def _no_answer(self, error: Exception) -> DocklineError:
        reason = getattr(error, "reason", None) or error
        if isinstance(error, ssl.SSLError) or isinstance(reason, ssl.SSLError):
            failed = reason if isinstance(reason, ssl.SSLError) else error
            assert isinstance(failed, ssl.SSLError)
            return distrusted(self.address, self.certificate, failed)
        reason = getattr(reason, "strerror", None) or reason
        return DocklineError(
            f"no agent answers at {self.address} ({reason}); is it running, and is that its "
            "http.listen? Use --url for another address"
        )

    def _refused(self, path: str, error: HTTPError) -> DocklineError:
        if error.code == 401:
            if self.token:
                return DocklineError(
                    f"{self.address} does not accept the token from {self.origin}: use the one in "
                    "its state directory, or its http.token, with --token or DOCKLINE_TOKEN"
                )
            return DocklineError(f"{self.address} needs its token, and {self.origin}")
        words = error.read(1000).decode("utf-8", "replace").strip()
        if error.code in (400, 403, 421, 429, 503) and words.isprintable() and words:
            return DocklineError(words)
        return DocklineError(
            f"{self.address} answers {error.code} to {path.partition('?')[0]}; is it dockline?"
        )


def find_agent(
    url: str | None, token: str | None, config: Names, environ: Mapping[str, str] = os.environ
) -> AgentClient:
    """The agent to ask: at `url`, or where the configuration says that it listens.

    `url`, `token` and `config` are the values of `--url`, `--token` and `-c`. The token is `token`,
    or `$DOCKLINE_TOKEN`; for an agent on this host it is also looked up in the configuration and in
    the state directory, and so is the certificate to trust. Raises `DocklineError` when the
    configuration is needed and wrong, when the token can't be one, or when another user's program
    listens there.
    """
    address = url.rstrip("/") if url else _address(_config(config, environ))
    found = _with_token(address, token, config, environ)
    if address.startswith("https://") and (not url or _is_here(address)):
        return replace(found, certificate=_certificate(config, environ))
    return found


def _with_token(
    address: str, token: str | None, config: Names, environ: Mapping[str, str]
) -> AgentClient:
    if token:
        return _with(address, token, "--token")
    if given := environ.get("DOCKLINE_TOKEN"):
        return _with(address, given, "DOCKLINE_TOKEN")
    if not _is_here(address):
        why = "it runs on another host: use the content of the file token in its state directory"
        return AgentClient(address, origin=f"{why}, with --token or DOCKLINE_TOKEN")
    return _on_this_host(address, config, environ)


def _certificate(config: Names, environ: Mapping[str, str]) -> str:
    """The file of the certificate in the configuration; empty if there is none."""
    try:
        tls = _config(config, environ).http.tls
    except DocklineError:
        return ""
    return tls.cert if tls is not None else ""


def _with(address: str, token: str, origin: str) -> AgentClient:
    """Raises `DocklineError` for a text that can't be a token."""
    token = token.strip()
    if not re.fullmatch(FORM, token):
        raise DocklineError(f"{origin} is not a token: it has characters that no token has")
    return AgentClient(address, token, origin)


def _on_this_host(address: str, config: Names, environ: Mapping[str, str]) -> AgentClient:
    try:
        settings = _config(config, environ)
    except DocklineError as error:
        return AgentClient(address, origin=f"its configuration cannot be read: {error}")
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
        "exec), or use --token or DOCKLINE_TOKEN",
    )


def _check_listener(address: str, folder: Path) -> None:
    """Raises `DocklineError` if another user's program listens there, and would get the token."""
    trusted = {0, os.geteuid()}
    with suppress(OSError):
        trusted.add(folder.stat().st_uid)
    with suppress(ValueError):  # a wrong address is reported when it is used
        parts = urlsplit(address)
        usual = 443 if parts.scheme == "https" else 80
        strangers = users(parts.port or usual) - trusted
        if strangers:
            raise DocklineError(
                f"the program that listens at {address} belongs to user {min(strangers)}, and "
                f"{folder} does not: the agent's token is not sent to it. Find out which program "
                "it is, or use --token"
            )


def _is_here(address: str) -> bool:
    return names_this_host(address.partition("://")[2].partition("/")[0])


def _config(config: Names, environ: Mapping[str, str]) -> Config:
    return read(find(config, environ), environ, python="ignore").config


def _address(config: Config) -> str:
    listen = config.http.listen
    if not listen:
        raise DocklineError('the agent does not answer questions: http.listen is "off"')
    host, port = parse_listen(listen)
    host = _ANYWHERE.get(host, host)
    scheme = "https" if config.http.tls is not None else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
