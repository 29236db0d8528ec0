"""Tests run on a mutant, in a copy of the tree, and the tree itself is left alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants.checkout import ROOT, Checkout, Stopped

pytestmark = pytest.mark.server

PLURAL = "pipeline/support/plural.py"
TESTS = ("tests/support/test_plural.py",)


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    with Checkout() as copy:
        yield copy


def test_a_fault_is_noticed_and_gone_afterwards(checkout: Checkout) -> None:
    source = (ROOT / PLURAL).read_bytes()
    assert source.count(b"== 1") == 1
    with checkout.having(PLURAL, source.replace(b"== 1", b"!= 1")):
        run = checkout.run(TESTS)
    assert not run.passed
    assert not run.ended
    assert run.by.startswith("tests/support/test_plural.py::")
    assert checkout.run(TESTS).passed
    assert (ROOT / PLURAL).read_bytes() == source


def test_what_hangs_is_ended(checkout: Checkout) -> None:
    with checkout.having(PLURAL, b"while True:\n    pass\n"):
        run = checkout.run(TESTS, limit=3)
    assert run.ended
    assert not run.passed


def test_what_runs_can_be_stopped_and_nothing_runs_afterwards(tmp_path: Path) -> None:
    with Checkout() as copy, copy.having(PLURAL, b"while True:\n    pass\n"):
        threading.Timer(1, copy.stop).start()
        for _ in range(2):
            with pytest.raises(Stopped):
                copy.run(TESTS)


def test_it_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Checkout() as copy:
        assert (copy.folder / "tree" / PLURAL).exists()
    assert not list(tmp_path.iterdir())
