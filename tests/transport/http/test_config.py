"""What may be configured, and the headers that follow from it."""

from __future__ import annotations

import base64

import pytest

from pipeline.model.component import Secret
from pipeline.model.errors import ConfigError
from pipeline.transport.http import (
    AuthConfig,
    HttpClient,
)
from tests.servers.http_receiver import http_receiver
from tests.transport.http.opening import config, opened


async def test_who_sends_and_how_is_in_the_headers() -> None:
    options = {"auth": AuthConfig(user="me", password=Secret("pässword")), "headers": {"X-A": "b"}}
    async with http_receiver() as to, opened(to.url, **options) as http:
        await http.post("", b"x", {"Content-Type": "text/plain"})
    headers = to.requests[0].headers
    assert base64.b64decode(headers["authorization"].split()[1]).decode() == "me:pässword"
    assert headers["x-a"] == "b"
    assert headers["content-type"] == "text/plain"
    assert headers["user-agent"].startswith("dockline/")


async def test_a_bearer_token_is_sent_as_one() -> None:
    async with http_receiver() as to, opened(to.url, auth=AuthConfig(bearer=Secret("tok"))) as http:
        await http.post("", b"x")
    assert to.requests[0].headers["authorization"] == "Bearer tok"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"content-length": "3"}, "cannot be set: it follows from the body"),
        ({"Transfer-Encoding": "chunked"}, "cannot be set: it follows from the body"),
        ({"Content-Encoding": "br"}, "cannot be set: it follows from `compression`"),
        ({"CONTENT-TYPE": "text/plain"}, "cannot be set: it follows from other settings"),
        ({"accept-encoding": "gzip"}, "cannot be set: it is what answers can be read in"),
        ({"Connection": "close"}, "cannot be set: it is for the connection"),
        ({"authorization": "Basic x"}, "cannot be set: it follows from `auth`"),
        ({"X-A": "1", "x-a": "2"}, "cannot be set: it is there twice"),
    ],
)
def test_a_header_that_is_not_the_users_to_set_is_a_wrong_configuration(
    headers: dict[str, str], message: str
) -> None:
    secrets = {name: Secret(value) for name, value in headers.items()}
    with pytest.raises(ConfigError, match=message) as raised:
        HttpClient(["http://host"], config(headers=secrets, auth=AuthConfig(bearer=Secret("t"))))
    assert raised.value.path == f"headers.{list(headers)[-1]}"


async def test_a_header_of_the_user_stands_in_for_a_usual_one_whatever_its_case() -> None:
    options = {"headers": {"user-agent": Secret("shop"), "host": Secret("logs.example.com")}}
    async with http_receiver() as to, opened(to.url, **options) as http:
        await http.post("", b"x")
    (request,) = to.requests
    assert request.headers["user-agent"] == "shop"
    assert request.headers["host"] == "logs.example.com"
