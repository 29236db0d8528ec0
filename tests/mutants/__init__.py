"""`make mutants`: small faults put into the code, to see that some test fails for each.

- `mutation`: the faults that a source can have, each of one place.
- `sample`: which of them are tried, out of a seed and nothing else.
- `rooms`: what is mutated, and the tests that should notice.
- `equivalent`, in a TOML file: mutants that change nothing, each with the reason.
- `checkout`: a copy of the tree in which a mutant is tested.
- `trial`, `report`: what became of each, and the figures.
"""
