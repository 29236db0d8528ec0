"""`python -m pipeline` is `dockline`."""

import sys

from pipeline.cli import main

sys.exit(main())
