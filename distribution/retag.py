"""Gives a wheel another platform: the name of the file says it, and so does what is in it."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from pathlib import Path


def retag(wheel: Path, platform: str) -> Path:
    """Replaces a wheel for `linux_…` by one for `platform`, and returns that one's path."""
    stem, _, old = wheel.stem.rpartition("-")
    target = wheel.with_name(f"{stem}-{platform}.whl")
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(partial, "w") as after:
        files = {entry: before.read(entry) for entry in before.infolist()}
        (meta,) = (entry for entry in files if entry.filename.endswith(".dist-info/WHEEL"))
        files[meta] = re.sub(
            rb"(?m)^(Tag: .*-)%s$" % old.encode(), rb"\1" + platform.encode(), files[meta]
        )
        (record,) = (entry for entry in files if entry.filename.endswith(".dist-info/RECORD"))
        files[record] = _recorded(files[record], meta.filename, files[meta])
        for entry, content in files.items():
            after.writestr(entry, content)
    partial.rename(target)
    wheel.unlink()
    return target


def _recorded(record: bytes, name: str, content: bytes) -> bytes:
    """`record` with the checksum and size of one file as they are now."""
    checksum = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    line = f"{name},sha256={checksum},{len(content)}"
    return re.sub(rf"(?m)^{re.escape(name)},.*$".encode(), line.encode(), record)
