"""The page's files: what a browser gets before it has said who it is."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pipeline.observe.access import PAGE_FILES, Gate, guarded
from pipeline.observe.server import Server
from pipeline.page.assets import FOLDER, POLICY, Assets, load, without_comments


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "views").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "app.js").write_text("const x = 1;\n" * 100)
    (tmp_path / "views/flow.js").write_text("flow")
    (tmp_path / "LICENSE").write_text("not served")
    (tmp_path.parent / "secret.js").write_text("outside")
    assets = Assets(tmp_path)
    routes = [
        web.get("/", assets.index),
        web.get(PAGE_FILES.replace("{name}", "{name:.+}"), assets.file),
    ]
    server = Server("127.0.0.1:0", routes, [guarded(Gate("a-token-of-some-length"))])
    await server.start()
    yield f"http://{server.address}"
    await server.close()


async def test_they_need_no_token_and_carry_the_policy(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.content_type == "text/html"


async def test_a_file_is_compressed_and_known_by_its_tag(url: str) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(f"{url}/page/app.js") as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await answer.read()) == b"const x = 1;\n" * 100
            tag = answer.headers["ETag"]
        async with session.get(f"{url}/page/app.js", headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["../secret.js", "..%2Fsecret.js", "%2e%2e/secret.js", "views", "views/", "LICENSE", "x.js"],
)
async def test_only_files_of_the_page_are_served(url: str, path: str) -> None:
    async with aiohttp.ClientSession() as session:
        target = aiohttp.client.URL(f"{url}/page/{path}", encoded=True)
        async with session.get(target) as answer:
            assert answer.status in (401, 404)
            assert b"outside" not in await answer.read()
        async with session.get(f"{url}/page/views/flow.js") as answer:
            assert await answer.text() == "flow"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
async def test_another_host_or_site_gets_nothing(
    url: str, headers: dict[str, str], status: int
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/page/app.js", headers=headers) as answer,
    ):
        assert answer.status == status


MODULE = b"""/**
 * What the module is for.
 */
import { html } from "./ui.js";

/** Says what it is. */
export function Page() {
  /** Of a part. */
  // a reason
  return html`
    /** shown */
    // shown, too
    <p>https://example.org/*</p>`;
}
"""


def test_comments_on_declarations_are_not_sent_and_nothing_else_is_changed() -> None:
    lines, sent = MODULE.splitlines(), without_comments(MODULE).splitlines()
    assert [number for number, line in enumerate(lines) if line != sent[number]] == [0, 1, 2, 5]
    assert len(sent) == len(lines)
    assert not sent[5]


def test_no_line_of_the_page_is_left_out_but_those_of_comments() -> None:
    assets = load(FOLDER)
    for path in FOLDER.rglob("*.js"):  # type: ignore[attr-defined] # it is a folder
        name = path.relative_to(FOLDER).as_posix()
        lines, sent = path.read_bytes().split(b"\n"), assets[name].body.split(b"\n")
        assert len(lines) == len(sent)
        gone = [line for line, other in zip(lines, sent, strict=True) if line != other]
        assert all(re.match(rb"/\*\*| \*", line) for line in gone), name
        assert bool(gone) == (not name.startswith("vendor/")), name
