"""What a batch stands for in memory is known, however little memory there is."""

from __future__ import annotations

import pytest

from pipeline import native
from pipeline.testing.builders import batch


def test_its_size_is_the_same_when_there_is_no_memory_to_join_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [b'{"a":[1,[2,[3]]]}', b"[[[[[[[[[[[[[[[[[[[[[[[["] * 3
    one = batch(*lines, fields=[{"a": 1}] * len(lines))
    before = one.size
    monkeypatch.setattr(native, "loops", None)
    count = native._count

    def scarce(text: bytes, wanted: bytes) -> int:
        if len(text) > 24:
            raise MemoryError
        return count(text, wanted)

    monkeypatch.setattr(native, "_count", scarce)
    assert one.size == before
