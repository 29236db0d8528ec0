"""`python -m tests.simulation.proof.play SEED...`: runs seeds, and says of each in a line of JSON
how it went. It is run in a copy of the tree."""

from __future__ import annotations

import gc
import json
import sys
import warnings

from tests.simulation.world.system import install

install()

from tests.simulation.plan import made  # noqa: E402
from tests.simulation.run import play  # noqa: E402


def main() -> None:
    warnings.simplefilter("ignore")
    gc.disable()
    for seed in map(int, sys.argv[1:]):
        run = play(made(seed))
        said = str(run.wrong[0]) if run.wrong else ""
        print(json.dumps([seed, run.seconds, said]), flush=True)


main()
