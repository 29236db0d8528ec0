"""The peers' configuration is found by peer and workload, and filled in when they run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from benchmarks.lines import engine_with_lines
from benchmarks.suite import peers
from benchmarks.suite.peers import CONFIGS, Peer
from benchmarks.suite.programs import run
from benchmarks.workloads import Workload
from tests.suite.skips import NOT_GIVEN

LINES = 2000


@pytest.mark.parametrize("suffix", ["conf", "yaml"])
def test_a_file_is_found_by_peer_and_workload_whatever_its_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(peers, "CONFIGS", tmp_path)
    file = tmp_path / f"some-peer-w1.{suffix}"
    file.write_text("text")
    peer = Peer("Some Peer", "file", ("peer", "@CONFIG@"), "1")
    assert peer.file("w1") == file
    assert peer.configuration("w1") == "text"


def test_a_workload_without_a_file_is_told() -> None:
    with pytest.raises(LookupError, match="no configuration some-peer-w9"):
        Peer("Some Peer", "file", ("peer", "@CONFIG@"), "1").file("w9")


@pytest.mark.server
def test_a_program_that_is_given_by_its_path_is_a_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "fluent-bit"
    program.write_text("#!/bin/sh\necho Fluent Bit v1.2.3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PEER_FLUENT_BIT", str(program))
    monkeypatch.delenv("PEER_VECTOR", raising=False)
    monkeypatch.setattr(peers, "CONFIGS", tmp_path)
    (tmp_path / "fluent-bit-w1.yaml").touch()
    assert peers.given("w2")[1]["Fluent Bit"] == "`benchmarks/peers/` has no configuration of it"
    (peer,), absent = peers.given("w1", "w2")
    assert (peer.name, peer.version) == ("Fluent Bit", "Fluent Bit v1.2.3")
    assert peer.command[0] == str(program)
    assert absent == {"Vector": "`PEER_VECTOR` was not set"}


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_what_is_written_as_yaml_is_yaml_and_has_nothing_that_a_run_does_not_fill_in(
    file: Path,
) -> None:
    text = file.read_text()
    assert set(re.findall(r"@([A-Z]+)@", text)) <= {"FOLDER", "PORT", "CONTAINERS"}
    assert yaml.safe_load(text.replace("@PORT@", "1"))["pipeline"].keys() >= {"inputs", "outputs"}


@pytest.mark.engine
def test_a_peer_that_is_given_does_w1_and_w2_whole() -> None:
    given, absent = peers.given("w1", "w2")
    if not given:
        pytest.skip(NOT_GIVEN + "; ".join(absent.values()))
    with engine_with_lines(LINES) as engine:
        for peer in given:
            for workload in (Workload("w1", LINES), Workload("w2", LINES)):
                found = run(peer, engine, workload)
                assert not found.failed
                assert found.came == workload.expected
                assert "lost" not in found.faults
