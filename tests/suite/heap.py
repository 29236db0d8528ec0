"""What was imported and collected is set aside from the garbage collector, once.

It is most of what there is and never goes, and each collection would look at all of it: a quarter
of a second, for each test that asks whether something was left behind.
"""

from __future__ import annotations

import gc

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
