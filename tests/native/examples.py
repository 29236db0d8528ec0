"""How often the properties are tried."""

from __future__ import annotations

import os

from tests.suite.examples import examples as quick_or_full


def examples(count: int) -> int:
    """So many; fewer under the sanitizers, where each takes longer."""
    return quick_or_full(count // 5 if "EXTENSION" in os.environ else count)
