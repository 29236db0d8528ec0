"""The peers' configuration is found by peer and workload, and filled in when they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.suite import peers
from benchmarks.suite.peers import Peer


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
