"""Finds the Engine: by the configuration, `DOCKER_HOST`, a Docker context or the usual sockets.

The order is the Docker CLI's. https://docs.docker.com/engine/security/protect-access/ and
https://docs.docker.com/engine/manage-resources/contexts/
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISSOCK
from typing import Any

from pipeline.model.component import FileToRead, TLSConfig
from pipeline.model.errors import ConfigError, EngineError, Unavailable
from pipeline.transport.net.address import parse
from pipeline.transport.net.tls import client_context

SCHEMES = ("unix", "tcp", "http", "https")
"""Schemes that an address may have."""


@dataclass(frozen=True)
class Endpoint:
    """The address of an Engine, and how to connect to it."""

    url: str
    """As the user would write it: `unix:///var/run/docker.sock`, `tcp://10.0.0.1:2376`."""
    origin: str
    """Where the address was found, for messages: `DOCKER_HOST`, `the Docker context "prod"`."""
    path: str = ""
    """Path of the Unix socket; empty for TCP."""
    host: str = ""
    """Host name or IP address without brackets; empty for a Unix socket."""
    port: int = 0
    ssl: ssl.SSLContext | None = None
    """TLS settings; None for a connection without TLS."""
    server_name: str = ""
    """Name that the server's certificate must have, where that is not `host`."""

    @property
    def authority(self) -> str:
        """Value of the `Host` header (RFC 9112, 3.2)."""
        if self.path:
            return "docker"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def base(self) -> str:
        """URL that all requests begin with, without a trailing slash."""
        return f"{'https' if self.ssl else 'http'}://{self.authority}"


@dataclass(frozen=True)
class _Found:
    """An address as it was found, not checked yet."""

    url: str
    origin: str
    tls: TLSConfig | None = None
    verify: bool = True


def resolve(url: str | None, tls: TLSConfig | None, environ: Mapping[str, str]) -> Endpoint:
    """Returns the Engine to use. Reads the certificates.

    `url` and `tls` are the configuration's, None where it has none; `environ` is like `os.environ`.
    Raises a permanent `EngineError` for an invalid address and for TLS settings that cannot work.
    """
    found = _find(url, environ)
    if tls is not None:
        found = replace(found, tls=tls, verify=True)
    if found.url.startswith("unix:"):
        if tls is not None:
            raise _wrong(found, "is a socket of this host, so [engine] tls has no meaning")
        return _unix(found)
    return _tcp(found)


def _find(url: str | None, environ: Mapping[str, str]) -> _Found:
    if url:
        return _Found(url, "the configuration", _environment_tls(url, environ))
    if host := environ.get("DOCKER_HOST"):
        return _Found(host, "DOCKER_HOST", _environment_tls(host, environ))
    if context := _context_name(environ):
        return _context(context, environ)
    sockets = _usual_sockets(environ)
    path = next((path for path in sockets if _is_socket(path)), sockets[0])
    return _Found(f"unix://{path}", "the usual places")


def _usual_sockets(environ: Mapping[str, str]) -> list[Path]:
    """Docker's socket, then those of a rootless Docker and Podman, Docker Desktop's and
    Podman's.
    """
    rootless = environ.get("XDG_RUNTIME_DIR")
    return [
        Path("/var/run/docker.sock"),
        Path("/run/docker.sock"),
        *(Path(rootless, name) for name in ("docker.sock", "podman/podman.sock") if rootless),
        _home(environ) / ".docker/run/docker.sock",
        Path("/run/podman/podman.sock"),
    ]


def _is_socket(path: Path) -> bool:
    try:
        return S_ISSOCK(path.stat().st_mode)
    except OSError:  # missing, or in a folder without permission
        return False


def _unix(found: _Found) -> Endpoint:
    path = found.url.removeprefix("unix:").removeprefix("//")
    if not path.startswith("/"):
        raise _wrong(found, "names no socket; write it like unix:///var/run/docker.sock")
    return Endpoint(found.url, found.origin, path=path)


