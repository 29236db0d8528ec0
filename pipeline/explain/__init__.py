"""Explanations: what the routes do with a container and with lines of it, and why.

`dockline explain` and `dockline test` use it. ``facts`` has the whole explanation; it asks
``reasons`` why a container isn't followed or taken, and ``dry_run`` runs the lines. ``values``
writes values of entries as text.
"""
