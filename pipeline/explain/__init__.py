"""Explanations: what the routes do with a container and with lines of it, and why.

`dockline explain`, `dockline test` and the page use it. ``facts`` has the whole explanation; it
asks ``reasons`` why a container isn't followed or taken, and ``dry_run`` runs the lines. ``values``
writes values of entries as text.

For the page, ``explainer`` answers for the running agent. Lines go through stages in a process of
their own: ``process`` starts it with a ``job``, ``worker`` is what it runs, within limits, and
``trial`` makes its answer, also for stages that somebody tries. ``present`` writes a route as TOML.
"""