def _tcp(found: _Found) -> Endpoint:
    scheme, separator, _ = found.url.partition("://")
    if separator and scheme not in SCHEMES:
        raise _wrong(
            found,
            "cannot be used: the Engine is reached by unix://, tcp:// or https://, "
            f"not by {scheme}://",
        )
    if found.url.startswith("/"):
        raise _wrong(found, f"is not an address; a socket is written unix://{found.url}")
    tls = found.tls or (TLSConfig() if scheme == "https" or not found.verify else None)
    port = 2376 if tls else 2375
    try:
        address = parse(found.url, {"tcp": port, "http": port, "https": 2376}, "tcp")
    except ConfigError as error:
        raise EngineError(f"{error} (from {found.origin})", permanent=True) from None
    return Endpoint(
        found.url,
        found.origin,
        host=address.host,
        port=address.port,
        ssl=_ssl_context(found, tls) if tls else None,
        server_name=(tls and tls.server_name) or "",
    )


def _wrong(found: _Found, what: str) -> EngineError:
    return EngineError(f'"{found.url}" (from {found.origin}) {what}', permanent=True)


# -------------------------------------------------------------------------------------- TLS


def _environment_tls(url: str, environ: Mapping[str, str]) -> TLSConfig | None:
    """TLS by `DOCKER_TLS_VERIFY`: any value turns it on for TCP, as in the Docker CLI."""
    if not environ.get("DOCKER_TLS_VERIFY") or url.startswith("unix:"):
        return None
    folder = Path(environ.get("DOCKER_CERT_PATH") or _config_folder(environ))
    if not _is_there(folder / "ca.pem"):
        raise EngineError(
            f"DOCKER_TLS_VERIFY is set, but there is no ca.pem in {folder}: set DOCKER_CERT_PATH",
            permanent=True,
        )
    return _folder_tls(folder)


def _folder_tls(folder: Path) -> TLSConfig | None:
    """Reads a folder with `ca.pem`, `cert.pem` and `key.pem`, as Docker lays it out. None when it
    has neither of the first two.
    """
    ca, cert, key = (
        FileToRead(path) if _is_there(path) else None
        for path in (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    )
    return TLSConfig(ca=ca, cert=cert, key=key if cert else None) if ca or cert else None


def _ssl_context(found: _Found, tls: TLSConfig) -> ssl.SSLContext:
    if tls.key and not tls.cert:
        raise _wrong(found, "has a tls key, which has no meaning without its certificate, cert")
    try:
        context = client_context(tls)
    except Unavailable as error:
        raise _wrong(found, f"cannot be reached over TLS: {error}") from error
    if not found.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


# --------------------------------------------------------------------------------- contexts


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or "/root")


def _config_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or _home(environ) / ".docker")


def _context_name(environ: Mapping[str, str]) -> str | None:
    """Name of the chosen Docker context, or None for the default one."""
    name: Any = environ.get("DOCKER_CONTEXT")
    if not name:
        try:
            config = json.loads((_config_folder(environ) / "config.json").read_bytes())
        except (OSError, ValueError):
            return None  # missing, unreadable or malformed: the CLI uses the default, too
        name = config.get("currentContext") if isinstance(config, dict) else None
    return str(name) if name and name != "default" else None


def _context(name: str, environ: Mapping[str, str]) -> _Found:
    """Reads a Docker context. It is stored under the SHA-256 of its name, with its certificates
    beside it.
    """
    origin = f'the Docker context "{name}"'
    folder = _config_folder(environ) / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta: Any = json.loads((folder / "meta" / key / "meta.json").read_bytes())
        docker = meta["Endpoints"]["docker"]
        url, skip = str(docker["Host"]), bool(docker.get("SkipTLSVerify"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{origin} cannot be read ({error!r}): see `docker context ls`, or set DOCKER_HOST",
            permanent=True,
        ) from error
    return _Found(url, origin, _folder_tls(folder / "tls" / key / "docker"), verify=not skip)
