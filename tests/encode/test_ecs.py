"""What entries of one kind and flag have in common is made once."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from pipeline.encode.ecs import Forms
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container

OUT, ERR = 1, 2


class Made(list[tuple[int, str]]):
    def __call__(self, batch: Batch, kind: int, flag: str) -> str:
        self.append((kind, flag))
        return f"{kind}{flag}"


def test_each_entry_has_the_form_of_its_kind_and_flag() -> None:
    forms, made, one = Forms[str](object(), len), Made(), container()
    given = batch("a", "b", "c", of=one, streams="out err out", start=7, flags={9: "truncated"})
    assert forms.of(given, made) == ["1", "2", "1truncated"]
    assert forms.of(batch("d", "e", of=one, streams="err out"), made) == ["2", "1"]
    assert sorted(made) == [(OUT, ""), (OUT, "truncated"), (ERR, "")]


@pytest.mark.parametrize(
    "columns",
    [{"source": "events"}, {"bare": True}, {"fields": [{"a": 1}]}, {"parts": [1]}],
    ids=lambda columns: next(iter(columns)),
)
def test_batches_with_other_columns_have_forms_of_their_own(columns: dict[str, Any]) -> None:
    forms, made, one = Forms[str](object(), len), Made(), container()
    forms.of(batch("a", of=one), made)
    forms.of(batch("a", of=one, **columns), made)
    assert made == [(OUT, ""), (OUT, "")]


def test_forms_go_with_their_container() -> None:
    forms = Forms[Made](object(), len)
    [form] = forms.of(batch("a", of=(one := container())), lambda *_: Made())
    known = weakref.ref(form)
    del form
    gc.collect()
    assert known() is not None
    del one
    gc.collect()
    assert known() is None
