"""Behind nginx with TLS and a login, as docs/guides/access.md has it."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.testing.agent_process import AgentProcess
from tests.servers.certificates import Authority, authority
from tests.servers.ports import free_port
from tests.servers.proxies import nginx_site

__all__ = ["authority"]

pytestmark = pytest.mark.server

PAGE = (Path(__file__).parents[2] / "docs/guides/access.md").read_text()
PROXY = "127.0.0.5"
"""The address that nginx connects from here."""

Ask = Callable[..., tuple[int, str]]


def documented(language: str, holding: str) -> str:
    """The only block of this language on the page that has this text in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    [block] = [block for block in blocks if holding in block]
    return block


def settings() -> str:
    """What the documentation says about the agent, with the proxy's address as it is here."""
    text = documented("toml", "trust_proxy").replace("10.0.0.5", PROXY)
    return "".join(line for line in text.splitlines(True) if line.startswith(("hosts", "trust")))


def put(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(params=["http", "https"], scope="module")
def asked(
    request: pytest.FixtureRequest, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Ask, AgentProcess]]:
    """Asks through nginx, whose way to the agent is plain or encrypted."""
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    own, inner = authority.issue("nginx", "DNS:logs.example.com"), authority.issue("agent")
    (folder / "users").write_text("ann:{PLAIN}secret\n")
    config = settings() + 'tap = "local"\n'
    if request.param == "https":
        config += f'tls = {{ cert = "{inner.cert}", key = "{inner.key}" }}\n'
    with AgentProcess(folder / "agent", "", config) as agent:
        site = put(
            documented("nginx", "X-Forwarded-User"),
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("/etc/nginx/logs.pem", own.cert),
            ("/etc/nginx/logs.key", own.key),
            ("/etc/nginx/users", str(folder / "users")),
            (
                "proxy_pass http://10.0.0.7:9114;",
                f"proxy_pass {request.param}://{agent.address}; proxy_bind {PROXY};",
            ),
        )
        context = ssl.create_default_context(cafile=authority.ca)
        context.check_hostname = False  # it is asked by its address

        def ask(path: str, user: str | None = None, **headers: str) -> tuple[int, str]:
            headers = {"Host": "logs.example.com"} | {
                name.replace("_", "-"): value for name, value in headers.items()
            }
            if user:
                headers["Authorization"] = "Basic " + b64encode(user.encode()).decode()
            url = f"https://127.0.0.1:{port}{path}"
            try:
                sent = urllib.request.Request(url, headers=headers)
                with urllib.request.urlopen(sent, timeout=60, context=context) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        with nginx_site(folder, site, port):
            yield ask, agent


def test_who_has_logged_in_needs_no_token(asked: tuple[Ask, AgentProcess]) -> None:
    ask, _ = asked
    assert ask("/top", "ann:secret")[0] == 200
    assert ask("/top", "ann:wrong")[0] == 401
    assert ask("/top")[0] == 401
    status, page = ask("/", "ann:secret", Accept="text/html")
    assert (status, "<html" in page) == (200, True)


def test_nobody_names_a_user_in_the_proxys_place(asked: tuple[Ask, AgentProcess]) -> None:
    ask, agent = asked
    assert ask("/top", None, X_Forwarded_User="ann")[0] == 401
    assert ask("/top", "ann:secret", X_Forwarded_User="bob")[0] == 200
    if "tls" not in agent.config.read_text():
        forged = {"X-Forwarded-User": "ann", "Host": "logs.example.com"}
        assert agent.ask("GET", "/top", forged)[0] == 401


def test_it_is_asked_by_its_own_name_and_by_its_own_pages(
    asked: tuple[Ask, AgentProcess],
) -> None:
    ask, _ = asked
    site = "https://logs.example.com"
    assert ask("/top", "ann:secret", Host="evil.example")[0] == 421
    assert ask("/top", "ann:secret", Origin=site, Sec_Fetch_Site="same-origin")[0] == 200
    assert ask("/top", "ann:secret", Origin="https://evil.example")[0] == 403
    assert ask("/top", "ann:secret", Sec_Fetch_Site="cross-site")[0] == 403


def test_its_users_are_not_local(asked: tuple[Ask, AgentProcess]) -> None:
    ask, _ = asked
    status, text = ask("/tap", "ann:secret")
    assert (status, "not allowed through a proxy" in text) == (403, True)
