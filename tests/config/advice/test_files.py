"""Files that a configuration names and that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.file import parse


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[engine]\ntls = { ca = "FILE" }', "engine.tls.ca"),
        ('[http]\ntls = { cert = "FILE" }', "http.tls.cert"),
        ('[sinks.a]\ntype = "http"\nurl = "https://a"\ntls.ca = "FILE"', "sinks.a.tls.ca"),
        (
            '[sources.a]\ntype = "syslog"\nlisten = "tls://10.0.0.5:6514"\n'
            'tls = { cert = "OTHER", client_ca = "FILE" }',
            "sources.a.tls.client_ca",
        ),
    ],
)
def test_a_file_that_is_not_there_is_warned_of_in_every_table(
    text: str, path: str, tmp_path: Path
) -> None:
    other, file = tmp_path / "other.pem", tmp_path / "file.pem"
    other.write_text("text")
    text = text.replace("FILE", str(file)).replace("OTHER", str(other))
    (problem,) = parse(text, {}).warnings
    assert (problem.path, problem.line) == (path, text.count("\n") + 1)
    assert problem.message == f'"{file}" cannot be read: there is no such file'
    assert problem.hint == "correct the path, or let this user read the file"
    file.write_text("text")
    assert parse(text, {}).warnings == []


def test_a_path_that_was_put_in_is_not_shown() -> None:
    (problem,) = parse('[engine]\ntls = { ca = "${CA}" }', {"CA": "/no/s3cr3t"}).warnings
    assert problem.message == "the file cannot be read"
    assert "s3cr3t" not in str(problem)
