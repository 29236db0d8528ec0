"""What is compressed is what any other reader of Deflate reads, whoever compresses it."""

from __future__ import annotations

import gzip
import sys
import zlib
from types import ModuleType

import pytest

from pipeline.support import deflate
from pipeline.support.deflate import Form

TEXT = b"".join(b'{"n":%d,"level":"info","took":%d}\n' % (n, n * n) for n in range(20_000))
FORMS: tuple[Form, ...] = ("gzip", "zlib")


@pytest.fixture(params=["ISA-L", "zlib"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    monkeypatch.setattr(deflate, "_quick", deflate._found())
    return deflate._quick


def test_isal_is_used_where_it_is_installed(
    library: ModuleType, request: pytest.FixtureRequest
) -> None:
    wanted = "isal.isal_zlib" if "ISA-L" in request.node.name else "zlib"
    assert library.__name__ == wanted


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", [b"", b"x", TEXT], ids=["nothing", "a byte", "lines"])
def test_zlib_and_gzip_read_it(form: Form, level: int, text: bytes) -> None:
    read = gzip.decompress if form == "gzip" else zlib.decompress
    whole = deflate.compress(text, form, level)
    assert read(whole) == text
    pieces = deflate.stream(form, level)
    parts = [pieces.compress(text[at : at + 999]) for at in range(0, len(text), 999)]
    assert read(b"".join([*parts, pieces.flush()])) == text
    assert len(whole) <= max(50, len(text) // 4 if level else 2 * len(text))
