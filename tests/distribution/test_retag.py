"""A wheel for another platform says so in its name and in itself."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from distribution.retag import retag

TAG = "cp313-cp313-linux_x86_64"
NEW = "cp313-cp313-manylinux_2_17_x86_64"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / f"a-1-{TAG}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/__init__.py", "")
        archive.writestr("a-1.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {TAG}\n")
        archive.writestr(
            "a-1.dist-info/RECORD",
            "a/__init__.py,sha256=old,0\na-1.dist-info/WHEEL,sha256=old,1\na-1.dist-info/RECORD,,\n",
        )
    return path


def test_its_name_its_tag_and_its_record_agree(wheel: Path) -> None:
    new = retag(wheel, "manylinux_2_17_x86_64")
    assert new.name == f"a-1-{NEW}.whl"
    assert list(new.parent.iterdir()) == [new]
    with zipfile.ZipFile(new) as archive:
        meta = archive.read("a-1.dist-info/WHEEL")
        record = archive.read("a-1.dist-info/RECORD").decode()
        assert archive.infolist()[0].compress_type == zipfile.ZIP_DEFLATED
    assert meta.decode() == f"Wheel-Version: 1.0\nTag: {NEW}\n"
    rows = {name: rest for name, *rest in csv.reader(io.StringIO(record))}
    checksum = base64.urlsafe_b64encode(hashlib.sha256(meta).digest()).decode().rstrip("=")
    assert rows["a-1.dist-info/WHEEL"] == [f"sha256={checksum}", str(len(meta))]
    assert rows["a/__init__.py"] == ["sha256=old", "0"]


def test_the_same_wheel_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    copy = tmp_path / "again" / wheel.name
    copy.write_bytes(wheel.read_bytes())
    platform = "manylinux_2_17_x86_64"
    assert retag(wheel, platform).read_bytes() == retag(copy, platform).read_bytes()
