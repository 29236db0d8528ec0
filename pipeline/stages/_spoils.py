"""What goes wrong where stages stand in the wrong order, as `Effect.spoils` says it."""

from __future__ import annotations

from typing import Final

DROPS_LINES: Final = "it drops single lines of what belongs together, before they are joined"
