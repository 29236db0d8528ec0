"""`make chaos`: containers that start, flood and end while agent, sinks and dockerd are killed.

- `plan`: what is done and when, out of a seed and nothing else.
- `talk`: what the containers write, so that each line can be told from all others.
- `containers`, `agent`, `receivers`, `faults`: those who do it.
- `syslog`, `beats` on `receiving`: the sinks' other ends, each a process that can be killed.
- `record`, `truth`, `tally`: what came, what the Engine has kept, and the comparison.
- `course`, `report`: one run from its beginning to its figures.
"""
