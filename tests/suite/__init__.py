"""How the suite is run: lanes, time limits, what is kept of each run."""
