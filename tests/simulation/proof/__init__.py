"""`python -m tests.simulation.proof`: that the simulation finds bugs.

- `past.toml`: bugs of the past, put back into today's code.
- `mutants.toml`: mistakes that nobody has made yet.
- `bugs`: what these files say, and a source with a bug in it.
- `seeds`, `play`: run seeds in a copy of the tree.
- `search`: looks for a seed that finds a bug.
- `report`: what was found, as a table.
"""
