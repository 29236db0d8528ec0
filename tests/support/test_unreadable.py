"""Why a file cannot be read is said with who cannot read it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline.support import unreadable
from pipeline.support.unreadable import why_unreadable


def test_a_file_that_can_be_read_has_no_trouble(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("text")
    assert why_unreadable(str(file)) == ""
    assert why_unreadable("/dev/null") == ""


def test_what_is_wrong_with_another_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("gone")
    assert why_unreadable(f"{tmp_path}/no") == "there is no such file"
    assert why_unreadable(f"{tmp_path}/no/file") == f"there is no folder {tmp_path}/no"
    assert why_unreadable(str(tmp_path)) == "it is a folder; name the file in it"
    assert why_unreadable(f"{tmp_path}/empty") == "it is empty"
    assert why_unreadable(f"{tmp_path}/empty/a") == f"{tmp_path}/empty is a file, not a folder"
    assert why_unreadable(f"{tmp_path}/link") == "it is a link to gone, which is not there"
    assert why_unreadable(f"{tmp_path}/{'a' * 300}") == "File name too long"
    monkeypatch.chdir(tmp_path)
    assert why_unreadable("ca.pem") == f"there is no such file in {tmp_path}"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into, unlike `tmp_path`."""
    with TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


AS_NOBODY = """
import os, sys, pipeline.support.unreadable
os.setgid(65534); os.setuid(65534)
from pipeline.support.unreadable import why_unreadable
print(why_unreadable(sys.argv[1]))
"""


def as_nobody(path: Path) -> str:
    command = [sys.executable, "-c", AS_NOBODY, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.server
def test_a_user_who_may_not_read_it_is_named_with_the_owner_and_the_mode(open_folder: Path) -> None:
    inner = open_folder / "certs"
    inner.mkdir()
    file = inner / "key.pem"
    file.write_text("text")
    file.chmod(0o600)
    assert as_nobody(file) == (
        'user "nobody" (65534) may not read it: it belongs to user "root" (0) and has mode 0600'
    )
    inner.chmod(0o700)
    assert as_nobody(file) == (
        f'user "nobody" (65534) may not look into {inner}: it belongs to user "root" (0) and '
        "has mode 0700"
    )
    assert as_nobody(inner / "gone.pem").startswith('user "nobody" (65534) may not look into')
    inner.chmod(0o755)
    file.chmod(0o644)
    assert as_nobody(file) == ""


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000_000)
    assert unreadable.user() == "4000000000"
