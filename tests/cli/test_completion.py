"""`dockline completion`, in real shells."""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.cli import command_line, main
from pipeline.cli.completion import SHELLS
from pipeline.cli.completion.commands import Command, program

pytestmark = pytest.mark.server

PROGRAM = program(command_line())
COMMANDS = [command.name for command in PROGRAM.commands]

CONFIGURATION = """\
[sinks.papertrail]
type = "papertrail"
address = "logs7.papertrailapp.com:12345"
[sinks.archive]
type = "file"
path = "a"
  [ sinks.archive.rotate ]
  every = "1h"
# [sinks.old]
[routes.shop-errors]
to = ["papertrail"]
[routes."quoted"]
to = ["archive"]
[[tests]]
route = "shop-errors"
"""

EVERY_SINK = ["archive", "first", "papertrail", "second"]

ASK = """\
source script
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_dockline
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """The working directory, with the script of bash, a configuration and a `docker`."""
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "dockline.toml").write_text(CONFIGURATION)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a file.json").touch()
    (tmp_path / "conf d").mkdir()
    (tmp_path / "conf d" / "1 a.toml").write_text("[sinks.first]\n[routes.one]\n")
    (tmp_path / "conf d" / "2.toml").write_text("[sinks.second]\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "docker").write_text("#!/bin/sh\necho api-1\necho db-1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("DOCKLINE_CONFIG", "")
    return tmp_path


def offered(*words: str) -> list[str]:
    """What bash would offer for the last of these words, and errors as a failure."""
    command = ["bash", "--norc", "-uc", ASK, "bash", "dockline", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.split("\n")[:-1] if ran.stdout != "\n" else []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", COMMANDS),
        ("t", ["tap", "test", "top"]),
        ("-", ["-h", "--help", "--version", "-c", "--config"]),
        ("-c dockline.toml t", ["tap", "test", "top"]),
        ("--config = dockline.toml t", ["tap", "test", "top"]),
        ("check --f", ["--format"]),
        ("check --format ", ["text", "json"]),
        ("check --format = j", ["json"]),
        ("check --format =", ["text", "json"]),
        ("check che", []),
        ("check papert", [f"papertrail{way}://" for way in ("", "+tcp", "+tls", "+udp")]),
        ("run lumber", ["lumberjack://", "lumberjack+tls://"]),
        ("run file:///x --watch nat", ["nats://", "nats+tls://"]),
        ("nothing ", []),
        ("run --log-level w", ["warning"]),
        ("explain --stream ", ["stdout", "stderr"]),
        ("explain --name ", []),
        ("explain ", ["api-1", "db-1"]),
        ("explain api-1 ", []),
        ("tap --container d", ["db-1"]),
        ("tap --level w", ["warning"]),
        ("tap --where ", []),
        ("completion ", [*SHELLS]),
        ("completion bash ", []),
        ("-c dockline.toml tap --route ", ["quoted", "shop-errors"]),
        ("tap --route a --route q -c dockline.toml --route s", ["shop-errors"]),
        ("tap -c dockline.toml --sink ", ["archive", "papertrail"]),
        ("tap --config = dockline.toml --sink = p", ["papertrail"]),
        ("tap -c none.toml --sink ", []),
        ("test -c dockline.toml --route s", ["shop-errors"]),
        ("tap -c none.toml -c dockline.toml --sink p", ["papertrail"]),
        ("tap -c empty --sink ", []),
        ("check -c d", ["dockline.toml", "docker"]),
        ("-c folder/", ["folder/a file.json"]),
        ("test --junit fol", ["folder"]),
        ("audit --verify fol", ["folder"]),
        ("audit --verify a b fol", ["folder"]),
        ("audit --verify --j", ["--json"]),
        ("audit --verify a --json fol", ["folder"]),
        ("audit fol", []),
    ],
)
def test_bash_offers_what_may_stand_there(line: str, expected: list[str]) -> None:
    assert sorted(offered(*line.split(" "))) == sorted(expected)


def test_names_come_from_the_file_that_the_environment_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKLINE_CONFIG", str(folder / "dockline.toml"))
    assert offered("test", "--route", "") == ["quoted", "shop-errors"]
    (folder / "other").write_text("[routes.other]\n")
    assert offered("test", "-c", "other", "--route", "") == ["other"]
    several = ("-c", "other", "test", "-c", "'conf d'", "--route", "")
    assert offered(*several) == ["one", "other"]
    monkeypatch.setenv("DOCKLINE_CONFIG", str(folder / "conf d"))
    assert offered("tap", "--sink", "") == ["first", "second"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", PROGRAM.commands, ids=lambda command: command.name)
def test_bash_offers_every_option_of_a_command(command: Command) -> None:
    names = [name for option in command.options for name in option.names]
    assert len(names) >= 4
    assert offered(command.name, "-") == names


def test_a_key_press_in_bash_completes_a_route(folder: Path) -> None:
    """Through readline, with `=` as it takes words apart, and a space after what is unambiguous."""
    assert typed(folder, b"dockline ta\t") == b"dockline tap "
    assert typed(folder, b"dockline tap --config=dockline.toml --route=sh\t").endswith(
        b"--route=shop-errors "
    )
    assert typed(folder, b"dockline -c fold\t") == b"dockline -c folder/"
    assert typed(folder, b"dockline -c folder/a\t") == b"dockline -c folder/a\\ file.json "


def typed(folder: Path, keys: bytes) -> bytes:
    """What a line of bash is after these keys, as it is echoed."""
    (folder / "rc").write_text(
        "source script\nPS1=''\nbind 'set bell-style none' "
        "'set enable-bracketed-paste off'\necho ready\n"
    )
    terminal, inside = pty.openpty()
    with subprocess.Popen(
        ["bash", "--rcfile", "rc", "-i"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={**os.environ, "TERM": "dumb"},
        start_new_session=True,
    ) as bash:
        try:
            seen(terminal, b"ready\r\n")
            os.write(terminal, keys)
            os.write(terminal, b"\x01echo '<\x05>'\r")
            return seen(terminal, b">\r\n").rpartition(b"<")[2]
        finally:
            bash.kill()
            os.close(inside)
            os.close(terminal)


def seen(terminal: int, end: bytes) -> bytes:
    """What the terminal shows, up to and without `end`."""
    shown = b""
    while end not in shown:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, shown
        shown += os.read(terminal, 65536)
    return shown.partition(end)[0]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_the_script(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert not re.search("@[A-Z]+@", script)
    for command in PROGRAM.commands:
        assert command.name in script
        for option in command.options:
            long = option.names[-1].removeprefix("--" if shell == "fish" else "")
            assert f"-l {long} " in script if shell == "fish" else long in script


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Puts the script of another shell into the folder."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    assert main(["completion", shell]) == 0
    (folder / "_dockline").write_text(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dockline ", COMMANDS),
        ("dockline t", ["tap", "test", "top"]),
        ("dockline -c dockline.toml t", ["tap", "test", "top"]),
        ("dockline check --form", ["--format"]),
        ("dockline check --format ", ["json", "text"]),
        ("dockline explain --stream=", ["--stream=stderr", "--stream=stdout"]),
        ("dockline explain ", ["api-1", "db-1"]),
        ("dockline tap --container d", ["db-1"]),
        ("dockline completion ", [*SHELLS]),
        ("dockline -c dockline.toml tap --route ", ["quoted", "shop-errors"]),
        ("dockline tap --config=dockline.toml --sink ", ["archive", "papertrail"]),
        ("dockline tap -c none.toml --sink ", []),
        ("dockline tap -c 'conf d' -c dockline.toml --sink ", EVERY_SINK),
        ("dockline tap -c empty --sink ", []),
        ("dockline -c folder/", ["folder/a file.json"]),
        ("dockline audit --verify fol", ["folder/"]),
        ("dockline run console:///x lumber", ["lumberjack+tls://", "lumberjack://"]),
    ],
)
def test_fish_offers_what_may_stand_there(
    line: str, expected: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("fish", folder, capsys)
    command = ["fish", "--no-config", "-c", "source _dockline; complete -C $argv[1]", line]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    assert [offer.split("\t")[0] for offer in ran.stdout.splitlines()] == expected


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("dockline ta\t", "dockline tap "),
        ("dockline --config=dockline.toml tap --route s\t", "... --route shop-errors "),
        ("dockline tap -c dockline.toml --sink=a\t", "... --sink=archive "),
        ("dockline tap --config=dockline.toml --sink a --sink p\t", "... --sink papertrail "),
        ("dockline check --format=j\t", "... --format=json "),
        ("dockline explain --stream stdo\t", "... --stream stdout "),
        ("dockline explain d\t", "... db-1 "),
        ("dockline tap -c 'conf d' -c dockline.toml --sink=s\t", "... --sink=second "),
        ("dockline tap -c dockline.toml -c empty --sink=a\t", "... --sink=archive "),
        ("dockline completion f\t", "... fish "),
        ("dockline run file:///x --watch vict\t", "... victorialogs+http"),
        ("dockline check console\t", "... console://"),
        ("dockline -c dockline.t\t", "... dockline.toml "),
    ],
)
def test_a_key_press_in_zsh_completes(
    keys: str, line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("zsh", folder, capsys)
    (folder / ".zshrc").write_text(
        "fpath=($PWD $fpath)\nautoload -Uz compinit\ncompinit -u -d $PWD/dump\n"
        "PS1= RPS1=\nunsetopt prompt_cr prompt_sp zle_bracketed_paste\n"
        "unset zle_bracketed_paste\nbindkey -e\n"
        "show() { print; print -r -- \"<$BUFFER>\"; exit }\nzle -N show\nbindkey '^X' show\n"
        "echo ready\n"
    )
    environment = {**os.environ, "TERM": "dumb", "ZDOTDIR": str(folder)}
    terminal, inside = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-i"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=environment,
        start_new_session=True,
    ) as zsh:
        try:
            seen(terminal, b"ready\r\n")
            os.write(terminal, keys.encode() + b"\x18")
            shown = seen(terminal, b">\r\n").rpartition(b"<")[2].decode()
        finally:
            zsh.kill()
            os.close(inside)
            os.close(terminal)
    assert shown.endswith(line.removeprefix("..."))


def test_what_a_value_is_follows_from_what_the_help_calls_it() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    own = commands.add_parser("one", help="50%% of it")
    own.add_argument("--to", metavar="S", action="append", help="a sink")
    own.add_argument("rest", metavar="FILE", nargs="*")
    (command,) = program(parser).commands
    assert command.argument is not None
    assert (command.argument.kind, command.argument.many) == ("files", True)
    option = command.options[-1]
    assert option.value is not None
    assert (option.names, option.value.kind, option.repeated) == (("--to",), "sinks", True)


def test_an_unknown_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "tcsh" in capsys.readouterr().err
