"""The command line as a whole."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import __version__, native
from pipeline.cli import main
from pipeline.model.errors import EngineError

DOCKLINE = (sys.executable, "-m", "pipeline")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["chek"], "invalid choice"),
        (["check", "--nope"], "--nope"),
        (["check", "-c"], "expected one argument"),
        (["check", "--format", "xml"], "xml"),
    ],
)
def test_wrong_usage_is_told_on_standard_error_and_exits_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert words in error


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dockline {__version__} ({native.described})\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n    {command} " in out for command in ("run", "check", "schema"))


@pytest.mark.parametrize("before", [True, False])
def test_the_file_is_named_before_or_after_the_command(
    before: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = ["-c", str(tmp_path / "none.toml")]
    assert main([*name, "check"] if before else ["check", *name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{tmp_path}/none.toml: there is no such file")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["papertrail://me:s3cr3t@h"], "write: dockline run papertrail://***@h"),
        (["-c", "x", "papertrail://me:s3cr3t@h"], "write: dockline run papertrail://***@h"),
        (["tap", "papertrail://me:s3cr3t@h"], "unrecognized arguments: papertrail://***@h"),
        (["run", "papertrail://me:s3cr3t@h"], "papertrail://***@h: papertrail takes no user"),
        (["run", "console://", "--nope"], "unrecognized arguments: --nope"),
    ],
)
def test_an_address_in_a_wrong_place_is_told_without_its_password(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "s3cr3t" not in error


def test_files_before_and_after_the_command_are_read_in_this_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [tmp_path / name for name in ("c.toml", "a.toml", "b.toml")]
    for name in names:
        name.write_text("")
    first, second, third = map(str, names)
    assert main(["-c", first, "check", "-c", second, f"--config={third}"]) == 0
    assert capsys.readouterr().out.startswith(f"ok: {first}, {second}, {third}\n")


def test_the_environment_names_the_file_where_the_command_line_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKLINE_CONFIG", str(tmp_path / "none.toml"))
    assert main(["check"]) == 2
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (
            EngineError("no socket; is Docker running?"),
            1,
            "dockline: no socket; is Docker running?\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_sentence_and_an_interruption_is_silent(
    error: BaseException,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr("pipeline.cli.check.main", fail)
    assert main(["check"]) == status
    assert capsys.readouterr() == ("", words)


@pytest.mark.server
def test_a_reader_that_goes_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen([*DOCKLINE, "schema"], stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        assert process.communicate()[1] == b""
        assert process.returncode == 0


@pytest.mark.server
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [("schema", 0), ("check", 0), ("check -c /nowhere/x.toml", 2), ("audit --verify", 2)],
)
def test_a_closed_stream_is_no_error(arguments: str, status: int, closed: str) -> None:
    command = f"exec {shlex.join(DOCKLINE)} {arguments} {closed}"
    done = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == status
    assert b"Traceback" not in done.stderr


@pytest.mark.server
def test_an_agent_whose_output_is_closed_ends_as_it_should(tmp_path: Path) -> None:
    (tmp_path / "dockline.toml").write_text(
        f'[engine]\nenabled = false\n[http]\nlisten = "127.0.0.1:0"\n'
        f'[state]\ndirectory = "{tmp_path}"\n[sinks.out]\ntype = "console"\n'
    )
    command = f"exec {shlex.join(DOCKLINE)} run -c {tmp_path}/dockline.toml >&-"
    with subprocess.Popen(["sh", "-c", command], stderr=subprocess.PIPE) as process:
        assert process.stderr
        said = iter(process.stderr.readline, b"")
        assert any(b"metrics on" in line for line in said)
        process.terminate()
        assert not any(b"Traceback" in line for line in said)
    assert process.returncode == 0


@pytest.mark.server
def test_control_c_ends_quietly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "waiting.toml")
    command = [*DOCKLINE, "check", "-c", str(tmp_path / "waiting.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        with (tmp_path / "waiting.toml").open("wb"):  # returns when the other side reads
            process.send_signal(signal.SIGINT)
            assert process.communicate()[1] == b""
        assert process.returncode == 130


@pytest.mark.server
def test_a_command_imports_nothing_that_it_does_not_need() -> None:
    code = "import sys, pipeline.cli; pipeline.cli.main(['--help']); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(out.stdout.splitlines()[-1].split())
    assert "pipeline.cli.check" in modules
    assert not modules & {"aiohttp", "msgspec", "prometheus_client", "pipeline.config"}
