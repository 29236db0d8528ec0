"""The check of the hot loops finds one that got slower, and says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import check
from benchmarks.loops import Loop, loops, slower

BUDGETS = check.read(check.BUDGETS)
SLOWER = 4.0
"""More than any loop is below its budget, so that a quick machine notices too."""


@pytest.mark.parametrize("name", sorted(BUDGETS))
def test_a_loop_that_does_its_work_several_times_is_over_its_budget(name: str) -> None:
    (loop,) = (loop for loop in loops() if loop.name == name)
    (result,) = check.check([slower(loop, SLOWER)], BUDGETS)
    assert result.over
    assert "OVER by" in str(result)


def test_each_loop_has_a_budget_for_each_interpreter_and_no_other_has() -> None:
    names = {loop.name for loop in loops()}
    assert check.read(check.BUDGETS, (3, 11)).keys() == names
    assert check.read(check.BUDGETS, (3, 13)).keys() == names


def test_an_interpreter_without_budgets_has_those_of_the_newest() -> None:
    assert check.read(check.BUDGETS, (3, 99)) == check.read(check.BUDGETS, (3, 13))


def test_the_exit_code_is_1_when_a_loop_is_over_and_0_when_none_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "in_a_new_process", lambda name: 1.0)
    budgets = tmp_path / "budgets.toml"
    budgets.write_text('["3.13"]\nsyslog = 0.001\nkeep = 1e9\n')
    assert check.main(["syslog", "keep", "--budgets", str(budgets)]) == 1
    assert capsys.readouterr().err == "over budget: syslog\n"
    assert check.main(["keep", "--budgets", str(budgets)]) == 0


def test_a_loop_that_is_over_is_believed_only_when_it_is_so_again() -> None:
    loop = Loop("syslog", 1, lambda: sum(range(100_000)))
    asked: list[str] = []

    def quicker(name: str) -> float:
        asked.append(name)
        return 0.5

    (result,) = check.check([loop], {"syslog": 1.0}, quicker)
    assert not result.over
    assert asked == ["syslog"]


def test_loops_in_c_have_smaller_budgets_than_those_in_python() -> None:
    for version in ((3, 11), (3, 13), (3, 99)):
        in_c = check.read(check.BUDGETS, version, in_c=True)
        in_python = check.read(check.BUDGETS, version, in_c=False)
        assert in_c.keys() == in_python.keys()
        smaller = {name for name, budget in in_c.items() if budget < in_python[name]}
        assert smaller == {
            "framing",
            "files",
            "syslog",
            "json",
            "bulk",
            "otlp",
            "loki",
            "redact",
            "w2",
        }
        assert all(in_c[name] == in_python[name] for name in in_c.keys() - smaller)
