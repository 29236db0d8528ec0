"""The address of an agent's page, with its token in the fragment."""

from __future__ import annotations

import sys
from urllib.parse import quote, urlsplit

from pipeline.cli._agent import AgentClient
from pipeline.cli.page.place import Place
from pipeline.model.errors import DocklineError
from pipeline.observe.access import names_this_host

_NEEDS_TOKEN = "/top"


def check(agent: AgentClient) -> None:
    """Raises `DocklineError` unless an agent answers that has a page and accepts the token."""
    kind, body = agent.get_as("/", "text/html")
    if kind != "text/html":
        if not body.startswith(b"dockline"):
            raise DocklineError(f"what answers at {agent.address} is not dockline")
        raise DocklineError(
            f"the agent at {agent.address} shows no page: its http.page is false, or it is of a "
            "version without one"
        )
    if not agent.token:
        raise DocklineError(f"{agent.address} needs its token, and {agent.origin}")
    agent.get(_NEEDS_TOKEN)


def with_token(agent: AgentClient, place: Place) -> str:
    """The address to open. A container's own loopback address is that of nobody else: from outside,
    it is the host's."""
    parts = urlsplit(agent.address)
    address = agent.address
    if place.in_container and names_this_host(parts.netloc):
        address = f"{parts.scheme}://localhost:{parts.port}"
    # In a fragment, which is not sent: no proxy and no log sees it.
    return f"{address}/#token={quote(agent.token, safe='')}"


def notes(agent: AgentClient, place: Place) -> None:
    """Says on standard error what a person may have to do to reach the page."""
    parts = urlsplit(agent.address)
    here = names_this_host(parts.netloc)
    if place.in_container and here:
        _say(
            f"from the container's host, if its port {parts.port} is published there as the same "
            f"(--publish 127.0.0.1:{parts.port}:{parts.port}); else put the other one in"
        )
    elif place.over_ssh and here:
        _say(
            f"from your own machine: ssh -L {parts.port}:{parts.netloc} HOST, and open it there "
            "while that runs"
        )
    elif not here and parts.scheme == "http":
        _say("the token, and what the page shows, go over plain HTTP to that host: see http.tls")


def _say(text: str) -> None:
    print(f"dockline: {text}", file=sys.stderr, flush=True)
