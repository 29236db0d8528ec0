"""`demo/dockline.toml` is a file that people copy from."""

from __future__ import annotations

from pathlib import Path

from demo.config import PATH, configuration
from pipeline.cli import main
from pipeline.config.file import parse


def test_it_is_valid_without_a_warning_and_passes_its_own_tests() -> None:
    assert parse(PATH.read_text(), {}).warnings == []
    assert main(["test", "-c", str(PATH)]) == 0


def test_a_run_changes_addresses_and_nothing_else(tmp_path: Path) -> None:
    text = configuration(
        engine="unix:///some.sock",
        state=tmp_path,
        listen="127.0.0.1:1",
        store="http://127.0.0.1:2/",
    )
    config = parse(text, {}).config
    assert (config.engine.url, config.http.listen) == ("unix:///some.sock", "127.0.0.1:1")
    assert config.state.directory == str(tmp_path)
    assert config.logs.containers is not None
    changed = set(text.splitlines()) - set(PATH.read_text().splitlines())
    assert len(changed) == 6  # a comment, [engine] with its url, and three addresses


def test_all_containers_are_followed_where_that_is_asked_for(tmp_path: Path) -> None:
    text = configuration(
        engine="unix:///some.sock", state=tmp_path, listen="off", store="http://a/", everything=True
    )
    assert parse(text, {}).config.logs.containers is None
