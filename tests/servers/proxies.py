"""Real reverse proxies before an Engine's socket, as people put them there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.servers.daemon import Daemon
from tests.servers.ports import free_port

# What tecnativa/docker-socket-proxy makes of CONTAINERS=1 EVENTS=1 INFO=1 PING=1 POST=0,
# but for its timeout of ten minutes.
_HAPROXY = """\
global
    log stdout format raw daemon info
    maxconn 4096
defaults
    mode http
    log global
    option httplog
    timeout connect 10s
    timeout client {idle}
    timeout server {idle}
backend docker
    server dockersocket {socket}
frontend dockerfrontend
    bind 127.0.0.1:{port}
    http-request deny unless METH_GET
    {rules}
    http-request deny
    default_backend docker
"""
_RULE = r"http-request allow if {{ path,url_dec -m reg -i ^(/v[\d\.]+)?/{} }}"

_NGINX = """\
user root;
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log /dev/stdout;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            limit_except GET {{ deny all; }}
            proxy_pass http://unix:{socket}:;
            proxy_http_version {version};
            proxy_read_timeout {idle};
            proxy_buffering {buffering};
        }}
    }}
}}
"""

_NGINX_BEFORE = """\
user root;
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log /dev/stdout;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{address};
        }}
    }}
}}
"""


_NGINX_SITE = """\
user root;
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log /dev/stdout;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{site}
}}
"""


class Proxy(Daemon):
    """Listens at `url` and logs each request when it has ended."""

    def __init__(self, name: str, command: list[str], directory: Path, port: int) -> None:
        super().__init__([_found(name), *command], directory, [port])
        self.url = f"tcp://127.0.0.1:{port}"

    def served(self, what: str) -> int:
        """Requests so far whose path has this in it."""
        return sum(what in line for line in self.log.read_text().splitlines())


def haproxy(
    directory: Path,
    socket: Path,
    *,
    idle: str = "10m",
    allow: Iterable[str] = ("containers", "events", "_ping", "info"),
) -> Proxy:
    """As docker-socket-proxy has it: only GET, and only of what is allowed."""
    port, file = free_port(), directory / "haproxy.cfg"
    rules = "\n    ".join(_RULE.format(name) for name in allow)
    file.write_text(_HAPROXY.format(idle=idle, socket=socket, port=port, rules=rules))
    return Proxy("haproxy", ["-db", "-f", str(file)], directory, port)


def nginx(
    directory: Path,
    socket: Path,
    *,
    idle: str = "10m",
    version: str = "1.1",
    buffering: str = "off",
) -> Proxy:
    """`version` is the one of HTTP spoken to the Engine, by default 1.0 as nginx has it."""
    port, file = free_port(), directory / "nginx.conf"
    file.write_text(
        _NGINX.format(
            directory=directory, socket=socket, port=port, idle=idle, version=version,
            buffering=buffering,
        )
    )  # fmt: skip
    return Proxy("nginx", ["-e", "stderr", "-p", str(directory), "-c", str(file)], directory, port)


def nginx_before(directory: Path, address: str) -> Proxy:
    """As a first try at `proxy_pass` leaves it, before what listens at `address`."""
    port, file = free_port(), directory / "nginx.conf"
    file.write_text(_NGINX_BEFORE.format(directory=directory, address=address, port=port))
    return Proxy("nginx", ["-e", "stderr", "-p", str(directory), "-c", str(file)], directory, port)


def nginx_site(directory: Path, site: str, port: int) -> Proxy:
    """With one `server { … }`, which listens on `port`."""
    file = directory / "nginx.conf"
    file.write_text(_NGINX_SITE.format(directory=directory, site=site))
    return Proxy("nginx", ["-e", "stderr", "-p", str(directory), "-c", str(file)], directory, port)


def _found(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        pytest.skip(f"there is no `{name}` command: install {name}")
    return path
