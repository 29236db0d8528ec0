"""The http sink at nginx, and at servers that say what nginx does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.component import Secret, SinkContext
from pipeline.model.errors import Unavailable
from pipeline.sinks.http import Config, HttpSink
from pipeline.testing.builders import batch
from pipeline.testing.sink_kit import SinkKit
from pipeline.transport.http import AuthConfig
from tests.servers.daemon import Daemon
from tests.servers.http_receiver import OK, Request, answer, http_receiver
from tests.servers.ports import free_port

_NGINX = """\
user root;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 64k;
    server {{
        listen 127.0.0.1:{port};
        location /in {{
            auth_basic "logs";
            auth_basic_user_file {folder}/users;
            client_body_in_file_only on;
            proxy_pass http://127.0.0.1:{port}/taken;
        }}
        location /taken {{ return 204; }}
        location / {{ return 302 https://elsewhere.example.com/; }}
    }}
}}
"""


class Nginx(Daemon):
    """Takes requests of up to 64 KiB on `/in` from `me`, whose password is `secret`, and keeps each
    in a file; sends everybody else elsewhere."""

    def __init__(self, folder: Path) -> None:
        if not shutil.which("nginx"):
            pytest.skip("there is no `nginx` command: install nginx")
        port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port))
        (folder / "users").write_text("me:{PLAIN}secret\n")
        super().__init__(["nginx", "-c", str(config), "-p", str(folder)], folder, [port])

    @property
    def bodies(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.folder / "bodies").iterdir())]


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path) as server:
        yield server


def sink(url: str, **options: Any) -> HttpSink:
    return HttpSink(Config(type="http", url=url, **options), SinkContext("http", host="web-1"))


ME = AuthConfig(user="me", password=Secret("secret"))


async def deliver(to: HttpSink, *lines: str) -> Any:
    payload = to.encode([batch(*lines)])
    await to.open()
    try:
        await to.send(payload)
    finally:
        await to.close()
    return payload


def messages(*bodies: bytes) -> list[str]:
    return [json.loads(line)["message"] for body in bodies for line in body.splitlines()]


@pytest.mark.server
async def test_nginx_gets_json_lines(nginx: Nginx) -> None:
    await deliver(sink(nginx.url + "/in", auth=ME, compression="none"), "one", "two\nlines", "☃")
    assert messages(*nginx.bodies) == ["one", "two\nlines", "☃"]


@pytest.mark.server
async def test_what_nginx_calls_too_large_is_divided(nginx: Nginx) -> None:
    lines = [f"{number} {'x' * 1000}" for number in range(200)] + ["y" * 70_000]
    payload = await deliver(sink(nginx.url + "/in", auth=ME, compression="none"), *lines)
    assert messages(*nginx.bodies) == lines[:-1]
    assert payload.entries == 200
    ((one, index, reason),) = payload.refused
    assert one.lines[index] == b"y" * 70_000
    assert "answers 413" in reason


@pytest.mark.server
async def test_a_wrong_password_or_path_costs_no_entry(nginx: Nginx) -> None:
    wrong = AuthConfig(user="me", password=Secret("wrong"))
    with pytest.raises(Unavailable, match=r"answers 401.*check `auth`"):
        await deliver(sink(nginx.url + "/in", auth=wrong), "one")
    with pytest.raises(Unavailable, match=r"a redirect to https://elsewhere\.example\.com/"):
        await deliver(sink(nginx.url + "/other"), "one")
    assert nginx.bodies == []


async def test_a_content_type_of_the_user_is_that_of_the_entries() -> None:
    async with http_receiver() as to:
        await deliver(sink(to.url, headers={"content-type": Secret("application/json")}), "one")
    assert to.requests[0].headers["content-type"] == "application/json"


async def test_an_array_is_one_document() -> None:
    async with http_receiver() as to:
        await deliver(sink(to.url, format="array", method="PUT"), "one", "two\nlines")
    (request,) = to.requests
    assert request.method == "PUT"
    assert request.headers["content-type"] == "application/json"
    assert [one["message"] for one in json.loads(request.body)] == ["one", "two\nlines"]


async def test_an_entry_that_the_server_calls_bad_is_refused_and_the_rest_delivered() -> None:
    def judge(request: Request) -> bytes:
        return answer(400, b"no swearing") if b"damn" in request.body else OK

    async with http_receiver(judge) as to:
        payload = await deliver(sink(to.url), "one", "damn", "two", "three")
    assert [(index, "no swearing" in why) for _, index, why in payload.refused] == [(1, True)]
    taken = [one.body for one in to.requests if b"damn" not in one.body]
    assert sorted(messages(*taken)) == ["one", "three", "two"]


def test_its_secrets_are_not_shown() -> None:
    config = Config(type="http", url="http://a", auth=ME, headers={"X-Key": Secret("secret")})
    assert "secret" not in repr(config)


class TestHttp(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[HttpSink]:
        async with http_receiver() as to:
            yield sink(to.url)

    @pytest.fixture
    def unreachable(self) -> HttpSink:
        return sink(f"http://127.0.0.1:{free_port()}")


class TestHttpArray(TestHttp):
    @pytest.fixture
    async def sink(self) -> AsyncIterator[HttpSink]:
        async with http_receiver() as to:
            yield sink(to.url, format="array", compression="zstd")
