"""`python -m tests.simulation`: see `command`."""

from __future__ import annotations

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a part of what a seed decides
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])

from tests.simulation.world.system import install

install()

from tests.simulation.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
