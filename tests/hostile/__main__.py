"""`python -m tests.hostile --minutes 60`: 0 when the agent has withstood everything, else 1."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from pipeline.model.errors import EngineError
from pipeline.testing.private_engine import why_not
from tests.hostile.course import Course


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--keep", action="store_true", help="leave the folder of a good run, too")
    parser.add_argument(
        "--without", action="append", default=[], metavar="NAME",
        help="leave out an attack by clients, such as http_idle, or `containers`",
    )  # fmt: skip
    arguments = parser.parse_args()
    if reason := why_not():
        _say(reason)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="dockline-hostile-"))
    good = False
    try:
        figures = Course(folder, _say, without=arguments.without).run(
            arguments.seed, arguments.minutes
        )
        print("\n" + figures.table() + "\n", flush=True)
        for turn in figures.turns[:10]:
            _say(json.dumps(turn))
        for line in figures.wrong:
            _say(f"WRONG: {line}")
        good = not figures.wrong
    except (EngineError, AssertionError) as error:
        _say(f"the run could not be finished: {error}")
    except KeyboardInterrupt:
        _say("interrupted")
    if good and not arguments.keep:
        shutil.rmtree(folder)
    else:
        _say(f"what there is to see is in {folder}")
    return 0 if good else 1


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} hostile: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
