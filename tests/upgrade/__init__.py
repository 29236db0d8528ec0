"""`make upgrade FROM=COMMIT`: the agent of an earlier commit runs, then that of this tree on the
same state, and every line is looked for at every sink.

- `earlier`: the tree of a commit, ready to run, and what its commands print differently.
- `course`: containers, sinks and one change of agents.
- `tally`: which lines came, and the comparison with those that were written.
"""
