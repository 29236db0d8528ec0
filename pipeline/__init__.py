"""dockline: one agent per Docker host.

To read the code in the order in which a line travels:

1. ``batch``            the nouns: container, batch, samples
2. ``component``        what a source, a stage and a sink promise, and how they are found
3. ``sources.docker``   engine, frames, watch, tail: from Docker's bytes to batches;
   ``intake``           the same for what other sources bring, and when those are answered
4. ``routing``          which lanes a container has; a lane runs its stages
5. ``envelope``         a batch on its way to one sink
   ``buffer``           what stands between a lane and a sink
6. ``delivery``         gathers, encodes, sends, retries, settles
7. ``settlement``, ``checkpoint``   what is outstanding, and where to resume
8. ``ledger``           what became of every entry
9. ``agent``            the only module that knows all of the above
"""

__version__ = "0.1.0"
