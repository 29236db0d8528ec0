"""Where the Engine is: the configuration, `DOCKER_HOST`, a Docker context or the usual sockets.

The order is that of the Docker CLI. Reference: https://docs.docker.com/engine/security/protect-access/
and https://docs.docker.com/engine/manage-resources/contexts/
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.component import TLSConfig
from pipeline.errors import EngineError


@dataclass(frozen=True)
class Endpoint:
    """One Engine's address, and how to talk to it."""

    url: str
    """As the user would write it: `unix:///var/run/docker.sock`, `tcp://10.0.0.1:2376`."""
    origin: str
    """Where the address came from, for messages: `DOCKER_HOST`, `the Docker context "prod"`."""
    path: str = ""
    """Of the unix socket; empty for TCP."""
    host: str = ""
    port: int = 0
    ssl: ssl.SSLContext | None = None

    @property
    def base(self) -> str:
        """The URL that HTTP requests begin with."""
        if self.path:
            return "http://docker"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.ssl else 'http'}://{host}:{self.port}"


def resolve(url: str | None, tls: TLSConfig | None, environ: Mapping[str, str]) -> Endpoint:
    """The Engine to use. Raises `EngineError` (permanent) for an address that makes no sense."""
    if url:
        return _endpoint(
            url, "the configuration", _configured_tls(tls) or _environment_tls(environ)
        )
    if host := environ.get("DOCKER_HOST"):
        return _endpoint(host, "DOCKER_HOST", _configured_tls(tls) or _environment_tls(environ))
    if context := _context(environ):
        return _context_endpoint(context, environ)
    found = next((path for path in _usual_sockets(environ) if path.is_socket()), None)
    path = found or Path("/var/run/docker.sock")
    return _endpoint(f"unix://{path}", "the usual places", None)


def _usual_sockets(environ: Mapping[str, str]) -> list[Path]:
    runtime = environ.get("XDG_RUNTIME_DIR")
    rootless = ["docker.sock", "podman/podman.sock"] if runtime else []
    home = Path(environ.get("HOME", "/root"))
    return [
        Path("/var/run/docker.sock"),
        Path("/run/docker.sock"),
        *(Path(runtime or "") / name for name in rootless),
        home / ".docker/run/docker.sock",
        Path("/run/podman/podman.sock"),
    ]


def _endpoint(url: str, origin: str, context: ssl.SSLContext | None) -> Endpoint:
    parts = urlsplit(url if "://" in url else f"tcp://{url}")
    if parts.scheme == "unix":
        path = parts.netloc + parts.path
        if not path.startswith("/"):
            raise EngineError(
                f'"{url}" (from {origin}) is no socket: write unix:///path', permanent=True
            )
        return Endpoint(url, origin, path=path)
    if parts.scheme not in ("tcp", "http", "https"):
        raise EngineError(
            f'"{url}" (from {origin}) cannot be used: the Engine is reached by unix://, tcp:// or '
            f"https://, not {parts.scheme}://",
            permanent=True,
        )
    if parts.scheme == "https" and context is None:
        context = ssl.create_default_context()
    try:
        port = parts.port or (2376 if context else 2375)
    except ValueError:
        raise EngineError(f'"{url}" (from {origin}) has no valid port', permanent=True) from None
    if not parts.hostname:
        raise EngineError(f'"{url}" (from {origin}) names no host', permanent=True)
    return Endpoint(url, origin, host=parts.hostname, port=port, ssl=context)


# -------------------------------------------------------------------------------------- TLS


def _configured_tls(tls: TLSConfig | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    return _ssl_context(tls.ca, tls.cert, tls.key, origin="[engine] tls")


def _environment_tls(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """`DOCKER_TLS_VERIFY` set to anything at all turns TLS on, as in the Docker CLI."""
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    folder = Path(environ.get("DOCKER_CERT_PATH") or Path(environ.get("HOME", "/root")) / ".docker")
    if not (folder / "ca.pem").exists():
        raise EngineError(
            f"DOCKER_TLS_VERIFY is set, but there is no ca.pem in {folder}: set DOCKER_CERT_PATH",
            permanent=True,
        )
    return _folder_tls(folder, "DOCKER_CERT_PATH")


def _folder_tls(folder: Path, origin: str) -> ssl.SSLContext | None:
    """A folder with `ca.pem`, `cert.pem` and `key.pem`, as Docker lays them; None when empty."""
    ca, cert, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    if not ca.exists() and not cert.exists():
        return None
    return _ssl_context(
        str(ca) if ca.exists() else None,
        *((str(cert), str(key)) if cert.exists() else ()),
        origin=origin,
    )


def _ssl_context(
    ca: str | None, cert: str | None = None, key: str | None = None, *, origin: str
) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert:
            context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise EngineError(
            f"the certificates of {origin} cannot be used: {error}", permanent=True
        ) from error
    return context


# --------------------------------------------------------------------------------- contexts


def _config_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "/root")) / ".docker")


def _context(environ: Mapping[str, str]) -> str | None:
    """Name of the chosen Docker context, or None for the default one."""
    name = environ.get("DOCKER_CONTEXT")
    if not name:
        try:
            config = json.loads((_config_folder(environ) / "config.json").read_text())
        except (OSError, ValueError):
            return None  # absent, unreadable or broken: the CLI too goes on with the default
        name = config.get("currentContext") if isinstance(config, dict) else None
    return name if name and name != "default" else None


def _context_endpoint(name: str, environ: Mapping[str, str]) -> Endpoint:
    """A context is stored under the SHA-256 of its name, certificates beside it."""
    folder = _config_folder(environ) / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta: Any = json.loads((folder / "meta" / key / "meta.json").read_text())
        docker = meta["Endpoints"]["docker"]
        url = docker["Host"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f'the Docker context "{name}" cannot be read ({error!r}): '
            "see `docker context ls`, or set DOCKER_HOST",
            permanent=True,
        ) from error
    context = _folder_tls(folder / "tls" / key / "docker", f'the Docker context "{name}"')
    if context and docker.get("SkipTLSVerify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return _endpoint(url, f'the Docker context "{name}"', context)
