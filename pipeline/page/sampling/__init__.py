"""The figures of the page: what is asked of the agent, and what is made of it for viewers.

`sampler` takes a sample every two seconds. `table` has a row (`rows`) for each container, made of
its account, its state (`states`) and its stats (`usage`). `counts` makes rates of counters, `now`
the answer for everybody. `rings` keep the last hour.
"""
