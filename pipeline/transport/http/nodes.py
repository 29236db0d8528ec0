"""Which of several equal servers is asked, and their URLs."""

from __future__ import annotations

import re
import time
import urllib.request

from yarl import URL

from pipeline.model.errors import ConfigError, Unquoted
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import printable

ASIDE = 30.0
"""Seconds for which a node that failed is asked only where no other is left."""


class Nodes:
    """Equal nodes in turn; those that failed a moment ago come last."""

    def __init__(self, urls: list[URL]) -> None:
        self.all = urls
        self._turn = 0
        self._aside: dict[URL, float] = {}

    def order(self) -> list[URL]:
        """All of them, in the order in which to try them."""
        if len(self.all) == 1:
            return self.all
        self._turn = (self._turn + 1) % len(self.all)
        turned = self.all[self._turn :] + self.all[: self._turn]
        now = time.monotonic()
        return sorted(turned, key=lambda url: max(0.0, self._aside.get(url, 0.0) - now))

    def failed(self, url: URL) -> None:
        """It comes last for `ASIDE` seconds."""
        self._aside[url] = time.monotonic() + ASIDE

    def works(self, url: URL) -> None:
        """It has answered, and has its turn as the others have."""
        self._aside.pop(url, None)


_ENCODED = re.compile(r"(?:[!#$&'()*+,/:;=?@\[\]A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")
"""Matches a URL that is requested exactly as it is written: a signature may be of its text."""

_NO_PASSWORD = "a password does not belong into an address; use `auth`"


def http_url(
    text: str, key: str, *, example: str = "https://logs.example.com", hint: str = _NO_PASSWORD
) -> URL:
    """The URL of a server as the user wrote it. Raises `ConfigError`, for the setting `key`, where
    it is not `http` or `https`, such as `example` is, has a password, which `hint` is said of, or a
    fragment."""
    try:
        url = URL(text, encoded=_ENCODED.fullmatch(text) is not None)
        usable = url.scheme in ("http", "https") and url.host and url.port
    except ValueError:
        usable = False
    if usable and re.search(r"[\s\0]", text):
        message = "an address has no blanks and no line breaks, nor has what ${…} stands for"
        raise Unquoted(message, key)
    if not usable:
        message = f'"{printable(text)}" is not a URL; write it like "{example}"'
        raise ConfigError(message, key)
    if url.user or url.password:
        raise ConfigError(hint, key)
    if url.fragment:
        raise ConfigError("an address has no #fragment", key)
    return url


def joined(node: URL, path: str) -> URL:
    """The URL of `path` at a node: behind the path of the node's own URL, with the queries of
    both."""
    if not path:
        return node
    more = URL(path)
    return node.with_path(node.path.rstrip("/") + more.path, encoded=False).with_query(
        [*node.query.items(), *more.query.items()]
    )


def address_of(url: URL) -> Address:
    """Scheme, host and port, for messages."""
    return Address(url.scheme, url.host or "", url.port or 0)


def proxy_for(url: URL) -> str | None:
    """The URL of the proxy to ask, by `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; None for none."""
    proxies = urllib.request.getproxies_environment()
    if not proxies or urllib.request.proxy_bypass(url.host or ""):
        return None
    return proxies.get(url.scheme)
