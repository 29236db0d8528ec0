"""Serves the files of the page: what a browser loads before it has asked for anything of the agent.

They are the same for everybody and hold no data, so they need no token. Nothing is read before the
first request; then they stay in memory, compressed once (about 250 kB in all). Comments that stand
before a module's imports, constants and functions are left out: they are a tenth of what is sent.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import hdrs, web

from pipeline.observe.server import accepts_gzip

FOLDER: Final = files("pipeline.page") / "static"
INDEX: Final = "index.html"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The content security policy: scripts, styles and data of this agent only, and no text that
becomes markup. https://www.w3.org/TR/CSP3/"""

_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.CACHE_CONTROL: "no-cache",
    hdrs.VARY: "Accept, Accept-Encoding",
}

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
"""Content types by a file's ending; files with others (licences, versions) are not served."""


_COMMENT: Final = re.compile(
    rb"^/\*\*(?:[^*]|\*(?!/))*\*/\n(?=\n|(?:import|export|const|let|function|async|class)\b)",
    re.MULTILINE,
)
"""A comment at the beginning of a line, which a statement or an empty line follows in the same
place. What stands in a template is indented, or no such thing."""


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    compressed: bytes
    content_type: str
    etag: str


class Assets:
    """The handlers of `/page/NAME`, and of `/` for browsers."""

    def __init__(self, folder: Traversable = FOLDER) -> None:
        """`folder`: where the files are."""
        self._folder = folder
        self._one = asyncio.Lock()
        self._assets: Mapping[str, Asset] | None = None

    async def index(self, request: web.Request) -> web.StreamResponse:
        """Answers with the empty page."""
        return await self._answer(request, INDEX)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Answers with the file that `name` of the path is. Raises 404 for any other."""
        return await self._answer(request, request.match_info["name"])

    async def _answer(self, request: web.Request, name: str) -> web.StreamResponse:
        async with self._one:
            if self._assets is None:
                self._assets = await asyncio.to_thread(load, self._folder)
        asset = self._assets.get(name)
        if asset is None:
            raise web.HTTPNotFound(text="there is no such file\n")
        headers = {**_HEADERS, hdrs.ETAG: asset.etag}
        if asset.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = asset.content_type
        if accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            return web.Response(body=asset.compressed, headers=headers)
        return web.Response(body=asset.body, headers=headers)


def load(folder: Traversable) -> dict[str, Asset]:
    """Reads all files that a browser may ask for, by their path below `folder`. Blocks."""
    return dict(_assets(folder, ""))


def without_comments(module: bytes) -> bytes:
    """The module without comments on what it declares. Lines keep their numbers."""
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), module)


def _assets(folder: Traversable, path: str) -> list[tuple[str, Asset]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _assets(entry, f"{path}{entry.name}/")
        elif content_type := _TYPES.get(entry.name.rpartition(".")[2]):
            body = entry.read_bytes()
            if entry.name.endswith(".js") and not path.startswith("vendor/"):
                body = without_comments(body)
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            compressed = gzip.compress(body, 9, mtime=0)
            found.append((f"{path}{entry.name}", Asset(body, compressed, content_type, etag)))
    return found
