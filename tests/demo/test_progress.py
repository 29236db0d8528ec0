"""Each step of the demo is said when it begins, and how it went."""

from __future__ import annotations

import pytest

from demo import progress
from demo.progress import step


def test_a_step_tells_its_outcome_and_seconds_if_it_was_slow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with step("Engine") as outcome:
        assert capsys.readouterr().out == "  Engine            "
        outcome("yours")
    assert capsys.readouterr().out == "yours\n"
    monkeypatch.setattr(progress, "SLOW", 0)
    with step("Engine") as outcome:
        outcome("yours")
    assert capsys.readouterr().out == "  Engine            yours (0.0 s)\n"


def test_a_step_that_fails_ends_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="none"), step("Engine"):
        raise OSError("none")
    assert capsys.readouterr().out == "  Engine            \n"
