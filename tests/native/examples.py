"""How often the properties are tried."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """So many; fewer under the sanitizers, where each takes longer."""
    return count // 5 if "EXTENSION" in os.environ else count
