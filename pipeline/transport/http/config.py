"""What every sink over HTTP may be told, and the headers and compression that follow from it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Annotated, Literal

import msgspec

from pipeline.model.component import Duration, Secret, SinkConfig, TLSConfig
from pipeline.model.errors import ConfigError
from pipeline.model.extras import needed
from pipeline.model.pieces import Pieces, in_pieces, whole
from pipeline.support import deflate

_PRODUCT = f"dockline/{version('dockline')}"

_NOT_TO_BE_SET: Mapping[str, str] = {
    "content-encoding": "follows from `compression`",
    "content-length": "follows from the body",
    "transfer-encoding": "follows from the body",
    "accept-encoding": "is what answers can be read in",
    "connection": "is for the connection, which is kept open",
    "keep-alive": "is for the connection, which is kept open",
    "te": "is for the connection, which is kept open",
    "trailer": "is for the connection, which is kept open",
    "upgrade": "is for the connection, which is kept open",
    "expect": "is for the connection, which is kept open",
    "proxy-connection": "is for the connection, which is kept open",
    "proxy-authorization": "is for a proxy: put its password into the proxy's address",
}
"""Headers that a configuration cannot have, and why."""


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sends: either `user` and `password` (RFC 7617), or `bearer` (RFC 6750)."""

    user: Annotated[str | None, msgspec.Meta(examples=["dockline"])] = None
    """Name, for basic authentication."""
    password: Annotated[Secret | None, msgspec.Meta(examples=["${file:/run/secrets/logs}"])] = None
    """Password that goes with it."""
    bearer: Annotated[Secret | None, msgspec.Meta(examples=["${TOKEN}"])] = None
    """Token."""

    def header(self) -> str:
        """The value of `Authorization`. Raises `ConfigError`."""
        if (self.user is None) == (self.bearer is None):
            raise ConfigError("write either user and password, or bearer", "auth")
        if self.bearer is None:
            pair = f"{self.user}:{self.password!s}" if self.password else f"{self.user}:"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        if self.password is not None:
            raise ConfigError("a password has no meaning without user", "auth.password")
        return f"Bearer {self.bearer!s}"


class HttpOptions(SinkConfig, frozen=True, kw_only=True):
    """What every sink over HTTP may be told, beside its address and how it compresses."""

    auth: AuthConfig | None = None
    """Basic authentication, or a bearer token."""
    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Further headers of each request. Their values are never shown. Those that follow from other
    settings, such as `Content-Encoding`, cannot be set."""
    tls: TLSConfig | None = None
    """Certificates, for `https://`."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(30)
    """For a whole request, from connecting to the end of the answer."""


Compression = Literal["none", "gzip", "zstd"]
"""How bodies are compressed."""


class HttpSinkConfig(HttpOptions, frozen=True, kw_only=True):
    """What every sink of logs and readings over HTTP may be told, beside its address."""

    compression: Compression = "gzip"
    """How bodies are compressed; `zstd` is the quickest, where the destination takes it."""


def request_headers(config: HttpOptions, own: Iterable[str]) -> dict[str, str]:
    """The headers of every request. Those of the configuration stand in for the usual ones.

    `own` are the names that the sink sets by itself. Raises `ConfigError` for a header of the
    configuration that is one of them, is there twice, follows from another setting, or is no
    header.
    """
    taken = {name.lower(): "follows from other settings of this sink" for name in own}
    if config.auth is not None:
        taken["authorization"] = "follows from `auth`: write either"
    taken |= _NOT_TO_BE_SET
    headers = {"User-Agent": _PRODUCT, "Accept-Encoding": "identity"}
    if config.auth is not None:
        headers["Authorization"] = config.auth.header()
    for name, value in config.headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigError(f'"{name}" is not the name of a header', "headers")
        if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
            raise ConfigError("a header's value is one line of Latin-1", f"headers.{name}")
        if why := taken.get(name.lower()):
            raise ConfigError(f"{name} cannot be set: it {why}", f"headers.{name}")
        taken[name.lower()] = "is there twice, as case does not matter"
        headers = {known: it for known, it in headers.items() if known.lower() != name.lower()}
        headers[name] = str(value)
    return headers


def compressor(compression: Compression) -> Callable[[Pieces], bytes]:
    """Compresses a whole body. Raises `ConfigError`
    where its package is not installed."""
    if compression == "gzip":
        return _gzip
    if compression == "zstd":
        zstd = needed("cramjam", "http", 'compression = "zstd"').zstd
        return lambda body: bytes(zstd.compress(whole(body), 3))
    return whole


def _gzip(body: Pieces) -> bytes:
    stream = deflate.stream("gzip")
    return b"".join([*map(stream.compress, in_pieces(body)), stream.flush()])
