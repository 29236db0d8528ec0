"""`dockline check`."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.cli import main

BAD = '[logs]\nstart = "begining"\n[sinks.out]\ntype = "consol"\n'


def test_a_good_file_is_summed_up(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(
        '[sinks.out]\ntype = "console"\n'
        "[routes.errors]\ncontainers = 'project == \"shop\"'\n"
        "stages = [{ parse = 'json' }, { keep = 'level == \"error\"' }]\nto = ['out']\n"
        "[[tests]]\nroute = 'errors'\ninput = []\nexpect = []\n"
        "[routes.all]\nto = ['out', 'route:errors']\n"
    )
    assert main(["check", "-c", file]) == 0
    assert capsys.readouterr() == (
        f"ok: {file}\n"
        "  sink   out: console\n"
        '  route  errors: route:all of containers where project == "shop" → parse → keep → out\n'
        "  route  all: logs → out, route:errors\n"
        "  tests  1\n",
        "",
    )


def test_the_summary_shows_nothing_that_was_substituted(
    write: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WHO", '"s3cr3t"')
    file = write("[routes.r]\ncontainers = 'name == ${WHO}'\nto = ['console']\n")
    assert main(["check", "-c", file]) == 0
    assert "containers where name == ${WHO} →" in capsys.readouterr().out


def test_addresses_of_sinks_are_checked_instead_of_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "syslog+tls://h?filter.name=web-*", "--format=text", "file:///x"]) == 0
    assert capsys.readouterr() == (
        "ok: command line\n"
        "  sink   syslog: syslog\n"
        "  sink   file: file\n"
        "  route  all: logs → file\n"
        "  route  syslog: logs of containers where name.startswith('web-') → syslog\n",
        "",
    )
    assert main(["check", "papertral://me:s3cr3t@h:1", "papertrail://h"]) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[0] == (
        'papertrail://h: address: "h" has no port; write it like "h:1234"'
    )
    assert 'papertral://***@h:1: there is no papertral://; did you mean "papertrail://"?' in error
    assert "s3cr3t" not in error
    assert main(["check", "--format=json", "papertrail://h?nope=1"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert {one["file"] for one in told["errors"]} == {"papertrail://h?nope=***"}


@pytest.mark.parametrize("command", ["run", "check"])
def test_print_shows_the_toml_of_addresses_and_no_secret(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = "redis://me:s3cr3t@h/1?keep=at_least(level, 'error')&parse=json"
    assert main([command, "--print", address]) == 0
    out, error = capsys.readouterr()
    assert "s3cr3t" not in out + error
    assert "secrets: not printed; set in the environment: REDIS_PASSWORD\n" in error
    (file := tmp_path / "saved.toml").write_text(out)
    monkeypatch.setenv("REDIS_PASSWORD", "s3cr3t")
    assert main(["check", "-c", str(file)]) == 0
    assert main([command, "--print", "redis://h:no"]) == 2
    assert main([command, "--print"]) == 2
    assert "--print shows what addresses of sinks stand for" in capsys.readouterr().err


def test_no_file_is_summed_up_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.config.files.DEFAULT_FILE", tmp_path / "none.toml")
    assert main(["check"]) == 0
    assert capsys.readouterr().out == (
        "ok: built-in defaults\n  sink   console: console\n  route  all: logs → console\n"
    )


def test_errors_of_several_files_are_told_with_their_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (first := tmp_path / "base.toml").write_text('[sinks.out]\ntype = "console"\n')
    (folder := tmp_path / "conf.d").mkdir()
    second = folder / "a.toml"
    second.write_text('[logs]\nstart = "begining"\n[sinks.out]\n')
    several = ["check", "-c", str(first), "-c", str(folder)]
    assert main(several) == 2
    heads = [line for line in capsys.readouterr().err.splitlines() if line.startswith("/")]
    assert heads[0].startswith(f"{second}:2: logs.start: expected one of ")
    assert heads[1:] == [
        f"{second}:3: sinks.out: this table stands twice; the first is at {first}:1"
    ]
    assert main([*several, "--format", "json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == f"{first}, {folder}"
    assert [(one["file"], one["line"]) for one in told["errors"]] == [
        (str(second), 2),
        (str(second), 3),
    ]
    second.write_text("[sinks.unused]\ntype = 'console'\n[routes.r]\nto = ['out']\n")
    assert main([*several, "--format", "json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert (warning["file"], warning["path"]) == (str(second), "sinks.unused")


def test_every_error_is_on_standard_error_with_its_line_and_a_mark(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(BAD)
    assert main(["check", "-c", file]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.splitlines()[:3] == [
        f'{file}:2: logs.start: expected one of "now", "beginning" or a duration such as "5s", '
        'got "begining"; did you mean "beginning"?',
        '    start = "begining"',
        "            ^^^^^^^^^^",
    ]
    assert f'{file}:4: sinks.out.type: there is no sink type "consol"; did you mean' in error
    assert error.endswith("\n2 errors\n")


def test_warnings_do_not_change_the_status(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write('[sinks.a]\ntype="console"\n[sinks.b]\ntype="console"\n[routes.r]\nto=["a"]\n')
    assert main(["check", "-c", file]) == 0
    out, error = capsys.readouterr()
    assert out.startswith("ok: ")
    assert error.startswith(f"{file}:3: warning: sinks.b: no route leads to this sink; name it")


def test_strict_ends_with_2_for_warnings(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    good = write('[sinks.a]\ntype="console"\n')
    assert main(["check", "--strict", "-c", good]) == 0
    assert capsys.readouterr().out.startswith("ok: ")
    file = write('[sinks.a]\ntype="console"\n[sinks.b]\ntype="console"\n[routes.r]\nto=["a"]\n')
    assert main(["check", "--strict", "-c", file]) == 2
    out, error = capsys.readouterr()
    assert out.startswith(f"not ok: {file}: --strict allows no warnings\n")
    assert error.startswith(f"{file}:3: warning: sinks.b: no route leads to this sink")
    assert main(["check", "--strict", "--format", "json", "-c", file]) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], len(found["warnings"])) == (True, 1)
    assert main(["check", "--strict", "-c", write(BAD)]) == 2


def test_errors_that_show_only_when_all_is_read_are_printed_with_a_mark(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    stages = 'stages = [{ level = "auto" }, { keep = "level == \'warn\'" }]'
    file = write(f"[routes.r]\nto = ['console']\n{stages}\n")
    assert main(["check", "-c", file]) == 2
    assert f"{file}:3: routes.r.stages[1].keep: level is never" in capsys.readouterr().err
    assert main(["check", "--format", "json", "-c", file]) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["hint"] == 'write "warning"'


def test_a_file_in_the_working_directory_that_is_not_meant_is_warned_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("pipeline.config.files.DEFAULT_FILE", tmp_path / "none.toml")
    (tmp_path / "dockline.toml").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    said = "warning: ./dockline.toml is not used; to use it, write -c "
    assert main(["check"]) == 0
    assert capsys.readouterr().err == f"built-in defaults: {said}./dockline.toml\n"
    assert main(["check", "--format", "json"]) == 0
    assert "./dockline.toml" in json.loads(capsys.readouterr().out)["warnings"][0]["message"]

    (tmp_path / "other.toml").write_text("nope = 1")
    monkeypatch.setenv("DOCKLINE_CONFIG", str(tmp_path / "other.toml"))
    assert main(["check"]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}/other.toml: {said}")

    monkeypatch.setenv("DOCKLINE_CONFIG", str(tmp_path / "dockline.toml"))
    assert main(["check"]) == 2
    assert main(["check", "-c", str(tmp_path / "other.toml")]) == 2
    assert said not in capsys.readouterr().err


def test_json_has_every_error(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(BAD)
    assert main(["check", "-c", file, "--format", "json"]) == 2
    out, error = capsys.readouterr()
    assert error == ""
    found = json.loads(out)
    assert (found["file"], found["valid"]) == (file, False)
    assert [(one["line"], one["path"]) for one in found["errors"]] == [
        (2, "logs.start"),
        (4, "sinks.out.type"),
    ]
    assert found["errors"][0]["hint"] == 'did you mean "beginning"?'


def test_json_of_a_good_file_says_what_it_does(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write("")
    assert main(["check", "-c", file, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": file,
        "valid": True,
        "errors": [],
        "warnings": [],
        "sources": {},
        "sinks": {"console": "console"},
        "routes": {"all": {"from": ["logs"], "stages": [], "to": ["console"]}},
        "live": [],
    }


def _on_a_terminal(file: str, **environ: str) -> str:
    """What `check` writes to a terminal."""
    control, terminal = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", **environ}
    command = [sys.executable, "-m", "pipeline", "check", "-c", file]
    process = subprocess.run(command, stdout=terminal, stderr=terminal, env=environ, check=False)
    os.close(terminal)
    assert process.returncode == 2
    shown = b""
    with os.fdopen(control, "rb", 0) as reader, suppress(OSError):  # once all is read
        while more := reader.read(65536):
            shown += more
    return shown.decode()


@pytest.mark.server
def test_colour_is_for_terminals_whose_user_wants_it(write: Callable[[str], str]) -> None:
    file = write(BAD)
    assert "\x1b[31m" in _on_a_terminal(file)
    assert "\x1b" not in _on_a_terminal(file, NO_COLOR="1")
    assert "\x1b" not in _on_a_terminal(file, TERM="dumb")


def test_no_secret_comes_out_in_either_format(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(
        '[sinks.a]\ntype = "http"\nurl = "http://me:s3cr3t@store"\nauth = "me:s3cr3t"\n'
        '[sinks.b]\ntype = "papertrail"\naddress = "logs.example:1"\ntoken = "s3cr3t]"\n'
        '[sinks.c]\ntype = "http"\nurl = "http://store"\nheaders = { X-Key = "s3cr3t\\n" }\n'
        '[sinks.d]\ntype = "http"\nurl = "http://store"\nauth.password = "s3cr3t"\n'
    )
    for options in ([], ["--format", "json"]):
        assert main(["check", "-c", file, *options]) == 2
        said = "".join(capsys.readouterr())
        assert "sinks.d.auth" in said
        assert "s3cr3t" not in said


@pytest.mark.fault(115)
def test_check_live_shows_no_secret_that_a_server_repeats(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    class Repeats(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401, f"who is {self.headers['Authorization']}?")
            self.send_header("Server", str(self.headers["Authorization"]))
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Repeats) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        file = write(
            f'[engine]\nenabled = false\n[sinks.a]\ntype = "http"\nauth = {{ bearer = "s3cr3t" }}\n'
            f'url = "http://127.0.0.1:{server.server_port}"\n'
        )
        main(["check", "--live", "-c", file])
        server.shutdown()
    said = "".join(capsys.readouterr())
    assert "sink a" in said
    assert "s3cr3t" not in said
