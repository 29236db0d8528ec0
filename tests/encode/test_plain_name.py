"""Names that most systems accept."""

from __future__ import annotations

import pytest

from pipeline.encode.plain_name import LONGEST, plain_name
from pipeline.expression import compile_template
from pipeline.testing.builders import batch


@pytest.mark.fault(101)
def test_a_name_is_plain_where_the_template_is_filled_in() -> None:
    whole = batch("", "", "", fields=[{"a": "x/ü z"}, {}, {"a": "y" * 1000}])
    names = compile_template("a/{a}", plain_name)(whole)
    assert names == ["a/x___z", "a/_", "a/" + "y" * LONGEST]
