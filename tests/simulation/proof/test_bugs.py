"""Each bug still fits into today's code."""

from __future__ import annotations

import pytest

from tests.simulation.proof.bugs import ROOT, Bug, all_bugs, changed

BUGS = all_bugs()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_changes_todays_code_and_compiles(bug: Bug) -> None:
    for file, source in changed(bug).items():
        assert source != (ROOT / file).read_text()
        compile(source, file, "exec")


def test_each_bug_has_a_name_of_its_own_and_a_sentence() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    for bug in BUGS:
        assert bug.what.endswith("."), bug.name
        assert bug.replace, bug.name
